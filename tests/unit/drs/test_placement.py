"""Incremental evaluation against the obvious one, after any moves."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudmanager.drs.placement import Placement
from tests.unit.drs.problems import Drawn, drawn, may, total

WALK = st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), max_size=12)


def wandered(case: Drawn, walk: list[tuple[int, int]]) -> Placement:
    """After moves that need not be allowed."""
    placement = Placement(case.problem)
    for item, place in walk:
        placement.move(item % case.problem.items, place % case.problem.places)
    return placement


@given(drawn(), WALK)
def test_the_total_after_any_moves(case, walk):
    placement = wandered(case, walk)
    assert placement.total == pytest.approx(total(case, placement.place.tolist()))


@given(drawn(), WALK)
def test_every_change_foretold_is_the_one_that_comes(case, walk):
    placement = wandered(case, walk)
    place = placement.place.tolist()
    changes = placement.changes(np.arange(case.problem.items))
    for item in range(case.problem.items):
        for to in range(case.problem.places):
            after = [*place[:item], to, *place[item + 1 :]]
            expected = total(case, after) - total(case, place)
            if may(case, place, item, to):
                assert changes[item, to] == pytest.approx(expected), (item, to)
            else:
                assert math.isinf(changes[item, to]), (item, to)
            assert placement.change(item, to) == pytest.approx(expected)


@given(drawn(), WALK)
def test_may_is_what_changes_says_of_items_that_can_move(case, walk):
    placement = wandered(case, walk)
    place = placement.place.tolist()
    for item in range(case.problem.items):
        for to in range(case.problem.places):
            if to != place[item]:
                expected = bool(case.problem.movable[item]) and may(case, place, item, to)
                assert placement.may(item, to) == expected


@given(drawn(together=False), WALK)
def test_a_swap_foretold_is_the_one_that_comes_without_rules_and_routes(case, walk):
    placement = wandered(case, walk)
    problem = case.problem
    place = placement.place.tolist()
    others = np.arange(problem.items)
    for item in range(problem.items):
        foretold = placement.swaps(item, others)
        for other in others:
            if math.isinf(foretold[other]) or problem.route is not None or case.priced:
                continue
            after = [*place]
            after[item], after[other] = place[other], place[item]
            assert foretold[other] == pytest.approx(total(case, after) - total(case, place))


@given(drawn(), WALK)
def test_a_placement_goes_back(case, walk):
    placement = wandered(case, walk)
    placement.restore(case.problem.start)
    fresh = Placement(case.problem)
    assert placement.total == pytest.approx(fresh.total)
    np.testing.assert_allclose(placement.free, fresh.free)
    np.testing.assert_allclose(placement.x, fresh.x)
    assert placement.away.size == 0
