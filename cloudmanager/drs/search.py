"""Local search over a placement: greedy shifts and swaps, emptying of places. Always the same way.

What is done depends on the problem and on counted work alone. The clock can only end it early.
"""

from __future__ import annotations

import heapq
import math
import time
from typing import TYPE_CHECKING

import numpy as np

from cloudmanager.drs.problem import Shape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cloudmanager.drs.placement import Placement
    from cloudmanager.drs.problem import Floats, Ints

EPSILON = 1e-9
"""What a step must gain at least, as a share of the first total: less is rounding."""

_CELLS = 1 << 17
_SWAP_ITEMS = 2000
_SWAP_PLACES = 64
_PARTNERS = 16
_TRIES = 4
_PAIRED_CELLS = 2000
_TINY_CELLS = 200
_MANY_PLACES = 200
_PROMISING = 64
_NEARLY = 0.97
_BOUNDS_PER_MOVE = 8
"""Bounds that are reckoned in the time in which one move is weighed, about."""


class Meter:
    """What a search may still spend: moves weighed, which is the same everywhere, and seconds at most."""

    def __init__(
        self,
        evaluations: float = math.inf,
        seconds: float = math.inf,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._clock = clock or time.monotonic
        self._until = self._clock() + seconds
        self._left = evaluations
        self.evaluations = 0
        self.out_of_time = False

    def count(self, evaluations: int) -> None:
        """So many moves have been weighed."""
        self.evaluations += evaluations
        self._left -= evaluations
        self.out_of_time = self.out_of_time or self._clock() >= self._until

    @property
    def spent(self) -> bool:
        """Whether the search has to come to its end."""
        return self._left <= 0 or self.out_of_time


class Search:
    """Makes the total of a placement smaller, with at most `max_moves` items away from their start."""

    def __init__(self, placement: Placement, meter: Meter, max_moves: int | None = None) -> None:
        self.placement = placement
        self.meter = meter
        self._max_moves = math.inf if max_moves is None else max_moves
        self._away = len(placement.away)
        self._least = EPSILON * max(abs(placement.total), 1e-6)

    def descend(self) -> None:
        """Shifts and swaps until none helps; in a small problem any two shifts together as well.

        In a tiny one the best of what follows from every first move.
        """
        placement = self.placement
        first, movable = placement.place.copy(), np.flatnonzero(placement.problem.movable)
        self._descend(paired=True)
        if not len(movable) or len(movable) * placement.problem.places > _TINY_CELLS:
            return
        best, total = placement.place.copy(), placement.total
        self._return_to(first)
        for row, to in np.argwhere(np.isfinite(self._changes(movable))):
            if self.meter.spent:
                break
            self._move(int(movable[row]), int(to))
            self._descend(paired=False)
            if placement.total < total - self._least:
                best, total = placement.place.copy(), placement.total
            self._return_to(first)
        self._return_to(best)

    def _return_to(self, place: Ints) -> None:
        self.placement.restore(place)
        self.recount()

    def _descend(self, *, paired: bool) -> None:
        self._shift()
        while not self.meter.spent and (self._swap() or (paired and self._two_shifts())):
            self._shift()

    def empty(self) -> None:
        """Empty places, those with the fewest items first, where a step of the cost says that this pays."""
        problem, placement = self.placement.problem, self.placement
        if Shape.STEP not in problem.shapes:
            return
        for place in np.argsort(np.bincount(placement.place, minlength=problem.places), kind="stable"):
            if self.meter.spent:
                return
            self._empty(int(place))

    def recount(self) -> bool:
        """Take note of moves made elsewhere; whether they are within the budget."""
        self._away = len(self.placement.away)
        return self._away <= self._max_moves

    def _changes(self, items: Ints, places: Ints | None = None) -> Floats:
        """As the placement says, without what the budget of moves forbids."""
        changes = self.placement.changes(items, places)
        self.meter.count(changes.size)
        if self._away >= self._max_moves:
            changes[self.placement.place[items] == self.placement.problem.start[items]] = np.inf
        return changes

    def _move(self, item: int, place: int) -> None:
        placement, start = self.placement, self.placement.problem.start[item]
        self._away += int(place != start) - int(placement.place[item] != start)
        placement.move(item, place)

    def _items_at(self, place: int) -> Ints:
        placement = self.placement
        return np.flatnonzero((placement.place == place) & placement.problem.movable)

    def _best_shift(self, place: int) -> tuple[float, int, int]:
        """(change, item, to) of the best move away from a place."""
        best = (0.0, -1, -1)
        mine = self._items_at(place)
        if not len(mine) or self.placement.hopeless(mine):
            return best
        wishes = self.placement.wishes[mine]
        if self.placement.has_bounds:
            best = self._best_by_bounds(mine[~wishes])
            mine = mine[wishes]
        for items, places in self._parts(mine):
            changes = self._changes(items, places)
            row, column = divmod(int(np.argmin(changes)), changes.shape[1])
            if changes[row, column] < best[0]:
                best = (float(changes[row, column]), int(items[row]), int(places[column]))
        return best

    def _best_by_bounds(self, items: Ints) -> tuple[float, int, int]:
        """The same: bounds say which moves can be the best, and these alone are weighed."""
        placement, places = self.placement, self.placement.problem.places
        if self._away >= self._max_moves:
            items = items[placement.place[items] != placement.problem.start[items]]
        best = (0.0, -1, -1)
        if not len(items):
            return best
        bounds = placement.bounds(items).ravel()
        self.meter.count(bounds.size // _BOUNDS_PER_MOVE)
        for _ in range(_PROMISING):
            cell = int(np.argmin(bounds))
            item, to = int(items[cell // places]), cell % places
            if bounds[cell] >= best[0]:
                break
            bounds[cell] = np.inf
            change = placement.change(item, to)
            if change < best[0] and not self._barred(item, to):
                best = (change, item, to)
        return best

    def _parts(self, items: Ints) -> Iterator[tuple[Ints, Ints]]:
        """Items with the places to weigh them for: all, or the promising ones of many."""
        problem = self.placement.problem
        everywhere = np.arange(problem.places)
        if problem.places <= _MANY_PLACES:
            few = max(1, _CELLS // problem.places)
            yield from ((items[begin : begin + few], everywhere) for begin in range(0, len(items), few))
            return
        kinds = problem.kind[items]
        for kind in np.unique(kinds):
            alike = items[kinds == kind]
            places = self.placement.promising(alike, _PROMISING)
            self.meter.count(problem.places)
            if len(places):
                yield alike, places

    def _shift(self) -> None:
        """Good moves first, until none helps. What a place said is believed until its turn comes.

        Then it is asked again, and its move made if it is still as good as the best that others had said; or
        nearly so, where asking takes long.
        """
        nearly = 1.0 if self.placement.has_bounds else _NEARLY
        places = self.placement.problem.places
        seen = [-1] * places
        moves = 0
        queue: list[tuple[float, int]] = []

        while not self.meter.spent:
            if not queue:
                unsure = [place for place in range(places) if seen[place] != moves]
                for place in unsure:
                    change, _, _ = self._best_shift(place)
                    seen[place] = moves
                    if change < -self._least:
                        heapq.heappush(queue, (change, place))
                if not queue:
                    return
            _, place = heapq.heappop(queue)
            change, item, to = self._best_shift(place)
            seen[place] = moves
            if change >= -self._least:
                continue
            if not queue or change <= nearly * queue[0][0]:
                self._move(item, to)
                moves += 1
            heapq.heappush(queue, (change, place))

    def _swap(self) -> bool:
        """One round of swaps; whether any helped."""
        helped = False
        for place in self._costliest():
            others = self._partners(place)
            for item in self._items_at(place):
                if self.meter.spent:
                    return helped
                helped |= self._swap_one(int(item), others)
        return helped

    def _two_shifts(self) -> bool:
        """Any shift, then the best one after it; whether a pair was found that helps together."""
        placement, problem = self.placement, self.placement.problem
        movable = np.flatnonzero(problem.movable)
        if len(movable) * problem.places > _PAIRED_CELLS:
            return False
        for item in movable:
            here, first = int(placement.place[item]), self._changes(np.array([item]))[0]
            for place in np.argsort(first, kind="stable"):
                if self.meter.spent or not math.isfinite(first[place]):
                    break
                self._move(int(item), int(place))
                changes = self._changes(movable)
                row, to = divmod(int(np.argmin(changes)), problem.places)
                if first[place] + changes[row, to] < -self._least:
                    self._move(int(movable[row]), to)
                    return True
                self._move(int(item), here)
        return False

    def _costliest(self) -> Iterator[int]:
        order = np.argsort(-self.placement.cost, kind="stable")
        if self.placement.problem.items > _SWAP_ITEMS:
            order = order[:_SWAP_PLACES]
        return map(int, order)

    def _partners(self, place: int) -> Ints:
        """The items to swap with those of a place: all, or in a large problem those of some places."""
        problem, placement = self.placement.problem, self.placement
        if problem.items <= _SWAP_ITEMS:
            return np.flatnonzero(problem.movable)
        stride = max(1, problem.places // _PARTNERS)
        partners = (place + 1 + stride * np.arange(_PARTNERS)) % problem.places
        return np.flatnonzero(np.isin(placement.place, partners) & problem.movable)

    def _swap_one(self, item: int, others: Ints) -> bool:
        changes = self.placement.swaps(item, others)
        self.meter.count(changes.size)
        promising = np.flatnonzero(changes < -self._least)
        order = promising[np.argsort(changes[promising], kind="stable")]
        return any(self._try_swap(item, int(others[other])) for other in order[:_TRIES])

    def _try_swap(self, item: int, other: int) -> bool:
        """Make a swap, and take it back when it is against a rule, gains nothing, or is one move too many."""
        placement = self.placement
        here, there = int(placement.place[item]), int(placement.place[other])
        if self._barred(item, there):
            return False
        gain = placement.change(item, there)
        self._move(item, there)
        if not self._barred(other, here):
            gain += placement.change(other, here)
            self._move(other, here)
            if gain < -self._least and self._away <= self._max_moves:
                return True
            self._move(other, there)
        self._move(item, here)
        return False

    def _barred(self, item: int, place: int) -> bool:
        at = int(self.placement.place[item])
        bars = (rule.barred(item, at) for rule in self.placement.rules)
        return any(bar is not None and bool(bar[place]) for bar in bars)

    def _empty(self, place: int) -> None:
        """Move all items of a place to others that have some already; back again if it does not pay."""
        placement, problem = self.placement, self.placement.problem
        items = np.flatnonzero(placement.place == place)
        if not len(items) or not problem.movable[items].all():
            return
        before, total = placement.place.copy(), placement.total
        for item in items[np.argsort(-self._bulk()[items], kind="stable")]:
            change = self._changes(np.array([item]))[0]
            change[np.bincount(placement.place, minlength=problem.places) == 0] = np.inf
            to = int(np.argmin(change))
            if not math.isfinite(change[to]):
                break
            self._move(int(item), to)
        if (placement.place == place).any() or placement.total > total - self._least:
            self._return_to(before)

    def _bulk(self) -> Floats:
        """How much of the scarcest room an item takes, to place the bulky ones first."""
        problem = self.placement.problem
        room = problem.limit.sum(axis=1, keepdims=True)
        shares = np.divide(problem.demand, room, out=np.zeros_like(problem.demand), where=room > 0)
        bulk: Floats = shares.max(axis=0, initial=0.0)
        return bulk
