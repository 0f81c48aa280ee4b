"""The search itself: it keeps the rules, ends where nothing helps, and is near the optimum of small problems."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudmanager.drs.deepen import deepen
from cloudmanager.drs.placement import Placement
from cloudmanager.drs.problem import Problem, Shape
from cloudmanager.drs.search import Meter, Search
from tests.unit.drs.problems import drawn, may, total, used


def searched(problem, **options) -> Placement:
    placement = Placement(problem)
    search = Search(placement, Meter(), **options)
    search.empty()
    search.descend()
    return placement


@settings(deadline=None)
@given(st.booleans().flatmap(lambda bounded: drawn(bounded=bounded)))
def test_no_move_that_is_allowed_helps_any_more(case):
    place = searched(case.problem).place.tolist()
    for item in np.flatnonzero(case.problem.movable):
        for to in range(case.problem.places):
            if may(case, place, item, to):
                after = [*place[:item], to, *place[item + 1 :]]
                assert total(case, after) >= total(case, place) - 1e-6


@settings(deadline=None)
@given(drawn())
def test_it_never_gets_worse_and_keeps_every_limit(case):
    problem = case.problem
    start, place = problem.start.tolist(), searched(problem).place.tolist()
    assert total(case, place) <= total(case, start) + 1e-9
    for d in range(len(problem.limit)):
        for h in range(problem.places):
            allowed = max(problem.limit[d, h], used(problem, start, d, h))
            assert used(problem, place, d, h) <= allowed
    for group, limit in case.apart:
        for h in range(problem.places):
            allowed = max(limit, sum(start[i] == h for i in group))
            assert sum(place[i] == h for i in group) <= allowed
    moved = np.flatnonzero(np.array(place) != problem.start)
    assert problem.movable[moved].all()
    assert all(problem.open[problem.kind[i], place[i]] for i in moved)


@settings(deadline=None, max_examples=40)
@given(drawn(bounded=True), st.data(), st.sampled_from([None, 0, 2]))
def test_the_best_shift_is_found_without_weighing_them_all(case, data, budget):
    """After any moves, and with any budget left: by bounds and one by one the same."""
    problem = case.problem
    placement = Placement(problem)
    assert placement.has_bounds
    search = Search(placement, Meter(), budget)
    for item in range(problem.items):
        to = data.draw(st.integers(0, problem.places - 1))
        if placement.may(item, to):
            placement.move(item, to)
    search.recount()
    for place in range(problem.places):
        items = np.flatnonzero((placement.place == place) & problem.movable)
        left = budget is None or len(placement.away) < budget
        changes = placement.changes(items)[left | (problem.start[items] != place)]
        change, item, to = search._best_shift(place)
        assert change == pytest.approx(min(0.0, changes.min(initial=0.0)))
        if change < 0:
            assert placement.change(item, to) == change
            assert may(case, placement.place.tolist(), item, to)


def test_what_a_bound_leaves_out_is_weighed():
    """Place 1 is the emptier by squares, but there the item costs 9 more: place 2 is better."""
    sizes = np.array([[4.0]])
    problem = Problem(
        start=np.array([0]),
        movable=np.ones(1, dtype=bool),
        kind=np.zeros(1, dtype=np.intp),
        open=np.ones((1, 3), dtype=bool),
        demand=sizes,
        limit=np.full((1, 3), 50.0),
        transient=np.zeros(1, dtype=bool),
        feature=np.vstack((sizes, sizes)),
        offset=np.array([[0.0, 2.0, 1.0], [9.0, 1.0, 9.0]]),
        weight=np.array([[1.0, 1.0, 1.0], [1.0, 3.0, 1.0]]),
        shapes=(Shape.SQUARE, Shape.HINGE),
        price=np.zeros(1),
        family=np.zeros(3, dtype=np.intp),
    )
    placement = Placement(problem)
    bounds = placement.bounds(np.array([0]))[0]
    assert bounds[1] < bounds[2] == placement.change(0, 2) < placement.change(0, 1)
    assert Search(placement, Meter())._best_shift(0) == (placement.change(0, 2), 0, 2)


@settings(deadline=None)
@given(drawn(), st.integers(0, 3))
def test_the_budget_of_moves(case, budget):
    assert len(searched(case.problem, max_moves=budget).away) <= budget


@settings(deadline=None, max_examples=25)
@given(drawn(together=False), st.sampled_from([None, 2]))
def test_deepening_makes_nothing_worse_keeps_the_budget_and_goes_the_same_way(case, budget):
    results = []
    for _ in range(2):
        placement = Placement(case.problem)
        search = Search(placement, Meter(), budget)
        search.descend()
        descended = placement.total
        deepen(search, 3, np.random.default_rng(7))
        assert placement.total <= descended + 1e-6
        assert placement.total == pytest.approx(total(case, placement.place.tolist()))
        assert budget is None or len(placement.away) <= budget
        results.append(placement.place.tolist())
    assert results[0] == results[1]


def test_deepening_finds_what_shifts_and_swaps_do_not():
    """23 beside 25: no server and no pair brings 24 to both, but 12 + 7 + 5 beside 11 + 7 + 6 is there."""
    sizes = np.array([[11.0, 6.0, 5.0, 7.0, 12.0, 7.0]])
    placement = Placement(
        Problem(
            start=np.array([0, 1, 1, 1, 0, 1]),
            movable=np.ones(6, dtype=bool),
            kind=np.zeros(6, dtype=np.intp),
            open=np.ones((1, 2), dtype=bool),
            demand=sizes,
            limit=np.full((1, 2), 50.0),
            transient=np.zeros(1, dtype=bool),
            feature=sizes,
            offset=np.full((1, 2), 24.0),
            weight=np.ones((1, 2)),
            shapes=(Shape.SQUARE,),
            price=np.zeros(6),
            family=np.zeros(2, dtype=np.intp),
        )
    )
    search = Search(placement, Meter())
    search.descend()
    assert placement.total == 2.0
    deepen(search, 1, np.random.default_rng(1))
    assert placement.total == 0.0


def test_work_is_bounded_by_count():
    case_meter = Meter(evaluations=10)
    case_meter.count(9)
    assert not case_meter.spent
    case_meter.count(1)
    assert case_meter.spent


def test_time_is_an_outer_bound():
    now = [0.0]
    meter = Meter(seconds=5.0, clock=lambda: now[0])
    now[0] = 4.9
    meter.count(1)
    assert not meter.spent
    now[0] = 5.0
    meter.count(1)
    assert meter.spent
