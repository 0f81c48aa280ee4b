"""Server groups as rules of the search: who may, or would rather, be with whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from cloudmanager.drs.problem import Bools, Floats, Ints


class Groups:
    """How many items of each group are at each place, and which groups an item is in."""

    priced = False

    def __init__(self, groups: Sequence[Sequence[int]], start: Ints, places: int) -> None:
        self.count: Ints = np.zeros((len(groups), places), dtype=np.intp)
        self.of: dict[int, list[int]] = {}
        self._covered: Bools = np.zeros(len(start), dtype=bool)
        for number, members in enumerate(groups):
            for item in members:
                self.count[number, start[item]] += 1
                self.of.setdefault(item, []).append(number)
                self._covered[item] = True

    def covers(self) -> Bools:
        """Which items are in a group."""
        return self._covered

    def barred(self, item: int, at: int) -> Bools | None:
        """Nothing, unless a kind of group says so."""
        del item, at
        return None

    def price(self, item: int, at: int) -> Floats | None:
        """Nothing, unless a kind of group says so."""
        del item, at
        return None

    def move(self, item: int, old: int, new: int) -> None:
        """Count the item where it is now."""
        for group in self.of.get(item, ()):
            self.count[group, old] -= 1
            self.count[group, new] += 1

    def tied(self, item: int) -> Collection[int]:
        """Its groups: where a copy of one of them may be depends on where the others are."""
        return self.of.get(item, ())

    def penalty(self) -> float:
        """Nothing, unless a kind of group says so."""
        return 0.0


class Apart(Groups):
    """At most so many of a group at one place. A group that breaks this already may only become better."""

    def __init__(
        self, groups: Sequence[Sequence[int]], limits: Sequence[int], start: Ints, places: int
    ) -> None:
        super().__init__(groups, start, places)
        self.limits = list(limits)

    def barred(self, item: int, at: int) -> Bools | None:
        """Places that have as many of its group as they may have."""
        del at
        barred = None
        for group in self.of.get(item, ()):
            full: Bools = self.count[group] >= self.limits[group]
            barred = full if barred is None else barred | full
        return barred


class Together(Groups):
    """All of a group at one place. Items move one at a time: one in company may only join more of it."""

    def barred(self, item: int, at: int) -> Bools | None:
        """Places with fewer of its group than its own has without it, and places with none."""
        barred = None
        for group in self.of.get(item, ()):
            company = self.count[group, at] - 1
            lonely: Bools = (
                np.zeros(self.count.shape[1], dtype=bool)
                if self.count[group].sum() == 1
                else (self.count[group] <= company) | (self.count[group] == 0)
            )
            barred = lonely if barred is None else barred | lonely
        return barred


class Priced(Groups):
    """Groups that would rather be apart (price above 0: for each pair at one place) or together (below 0)."""

    priced = True

    def __init__(
        self, groups: Sequence[Sequence[int]], prices: Sequence[float], start: Ints, places: int
    ) -> None:
        super().__init__(groups, start, places)
        self.prices = list(prices)

    def price(self, item: int, at: int) -> Floats | None:
        """The pairs that it would join, less those that it leaves."""
        total = None
        for group in self.of.get(item, ()):
            count = self.count[group]
            change: Floats = self.prices[group] * (count - (count[at] - 1)).astype(np.float64)
            change[at] = 0.0
            total = change if total is None else total + change
        return total

    def tied(self, item: int) -> Collection[int]:
        """Nothing: a wish does not hold up a move."""
        del item
        return ()

    def penalty(self) -> float:
        """Over all pairs at one place; less what the best would be is no matter."""
        pairs = (self.count * (self.count - 1) // 2).sum(axis=1)
        return float(np.dot(self.prices, pairs))
