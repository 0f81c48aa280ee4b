"""Small problems for tests of the search, and their evaluation in the most obvious way."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import strategies as st

from cloudmanager.drs.groups import Apart, Priced, Together
from cloudmanager.drs.problem import Problem, Shape

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Drawn:
    """A problem with the groups that its rules were made of, so that they can be counted again."""

    def __init__(self, problem: Problem, apart, together, priced) -> None:
        self.problem = problem
        self.apart, self.together, self.priced = apart, together, priced


@st.composite
def drawn(draw: Callable, *, together: bool = True, wishes: bool = True, bounded: bool = False) -> Drawn:
    """Whole numbers, so that every sum is exact. `bounded`: of the form that a balance has."""
    items, places = draw(st.integers(1, 9)), draw(st.integers(1, 5))
    amounts, kinds = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    shapes = (Shape.SQUARE,) * bounded + tuple(draw(st.lists(st.sampled_from(Shape), min_size=1, max_size=4)))

    def table(rows: int, columns: int, low: int, high: int) -> np.ndarray:
        cells = st.lists(st.integers(low, high), min_size=rows * columns, max_size=rows * columns)
        return np.array(draw(cells), dtype=np.float64).reshape(rows, columns)

    def indices(length: int, below: int) -> np.ndarray:
        return table(1, length, 0, below - 1)[0].astype(np.intp)

    start = indices(items, places)
    members = st.lists(st.integers(0, items - 1), min_size=1, max_size=4, unique=True)
    apart = [(group, draw(st.integers(1, 2))) for group in draw(st.lists(members, max_size=2))]
    joint = draw(st.lists(members, max_size=1)) if together else []
    priced = [(group, draw(st.integers(-3, 3))) for group in draw(st.lists(members, max_size=2 * wishes))]
    problem = Problem(
        start=start,
        movable=table(1, items, 0, 3)[0] > 0,
        kind=indices(items, kinds),
        open=table(kinds, places, 0, 4) > 0,
        demand=table(amounts, items, 0, 5),
        limit=table(amounts, places, 0, 20),
        transient=table(1, amounts, 0, 1 - bounded)[0] > 0,
        feature=table(len(shapes), items, -2 * (not bounded), 5),
        offset=table(len(shapes), places, -5, 15),
        weight=table(len(shapes), places, 0, 3),
        shapes=shapes,
        price=table(1, items, 0, 4)[0],
        family=np.zeros(places, dtype=np.intp),
        route=table(places, places, 0, 3) * (1 - np.eye(places)) if draw(st.booleans()) else None,
        rules=(
            lambda: Apart([g for g, _ in apart], [limit for _, limit in apart], start, places),
            lambda: Together(joint, start, places),
            lambda: Priced([g for g, _ in priced], [price for _, price in priced], start, places),
        ),
    )
    return Drawn(problem, apart, joint, priced)


def total(drawn: Drawn, place: Sequence[int]) -> float:
    """The cost of having every item there."""
    problem, cost = drawn.problem, 0.0
    for h in range(problem.places):
        for t, shape in enumerate(problem.shapes):
            x = sum(problem.feature[t, i] for i in range(problem.items) if place[i] == h)
            x -= problem.offset[t, h]
            value = {
                Shape.SQUARE: x * x,
                Shape.HINGE: max(x, 0),
                Shape.SQUARED_HINGE: max(x, 0) ** 2,
                Shape.STEP: 1.0 if x > 0 else 0.0,
            }[shape]
            cost += problem.weight[t, h] * value
    for i in range(problem.items):
        if place[i] != problem.start[i]:
            cost += problem.price[i]
            cost += 0 if problem.route is None else problem.route[problem.start[i], place[i]]
    for group, price in drawn.priced:
        cost += price * sum(place[a] == place[b] for a in group for b in group if a < b)
    return cost


def used(problem: Problem, place: Sequence[int], d: int, h: int) -> float:
    """How much of an amount is held at a place."""
    held = 0.0
    for i in range(problem.items):
        if place[i] == h or (problem.transient[d] and problem.start[i] == h):
            held += problem.demand[d, i]
    return held


def may(drawn: Drawn, place: Sequence[int], item: int, to: int) -> bool:
    """Whether one item may move there, from the definition of each constraint."""
    problem = drawn.problem
    if to == place[item] or not problem.open[problem.kind[item], to]:
        return False
    after = [*place]
    after[item] = to
    for d in range(len(problem.limit)):
        more = used(problem, after, d, to) - used(problem, place, d, to)
        if more > 0 and used(problem, after, d, to) > problem.limit[d, to]:
            return False
    for group, limit in drawn.apart:
        if item in group and sum(after[i] == to for i in group) > limit:
            return False
    for group in drawn.together:
        if item in group and len(group) > 1:
            old = sum(place[i] == place[item] for i in group)
            if not (sum(after[i] == to for i in group) > max(1, old)):
                return False
    return True


def optimum(drawn: Drawn) -> float:
    """The least cost among all placements that keep every limit, by trying them all."""
    problem, best = drawn.problem, math.inf

    def place_from(item: int, place: list[int]) -> None:
        nonlocal best
        if item == problem.items:
            if all(
                used(problem, place, d, h)
                <= max(problem.limit[d, h], used(problem, problem.start.tolist(), d, h))
                for d in range(len(problem.limit))
                for h in range(problem.places)
            ) and all(
                sum(place[i] == h for i in group) <= max(limit, sum(problem.start[i] == h for i in group))
                for group, limit in drawn.apart
                for h in range(problem.places)
            ):
                best = min(best, total(drawn, place))
            return
        for h in range(problem.places):
            if h == problem.start[item] or (problem.movable[item] and problem.open[problem.kind[item], h]):
                place_from(item + 1, [*place, h])

    place_from(0, [])
    return best
