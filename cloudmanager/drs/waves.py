"""The order of moves: waves that can run side by side, with room for both copies of each server."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from cloudmanager.drs.placement import Placement

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cloudmanager.drs.problem import Floats, Ints, Problem


@dataclass(frozen=True)
class Step:
    """One item goes from a place to another. `hop`: to an intermediate place, to make way."""

    item: int
    source: int
    to: int
    hop: bool = False


@dataclass
class Order:
    """The waves; the places that they lead to; the items for which no order was found."""

    waves: list[list[Step]] = field(default_factory=list)
    reached: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.intp))
    stuck: list[int] = field(default_factory=list)


def order(problem: Problem, target: Ints, items: Iterable[int], per_place: int, hops: int) -> Order:
    """Bring `items`, the most urgent first, from their start to `target`.

    At most `per_place` items go to or from one place in a wave. While a wave runs, its items are counted at
    both ends. Where moves wait for each other in a circle, an item makes way by an intermediate place, at
    most `hops` times. What is stuck even so stays where it is.
    """
    return _Ordering(Placement(problem), target, per_place, hops).run([int(item) for item in items])


class _Ordering:
    def __init__(self, placement: Placement, target: Ints, per_place: int, hops: int) -> None:
        self.placement = placement
        self.target = target
        self.per_place = per_place
        self.hops = hops
        self._hopped: set[int] = set()

    def run(self, waiting: list[int]) -> Order:
        found = Order()
        while waiting:
            wave = self._wave(waiting) or self._hop(waiting)
            if not wave:
                break
            found.waves.append(wave)
            for step in wave:
                self.placement.move(step.item, step.to)
            arrived = {step.item for step in wave if not step.hop}
            waiting = [item for item in waiting if item not in arrived]
        found.stuck = [item for item in waiting if self.placement.place[item] != self.target[item]]
        found.reached = self.placement.place.copy()
        return found

    def _wave(self, waiting: Sequence[int]) -> list[Step]:
        """As many of those that wait as can go now."""
        placement, busy = self.placement, Counter[int]()
        free, tied = placement.free.copy(), set[tuple[int, int]]()
        wave = []
        for item in waiting:
            source, to = int(placement.place[item]), int(self.target[item])
            ties = {(number, tie) for number, rule in enumerate(placement.rules) for tie in rule.tied(item)}
            if max(busy[source], busy[to]) >= self.per_place or tied & ties:
                continue
            if not self._fits(item, to, free) or not self._may(item, to):
                continue
            wave.append(Step(item, source, to))
            busy.update((source, to))
            tied |= ties
            free[:, to] -= placement.problem.demand[:, item]
        return wave

    def _fits(self, item: int, to: int, free: Floats) -> bool:
        demand = self.placement.problem.demand[:, item]
        return bool(((demand <= free[:, to]) | (demand == 0)).all())

    def _may(self, item: int, to: int) -> bool:
        at = int(self.placement.place[item])
        bars = (rule.barred(item, at) for rule in self.placement.rules)
        return not any(bar is not None and bool(bar[to]) for bar in bars)

    def _hop(self, waiting: Sequence[int]) -> list[Step]:
        """The cheapest of those that are stuck makes way, so that one of the others can go."""
        placement = self.placement
        if len(self._hopped) >= self.hops:
            return []
        for item in sorted(waiting, key=lambda item: (placement.problem.price[item], item)):
            if item in self._hopped:
                continue
            changes = placement.changes(np.array([item]))[0]
            for to in np.argsort(changes, kind="stable"):
                if not np.isfinite(changes[to]):
                    break
                kin = placement.problem.family[to] == placement.problem.family[self.target[item]]
                if kin and to != self.target[item] and self._opens(item, int(to), waiting):
                    self._hopped.add(item)
                    return [Step(item, int(placement.place[item]), int(to), hop=True)]
        return []

    def _opens(self, item: int, to: int, waiting: Sequence[int]) -> bool:
        """Whether another one can go to its target once this one has made way."""
        placement, source = self.placement, int(self.placement.place[item])
        placement.move(item, to)
        opens = any(
            other != item
            and self.target[other] == source
            and self._fits(other, source, placement.free)
            and self._may(other, source)
            for other in waiting
        )
        placement.move(item, source)
        return opens
