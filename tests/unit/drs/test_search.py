"""The search itself: it keeps the rules, ends where nothing helps, and is near the optimum of small problems."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudmanager.drs.placement import Placement
from cloudmanager.drs.search import Meter, Search
from tests.unit.drs.problems import drawn, may, optimum, total, used


def searched(problem, **options) -> Placement:
    placement = Placement(problem)
    search = Search(placement, Meter(), **options)
    search.empty()
    search.descend()
    return placement


@settings(deadline=None)
@given(drawn())
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


@settings(deadline=None)
@given(drawn(), st.integers(0, 3))
def test_the_budget_of_moves(case, budget):
    assert len(searched(case.problem, max_moves=budget).away) <= budget


@settings(deadline=None, max_examples=15)
@given(drawn(together=False))
def test_annealing_keeps_the_best_and_the_same_seed_the_same_way(case):
    results = []
    for _ in range(2):
        placement = Placement(case.problem)
        search = Search(placement, Meter())
        search.descend()
        descended = placement.total
        search.anneal(150, np.random.default_rng(7))
        assert placement.total <= descended + 1e-9
        assert placement.total == pytest.approx(total(case, placement.place.tolist()))
        if math.isfinite(best := optimum(case)):
            assert placement.total >= best - 1e-6 or case.apart
        results.append(placement.place.tolist())
    assert results[0] == results[1]


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
