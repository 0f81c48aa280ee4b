"""Spreading bulk actions over time, so that feeds, racks and relay boards are not switched all at once."""

from __future__ import annotations

import heapq
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence


class _Alike(NamedTuple):
    """Nodes of the same domains. The number of the first breaks ties, so that the order is kept."""

    earliest: float
    first: int
    gaps: dict[Hashable, float]
    waiting: deque[int]


def stagger(nodes: Sequence[Mapping[Hashable, float]]) -> list[float]:
    """Seconds after which each node begins, so that no domain sees more than its rate.

    A node is given as {domain: nodes per second there}; 0 is unlimited. Within a domain, starts are at least
    1/rate apart. A node that has to wait for its board does not hold up those of other boards.
    """
    queue = _alike(nodes)
    shared = set.intersection(*(set(group.gaps) for group in queue)) if queue else set()
    free: dict[Hashable, float] = {}  # when each domain may see its next start
    delays = [0.0] * len(nodes)
    while queue:
        group = heapq.heappop(queue)
        start = _latest(free, group.gaps)
        if queue and start > max(queue[0].earliest, _latest(free, shared)):
            heapq.heappush(queue, group._replace(earliest=start))  # another may begin before it
            continue
        delays[group.waiting.popleft()] = start
        free |= {domain: start + gap for domain, gap in group.gaps.items()}
        if group.waiting:
            heapq.heappush(queue, group._replace(earliest=_latest(free, group.gaps)))
    return delays


def _alike(nodes: Sequence[Mapping[Hashable, float]]) -> list[_Alike]:
    groups: dict[frozenset[tuple[Hashable, float]], _Alike] = {}
    for number, rates in enumerate(nodes):
        limited = {domain: rate for domain, rate in rates.items() if rate}
        new = _Alike(0.0, number, {domain: 1 / rate for domain, rate in limited.items()}, deque())
        groups.setdefault(frozenset(limited.items()), new).waiting.append(number)
    return list(groups.values())  # a heap: all begin at 0, in the order of their numbers


def _latest(free: Mapping[Hashable, float], domains: Mapping[Hashable, float] | set[Hashable]) -> float:
    return max((free.get(domain, 0.0) for domain in domains), default=0.0)
