"""Spreading starts over time."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudmanager.flows.stagger import stagger

RATES = st.sampled_from([0.0, 0.5, 5.0, 50.0, 500.0])


def test_without_limits_all_begin_at_once():
    assert stagger([]) == []
    assert stagger([{}, {"fleet": 0.0}, {"fleet": 0.0, "rack": 0.0}]) == [0.0, 0.0, 0.0]


def test_one_domain_in_the_order_given():
    assert stagger([{"fleet": 4.0}] * 4) == [0.0, 0.25, 0.5, 0.75]


def test_boards_are_switched_side_by_side():
    """The nodes of one board stand together in the list; the other board does not wait for them."""
    nodes = [{"control": 2.0, "fleet": 100.0}] * 3 + [{"other": 2.0, "fleet": 100.0}] * 3
    assert stagger(nodes) == [0.0, 0.5, 1.0, 0.01, 0.51, 1.01]


def test_a_node_without_domains_waits_for_nobody():
    assert stagger([{"board": 1.0}, {"board": 1.0}, {}]) == [0.0, 1.0, 0.0]


def test_a_large_fleet_takes_no_longer_than_its_slowest_domain():
    nodes = [{"fleet": 500.0, ("rack", n // 40): 50.0, ("board", n // 8): 5.0} for n in range(10_000)]
    delays = stagger(nodes)
    assert max(delays) == pytest.approx(20.0, abs=1.5)


@settings(max_examples=200, deadline=None)
@given(
    rates=st.fixed_dictionaries({"fleet": RATES, "rack": RATES, "board": RATES}),
    places=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), max_size=40),
)
def test_no_domain_sees_more_than_its_rate(rates, places):
    nodes = [
        {"fleet": rates["fleet"], ("rack", rack): rates["rack"], ("board", rack, board): rates["board"]}
        for rack, board in places
    ]
    delays = stagger(nodes)
    for domain in {domain for node in nodes for domain in node}:
        starts = sorted(delay for node, delay in zip(nodes, delays, strict=True) if domain in node)
        rate = next(node[domain] for node in nodes if domain in node)
        if rate:
            gaps = [after - before for before, after in pairwise(starts)]
            assert all(gap >= 1 / rate - 1e-9 for gap in gaps)
    slowest = sum(len(nodes) / rate for rate in rates.values() if rate)
    assert max(delays, default=0.0) <= slowest  # nobody waits without a reason
