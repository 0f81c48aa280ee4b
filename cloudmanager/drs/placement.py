"""Where each item is, with everything that follows from it kept up to date move by move."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from cloudmanager.drs.problem import Bools, Floats, Ints, Problem, Rule

SLACK = 1e-12
"""Share of a limit by which a sum may pass it through rounding alone."""


class Placement:
    """The present place of every item. `changes` says what each move would do; `move` does one."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.place: Ints = problem.start.copy()
        self.rules: list[Rule] = [make() for make in problem.rules]
        self.ruled: Bools = np.zeros(problem.items, dtype=bool)
        self.wishes: Bools = np.zeros(problem.items, dtype=bool)
        for rule in self.rules:
            self.ruled |= rule.covers()
            if rule.priced:
                self.wishes |= rule.covers()
        self.free: Floats = problem.limit + SLACK * np.abs(problem.limit)
        self.x: Floats = -problem.offset
        self.free -= self._sums(problem.demand)
        self.x += self._sums(problem.feature)
        self.cost: Floats = problem.cost_of(self.x.copy(), problem.weight)
        self.price = 0.0
        self._everywhere = np.arange(problem.places)
        self._any_transient = bool(problem.transient.any())
        squares = np.isin(np.arange(len(problem.shapes)), problem.squares)
        self.has_bounds = (
            bool(squares.any())
            and not self._any_transient
            and not (problem.feature[~squares] < 0).any()
            and not (problem.weight[~squares] < 0).any()
        )
        self._need: Floats = np.where(problem.demand > 0, problem.demand, -np.inf)

    @property
    def base(self) -> float:
        """What the places and the rules cost, without the moves."""
        return float(self.cost.sum()) + sum(rule.penalty() for rule in self.rules)

    @property
    def total(self) -> float:
        """What is to become small: the base and the price of all moves."""
        return self.base + self.price

    @property
    def away(self) -> Ints:
        """The items that are not at their start."""
        return np.flatnonzero(self.place != self.problem.start)

    def price_at(self, item: int, place: int) -> float:
        """The price of having an item at a place."""
        problem, start = self.problem, self.problem.start[item]
        if place == start:
            return 0.0
        route = 0.0 if problem.route is None else float(problem.route[start, place])
        return float(problem.price[item]) + route

    def changes(self, items: Ints, places: Ints | None = None) -> Floats:
        """How the total changes when an item goes to a place (rows: items); infinite where it may not.

        The columns are all places, or those asked for.
        """
        problem = self.problem
        to = np.arange(problem.places) if places is None else places
        at = self.place[items]
        feature = problem.feature[:, items]
        left = problem.cost_of(self.x[:, at] - feature, problem.weight[:, at]) - self.cost[at]
        x = self.x[:, None, to] + feature[:, :, None]
        change = problem.cost_of(x, problem.weight[:, None, to])
        change -= self.cost[to]
        change += (left + self._prices(items, to, change))[:, None]
        for row, item in zip(change, items, strict=True):
            if self.ruled[item]:
                self._add_rules(row, int(item), to)
        change[~self._fits(items, to)] = np.inf
        change[at[:, None] == to] = np.inf
        return change

    def hopeless(self, items: Ints) -> bool:
        """Whether no move of these items of one place could pay, if both places cost nothing afterwards."""
        problem, at = self.problem, self.place[items[0]]
        if problem.route is not None or self.wishes[items].any() or (problem.start[items] != at).any():
            return False
        return bool(self.cost[at] + self.cost.max() <= problem.price[items].min())

    def promising(self, items: Ints, count: int) -> Ints:
        """Where an item like the mean of these, all of one kind, goes best: so many places, in order."""
        problem = self.problem
        feature = problem.feature[:, items].mean(axis=1)
        change = problem.cost_of(self.x + feature[:, None], problem.weight) - self.cost
        least = self._need[:, items].min(axis=1)
        closed = ~problem.open[problem.kind[items[0]]] | (least[:, None] > self.free).any(axis=0)
        change[closed] = np.inf
        best = np.argpartition(change, count - 1)[:count]
        chosen: Ints = np.sort(best[np.isfinite(change[best])])
        return chosen

    def bounds(self, items: Ints) -> Floats:
        """At most how well a move of each item to each place does, quickly; infinite where it does not fit.

        It is `changes` without rules, and without what does not grow as a square where the items arrive: that
        is never below 0 where `has_bounds` and no rule has a price for the items.
        """
        problem, to = self.problem, self._everywhere
        at, feature = self.place[items], problem.feature[:, items]
        left = problem.cost_of(self.x[:, at] - feature, problem.weight[:, at]) - self.cost[at]
        square, weight = feature[problem.squares], problem.weight[problem.squares]
        slope = 2.0 * weight * self.x[problem.squares]
        change: Floats = np.vstack((square, square * square)).T @ np.vstack((slope, weight))
        change += (left + self._prices(items, to, change))[:, None]
        self._bar_what_does_not_fit(items, change)
        change[np.arange(len(items)), at] = np.inf
        return change

    def _bar_what_does_not_fit(self, items: Ints, change: Floats) -> None:
        """Columns into which all items fit, or none, are most of them. The others are looked at closely."""
        problem, need = self.problem, self._need[:, items]
        open_to = problem.open[problem.kind[items]]
        none = (need.min(axis=1)[:, None] > self.free).any(axis=0) | ~open_to.any(axis=0)
        every = (need.max(axis=1)[:, None] <= self.free).all(axis=0) & open_to.all(axis=0)
        change[:, none] = np.inf
        some = np.flatnonzero(~(none | every))
        part = change[:, some]
        part[~self._fits(items, some)] = np.inf
        change[:, some] = part

    def change(self, item: int, place: int) -> float:
        """How the total changes when one item goes to one place, whether it may or not."""
        problem, at = self.problem, int(self.place[item])
        if place == at:
            return 0.0
        both, feature = [at, place], problem.feature[:, item]
        x = self.x[:, both] + np.column_stack((-feature, feature))
        change = float((problem.cost_of(x, problem.weight[:, both]) - self.cost[both]).sum())
        for rule in self.rules:
            prices = rule.price(item, at)
            if prices is not None:
                change += float(prices[place])
        return change + self.price_at(item, place) - self.price_at(item, at)

    def may(self, item: int, place: int) -> bool:
        """Whether an item may go to a place."""
        problem, at = self.problem, int(self.place[item])
        return (
            bool(problem.movable[item])
            and bool(self._fits(np.array([item]), np.array([place]))[0, 0])
            and not any((bar := rule.barred(item, at)) is not None and bar[place] for rule in self.rules)
        )

    def move(self, item: int, place: int) -> None:
        """Put an item to a place."""
        problem, at = self.problem, int(self.place[item])
        if place == at:
            return
        feature, one = problem.feature[:, item], np.array([item])
        self.free[:, at] += self._held(one, at)[:, 0]
        self.free[:, place] -= self._held(one, place)[:, 0]
        self.x[:, at] -= feature
        self.x[:, place] += feature
        both = [at, place]
        self.cost[both] = problem.cost_of(self.x[:, both], problem.weight[:, both])
        self.price += self.price_at(item, place) - self.price_at(item, at)
        for rule in self.rules:
            rule.move(item, at, place)
        self.place[item] = place

    def restore(self, place: Ints) -> None:
        """Put every item to the place that it has there."""
        for item in np.flatnonzero(self.place != place):
            self.move(int(item), int(place[item]))

    def swaps(self, item: int, others: Ints) -> Floats:
        """How the total would change if an item and each of the others changed places; infinite: it cannot.

        Rules and routes are left out: a swap that looks good is tried, and taken back when it is not. One
        that would not pay if both places cost nothing afterwards is not looked at.
        """
        at = int(self.place[item])
        places = self.place[others]
        prices = self._prices_between(item, others)
        change = np.full(len(others), np.inf)
        promising = (self.cost[at] + self.cost[places] > prices) & (places != at)
        chosen = np.flatnonzero(promising & self.problem.movable[others])
        chosen = chosen[self._can_swap(item, others[chosen])]
        change[chosen] = self._swapped(item, others[chosen]) + prices[chosen]
        return change

    def _swapped(self, item: int, others: Ints) -> Floats:
        """How the places' cost changes in a swap."""
        problem, at, places = self.problem, int(self.place[item]), self.place[others]
        gained = problem.feature[:, others] - problem.feature[:, item, None]
        here = problem.cost_of(self.x[:, at, None] + gained, problem.weight[:, at, None]) - self.cost[at]
        there = problem.cost_of(self.x[:, places] - gained, problem.weight[:, places]) - self.cost[places]
        change: Floats = here + there
        return change

    def _can_swap(self, item: int, others: Ints) -> Bools:
        """Whether both fit where the other was."""
        problem, at, places = self.problem, int(self.place[item]), self.place[others]
        can: Bools = problem.open[problem.kind[item], places] & problem.open[problem.kind[others], at]
        one = np.array([item])
        here_more = self._held(others, at) - self._held(one, at)
        can &= ((here_more <= 0) | (here_more <= self.free[:, at, None])).all(axis=0)
        there_more = self._held(one, places) - self._held(others, places)
        can &= ((there_more <= 0) | (there_more <= self.free[:, places])).all(axis=0)
        return can

    def _sums(self, amounts: Floats) -> Floats:
        """Amounts of items, a row each, summed over the places."""
        return np.array([np.bincount(self.place, row, self.problem.places) for row in amounts]).reshape(
            len(amounts), self.problem.places
        )

    def _held(self, items: Ints, places: Ints | int) -> Floats:
        """What items take of places by being there: not what they hold at their start in any case."""
        problem = self.problem
        if not self._any_transient:
            return problem.demand[:, items]
        at_home = problem.start[items] == places
        held: Floats = np.where(problem.transient[:, None] & at_home, 0.0, problem.demand[:, items])
        return held

    def _prices(self, items: Ints, to: Ints, change: Floats) -> Floats:
        """The price of leaving where items are; what depends on where they go is added to `change`."""
        problem = self.problem
        start = problem.start[items]
        home = self.place[items] == start
        if not home.all():
            change -= np.where((start[:, None] == to) & ~home[:, None], problem.price[items, None], 0.0)
        prices: Floats = np.where(home, problem.price[items], 0.0)
        if problem.route is not None:
            change += problem.route[start[:, None], to]
            prices -= problem.route[start, self.place[items]]
        return prices

    def _prices_between(self, item: int, others: Ints) -> Floats:
        """How the prices change in a swap, routes left out."""
        problem, start = self.problem, self.problem.start
        places = self.place[others]
        one = np.where(places == start[item], 0.0, problem.price[item]) - self.price_without_route(item)
        away = self.place[others] != start[others]
        two = np.where(start[others] == self.place[item], 0.0, problem.price[others])
        change: Floats = one + two - np.where(away, problem.price[others], 0.0)
        return change

    def price_without_route(self, item: int) -> float:
        """What an item pays now for having moved, wherever to."""
        return float(self.problem.price[item]) if self.place[item] != self.problem.start[item] else 0.0

    def _fits(self, items: Ints, to: Ints) -> Bools:
        problem = self.problem
        fits: Bools = problem.open[problem.kind[items][:, None], to]
        for amounts, free in zip(self._need[:, items], self.free[:, to], strict=True):
            fits &= amounts[:, None] <= free
        if self._any_transient:
            self._fits_at_home(items, to, fits)
        return fits

    def _fits_at_home(self, items: Ints, to: Ints, fits: Bools) -> None:
        """What an item holds at its start it need not find free there."""
        problem, lasting = self.problem, ~self.problem.transient
        for row, item in enumerate(items):
            start = problem.start[item]
            if self.place[item] != start:
                room = (self._need[lasting, item] <= self.free[lasting, start]).all()
                fits[row, to == start] = room and problem.open[problem.kind[item], start]

    def _add_rules(self, row: Floats, item: int, to: Ints) -> None:
        at = int(self.place[item])
        for rule in self.rules:
            prices = rule.price(item, at)
            if prices is not None:
                row += prices[to]
            barred = rule.barred(item, at)
            if barred is not None:
                row[barred[to]] = np.inf
