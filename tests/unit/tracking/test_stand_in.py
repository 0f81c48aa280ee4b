"""Which spare is told ahead of an evacuation, and when none is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cloudmanager.flows.hosts.spare_choice import Need, Spare, choose
from cloudmanager.tracking.snapshot import Came, Decision, Limits
from cloudmanager.tracking.stand_in import asks_for_spare, with_spare

from .test_gates import BOLD, DEAD, NOW, verdict

SPARES = [Spare(8, "s2", has_control=False), Spare(9, "s3"), Spare(7, "s1")]


@pytest.mark.parametrize(
    ("change", "asks"),
    [
        pytest.param({}, True, id="dead"),
        pytest.param({"down_count": 1}, True, id="counting"),
        pytest.param({"decision": Decision("t", NOW - 9, Came.FAILED)}, True, id="to be tried again"),
        pytest.param({"decision": Decision("t", NOW - 9, Came.OPEN)}, False, id="being evacuated"),
        pytest.param({"up": True}, False, id="up"),
        pytest.param({"up": None}, False, id="unknown"),
        pytest.param({"reserved": True}, False, id="a spare"),
        pytest.param(
            {"down_count": 1, "cordoned": "disk swap"}, False, id="refused behind a gate that waits"
        ),
    ],
)
def test_a_spare_is_asked_for_when_an_evacuation_may_follow(change, asks):
    found = verdict(replace(DEAD, **change))
    assert asks_for_spare(found, use_spares=True, lent=None) is asks
    assert not asks_for_spare(found, use_spares=False, lent=None)
    assert not asks_for_spare(found, use_spares=True, lent="s9")


def test_nobody_is_asked_where_hosts_are_not_evacuated():
    assert not asks_for_spare(verdict(limits=Limits()), use_spares=True, lent=None)


def test_one_whose_turn_it_is_not_yet_has_its_spare_told():
    limits = replace(BOLD, fences_per_cycle=1)
    found = verdict(others=[replace(DEAD, name="h0", down_since=NOW - 900)], limits=limits)
    assert found.shut == "its_turn"
    assert asks_for_spare(found, use_spares=True, lent=None)


def test_the_best_spare_is_told_with_what_happens_next():
    found = verdict()
    told = with_spare(found, choose(SPARES, Need("h1")))
    assert told.next == f"{found.next}; spare s1 (node 7) would be asked to stand in"
    assert replace(told, next=found.next) == found


@pytest.mark.parametrize(
    ("spares", "why"),
    [
        ([], "no node of the class hypervisor is reserved"),
        (SPARES[:1], "s2: it has no power control"),
    ],
    ids=["none reserved", "unfit"],
)
def test_that_no_spare_fits_is_told_with_the_reason(spares, why):
    found = verdict()
    told = with_spare(found, choose(spares, Need("h1")))
    assert told.next == f"{found.next}; no spare would stand in: {why}"
