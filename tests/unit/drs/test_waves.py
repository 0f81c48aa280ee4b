"""The order of moves, to any target: every wave fits with both copies counted, and ends where it says."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudmanager.drs.groups import Apart
from cloudmanager.drs.problem import Problem, Shape
from cloudmanager.drs.waves import Step, order
from tests.unit.drs.problems import drawn


def crates(sizes, start, limits) -> Problem:
    """Items of some sizes on places with room for so much, and no cost at all."""
    places = len(limits)
    return Problem(
        start=np.array(start),
        movable=np.ones(len(sizes), dtype=bool),
        kind=np.zeros(len(sizes), dtype=np.intp),
        open=np.ones((1, places), dtype=bool),
        demand=np.array([sizes], dtype=np.float64),
        limit=np.array([limits], dtype=np.float64),
        transient=np.zeros(1, dtype=bool),
        feature=np.array([sizes], dtype=np.float64),
        offset=np.zeros((1, places)),
        weight=np.zeros((1, places)),
        shapes=(Shape.SQUARE,),
        price=np.array(sizes, dtype=np.float64),
        family=np.zeros(places, dtype=np.intp),
    )


def test_two_that_fit_one_at_a_time_do_not_come_in_one_wave():
    problem = crates([3, 3, 3], [0, 0, 1], [9, 6, 9])
    found = order(problem, np.array([1, 1, 2]), [0, 1, 2], per_place=9, hops=0)
    assert found.waves == [[Step(0, 0, 1), Step(2, 1, 2)], [Step(1, 0, 1)]]
    assert found.stuck == []


def test_room_that_is_left_in_a_wave_is_there_for_the_next_one_only():
    problem = crates([5, 5], [0, 1], [9, 5])
    found = order(problem, np.array([1, 0]), [0, 1], per_place=9, hops=0)
    assert (found.stuck, found.waves) == ([0, 1], [])


def test_of_a_group_one_moves_at_a_time_so_that_copies_are_not_too_many_either():
    """Two may share a place; while the third is still leaving it, only one of the others may come."""
    start = np.array([0, 0, 1])
    problem = replace(crates([1, 1, 1], start, [9, 9, 9]), rules=(lambda: Apart([[0, 1, 2]], [2], start, 3),))
    found = order(problem, np.array([1, 1, 2]), [0, 1, 2], per_place=9, hops=0)
    assert [len(wave) for wave in found.waves] == [1, 1, 1]
    assert found.reached.tolist() == [1, 1, 2]


def test_so_many_at_a_place_at_once():
    problem = crates([1] * 5, [0] * 5, [9, 9])
    found = order(problem, np.ones(5, dtype=np.intp), range(5), per_place=2, hops=0)
    assert [len(wave) for wave in found.waves] == [2, 2, 1]


def test_one_makes_way_only_to_a_place_of_the_family_and_only_as_often_as_allowed():
    problem = crates([5, 4], [0, 1], [5, 5, 4])
    target = np.array([1, 0])
    found = order(problem, target, [0, 1], per_place=2, hops=1)
    assert found.waves == [[Step(1, 1, 2, hop=True)], [Step(0, 0, 1)], [Step(1, 2, 0)]]
    assert order(problem, target, [0, 1], per_place=2, hops=0).stuck == [0, 1]
    stranger = replace(problem, family=np.array([0, 0, 1]))
    assert order(stranger, target, [0, 1], per_place=2, hops=1).stuck == [0, 1]


@settings(deadline=None)
@given(drawn(), st.data())
def test_every_wave_fits_and_leads_to_what_is_said(case, data):
    problem = replace(case.problem, transient=np.zeros(len(case.problem.limit), dtype=bool))
    target = np.array(
        data.draw(
            st.lists(st.integers(0, problem.places - 1), min_size=problem.items, max_size=problem.items)
        )
    )
    items = np.flatnonzero((target != problem.start) & problem.movable)
    target = np.where(np.isin(np.arange(problem.items), items), target, problem.start)
    per_place = data.draw(st.integers(1, 3))
    found = order(problem, target, items, per_place, hops=2)
    place = problem.start.copy()
    for wave in found.waves:
        assert max(Counter(at for step in wave for at in (step.source, step.to)).values()) <= per_place
        for to in {step.to for step in wave}:
            coming = [step.item for step in wave if step.to == to]
            for need, limit in zip(problem.demand, problem.limit, strict=True):
                held = need[place == to].sum()
                assert need[coming].sum() == 0 or held + need[coming].sum() <= limit[to]
        for group, limit in case.apart:
            there = Counter(int(place[i]) for i in group)
            then = there + Counter(step.to for step in wave if step.item in group)
            assert all(count <= max(limit, there[at]) for at, count in then.items())
        for step in wave:
            assert place[step.item] == step.source
            place[step.item] = step.to
    assert (found.reached == place).all()
    assert sorted(found.stuck) == np.flatnonzero(place != target).tolist()
