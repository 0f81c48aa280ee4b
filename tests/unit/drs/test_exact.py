"""The solver against trying all placements."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given, settings

from cloudmanager.drs.exact import reassign
from cloudmanager.drs.placement import Placement
from tests.unit.drs.problems import Drawn, drawn, optimum, total


@settings(deadline=None, max_examples=25)
@given(drawn(together=False, wishes=False))
def test_the_optimum_of_a_small_problem(case: Drawn):
    problem = case.problem
    assume(problem.places**problem.items < 800)
    best = optimum(case)
    assume(math.isfinite(best))
    placement = Placement(problem)
    assert reassign(placement, range(problem.items), range(problem.places), 10.0) is True
    assert placement.total == pytest.approx(best, abs=1e-3)
    assert total(case, placement.place.tolist()) == pytest.approx(placement.total)
