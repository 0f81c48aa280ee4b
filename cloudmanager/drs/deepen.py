"""Large neighbourhoods: when time is given, parts of what the local search left are solved exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cloudmanager.drs.exact import available, reassign

if TYPE_CHECKING:
    from cloudmanager.drs.search import Search

_ITEMS = 40
_MOST_PLACES = 5
_WORK = 0.3
"""Of the solver, by its own count: about as many seconds."""


def deepen(search: Search, rounds: int, rng: np.random.Generator) -> None:
    """So many times take a few places, the costlier the likelier, and put what is there to the best of them.

    Nothing is done without the solver. The same generator gives the same result.
    """
    placement = search.placement
    problem = placement.problem
    if not available() or problem.places <= 1:
        return
    for _ in range(rounds):
        if search.meter.spent:
            break
        before = placement.place.copy()
        chance = np.maximum(placement.cost, 0.0)
        chance += 0.1 * chance.mean() + 1e-12
        count = min(int(rng.integers(2, _MOST_PLACES + 1)), problem.places)
        places = np.sort(rng.choice(problem.places, count, replace=False, p=chance / chance.sum()))
        items = np.flatnonzero(np.isin(placement.place, places) & problem.movable)
        if len(items) > _ITEMS:
            items = np.sort(rng.choice(items, _ITEMS, replace=False))
        reassign(placement, items.tolist(), places.tolist(), _WORK)
        search.meter.count(len(items) * count)
        if not search.recount():
            placement.restore(before)
            search.recount()
    search.descend()
