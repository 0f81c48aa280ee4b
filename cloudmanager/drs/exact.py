"""The best places of a few items, exactly, by OR-Tools' CP-SAT (the optional extra `solver`)."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

import numpy as np

from cloudmanager.drs.groups import Apart
from cloudmanager.drs.problem import Shape

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cloudmanager.drs.placement import Placement

_FINE = 1_000_000
"""Into how many parts the square root of a unit of cost is divided where whole numbers do not do."""


def available() -> bool:
    """Whether the solver is installed."""
    return importlib.util.find_spec("ortools") is not None


def reassign(placement: Placement, items: Sequence[int], places: Sequence[int], work: float) -> bool | None:
    """Put items, all of which are at one of these places, to the best of them; the others stay as they are.

    `work` bounds the solver by its own count, so that the same problem ends the same way. True: it is the
    optimum; False: it may not be; None: nothing better was found, and nothing was moved.
    """
    from ortools.sat.python import cp_model  # noqa: PLC0415 an optional library that takes a second to import

    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = 1
    solver.parameters.max_deterministic_time = work
    model = _Model(cp_model.CpModel(), placement, items, places)
    status = solver.solve(model.cp)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return None
    found = [next(h for h in places if (i, h) in model.at and solver.value(model.at[i, h])) for i in items]
    better = _adopt(placement, items, found)
    return None if not better and status != cp_model.OPTIMAL else bool(status == cp_model.OPTIMAL)


def _adopt(placement: Placement, items: Sequence[int], found: Sequence[int]) -> bool:
    """Make the moves, unless the sum is not better or a rule that the solver does not know forbids one."""
    before, total = placement.place.copy(), placement.total
    for item, place in zip(items, found, strict=True):
        at = int(placement.place[item])
        others = (rule for rule in placement.rules if not isinstance(rule, Apart))
        bars = (rule.barred(item, at) for rule in others)
        if at != place and any(bar is not None and bool(bar[place]) for bar in bars):
            placement.restore(before)
            return False
        placement.move(item, place)
    if placement.total < total:
        return True
    placement.restore(before)
    return False


class _Model:
    """The variables `at[item, place]`, and what they cost."""

    def __init__(self, cp: Any, placement: Placement, items: Sequence[int], places: Sequence[int]) -> None:
        self.cp, self.placement = cp, placement
        self.items, self.places = items, places
        problem = placement.problem
        self.at = {
            (i, h): cp.new_bool_var("")
            for i in items
            for h in places
            if placement.place[i] == h or (problem.movable[i] and problem.open[problem.kind[i], h])
        }
        for i in items:
            cp.add_exactly_one(self.at[i, h] for h in places if (i, h) in self.at)
            for h in places:
                if (i, h) in self.at:
                    cp.add_hint(self.at[i, h], int(placement.place[i] == h))
        whole = all(shape is Shape.HINGE for shape in problem.shapes) and _whole(problem.weight)
        self.scale = 1 if whole else _FINE
        self._capacities()
        self._groups()
        cp.minimize(sum(self._costs()) + sum(self._prices()))

    def _capacities(self) -> None:
        problem, placement = self.placement.problem, self.placement
        for d, amounts in enumerate(problem.demand):
            fine = 1 if _whole(amounts) and _whole(problem.limit[d]) else 1000
            for h in self.places:
                here = [i for i in self.items if (i, h) in self.at]
                if problem.transient[d]:
                    here = [i for i in here if problem.start[i] != h]
                held = sum(amounts[i] for i in here if placement.place[i] == h)
                room = max(placement.free[d, h] + held, held)
                needs = sum(int(np.ceil(amounts[i] * fine - 1e-6)) * self.at[i, h] for i in here)
                if here:
                    self.cp.add(needs <= int(np.floor(room * fine + 1e-6 * fine)))

    def _groups(self) -> None:
        for rule in self.placement.rules:
            if not isinstance(rule, Apart):
                continue
            for group, limit in enumerate(rule.limits):
                members = [i for i in self.items if group in rule.of.get(i, ())]
                for h in self.places:
                    inside = sum(int(self.placement.place[i] == h) for i in members)
                    others = int(rule.count[group, h]) - inside
                    if members:
                        here = [self.at[i, h] for i in members if (i, h) in self.at]
                        self.cp.add(sum(here) <= max(limit - others, inside))

    def _costs(self) -> Iterator[Any]:
        """Σ weight · shape(x) of each place."""
        problem, placement = self.placement.problem, self.placement
        for h in self.places:
            here = [i for i in self.items if (i, h) in self.at]
            at_h = [i for i in here if placement.place[i] == h]
            for t, shape in enumerate(problem.shapes):
                feature, weight = problem.feature[t], float(problem.weight[t, h])
                rest = float(placement.x[t, h]) - sum(float(feature[i]) for i in at_h)
                square = shape in (Shape.SQUARE, Shape.SQUARED_HINGE)
                factor = self.scale * weight**0.5 if square else float(self.scale)
                factors = {i: round(factor * float(feature[i])) for i in here}
                x = sum(factors[i] * self.at[i, h] for i in here) + round(factor * rest)
                most = sum(map(abs, factors.values())) + abs(round(factor * rest)) + 1
                if weight > 0:
                    yield self._shaped(shape, x, most, weight)

    def _shaped(self, shape: Shape, x: Any, most: int, weight: float) -> Any:
        """The cost of a term, in parts of 1 / scale² of a unit."""
        if shape is Shape.STEP:
            above = self.cp.new_bool_var("")
            self.cp.add(x <= 0).only_enforce_if(~above)
            return round(weight * self.scale**2) * above
        value = self.cp.new_int_var(-most if shape is Shape.SQUARE else 0, most, "")
        self.cp.add(value == x if shape is Shape.SQUARE else value >= x)
        if shape is Shape.HINGE:
            return round(weight * self.scale) * value
        square = self.cp.new_int_var(0, most * most, "")
        self.cp.add_multiplication_equality(square, [value, value])
        return square

    def _prices(self) -> Iterator[Any]:
        """The price of each move."""
        for (i, h), chosen in self.at.items():
            price = self.placement.price_at(i, h)
            if price:
                yield round(price * self.scale**2) * chosen


def _whole(amounts: Any) -> bool:
    return bool((amounts == np.round(amounts)).all())
