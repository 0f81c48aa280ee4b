"""Who stands beside the planner: OpenStack Watcher's workload stabilization, and the best single move."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cloudmanager.drs.cluster import Resource
from cloudmanager.drs.placement import Placement

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloudmanager.drs.cluster import Snapshot
    from cloudmanager.drs.groups import Groups
    from cloudmanager.drs.problem import Problem

METRICS = (Resource.CPU, Resource.RAM)


@dataclass
class Rival:
    """Where servers end, with how many moves; what the places cost after each move, where that is known."""

    place: np.ndarray
    moves: int
    trail: list[float]


def watcher(snapshot: Snapshot, host_choice: str, threshold: float) -> Rival:
    """Workload stabilization as it is understood here; it was not compared with Watcher itself.

    The load of a host in a metric is a share of what it has. When the standard deviation of a
    metric over the hosts is above the threshold, each server is tried on the hosts of the choice (`cycle`:
    the next of all in turn; `retry`: one by chance; `fullsearch`: all), and the one with the least weighted
    deviation is kept. In the order of that deviation they are made, each when it still lowers it and its host
    has room, until a metric is below the threshold.
    """
    place = np.array([snapshot.host_index[server.host] for server in snapshot.servers])
    load, sizes = _shares(snapshot, place)
    cases = _cases(place, load, sizes, host_choice) if (load.std(axis=1) > threshold).any() else []
    free = _free(snapshot, place)
    least, moves = 1.0, 0
    for _, server, to in sorted(cases):
        after = load.copy()
        after[:, place[server]] -= sizes[:, server, place[server]]
        after[:, to] += sizes[:, server, to]
        deviation = float(after.std(axis=1).sum())
        if deviation >= least:
            continue
        least = deviation
        need = np.array([snapshot.servers[server].demand[resource] for resource in free])
        if all(free[resource][to] >= amount for resource, amount in zip(free, need, strict=True)):
            for resource, amount in zip(free, need, strict=True):
                free[resource][to] -= amount
                free[resource][place[server]] += amount
            load, place[server], moves = after, to, moves + 1
        if (load.std(axis=1) < threshold).any():
            break
    return Rival(place, moves, [])


def _shares(snapshot: Snapshot, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(metric x host) of load, (metric x server x host) of what each server would add."""
    room = np.array([[host.capacity[metric] for host in snapshot.hosts] for metric in METRICS])
    use = np.array([[server.load[metric] for server in snapshot.servers] for metric in METRICS])
    load = np.array([np.bincount(place, row, len(snapshot.hosts)) for row in use]) / room
    return load, _Sizes(use, room)


class _Sizes:
    """Shares that servers take of hosts, without the whole table in memory."""

    def __init__(self, use: np.ndarray, room: np.ndarray) -> None:
        self.use, self.room = use, room

    def __getitem__(self, key: tuple[slice, int, int | np.ndarray]) -> np.ndarray:
        metrics, server, hosts = key
        room = self.room[metrics, hosts]
        return self.use[metrics, server] / room if room.ndim == 1 else self.use[metrics, server, None] / room


def _cases(
    place: np.ndarray, load: np.ndarray, sizes: _Sizes, host_choice: str
) -> list[tuple[float, int, int]]:
    """(weighted deviation, server, host) of the best host of each server's choice."""
    hosts, now, found = load.shape[1], float(load.std(axis=1).sum()), []
    sums, squares = load.sum(axis=1), (load**2).sum(axis=1)
    for source in range(hosts):
        others = [host for host in range(hosts) if host != source]
        choices = _choices(others, host_choice)
        for server in np.flatnonzero(place == source):
            to = np.array(next(choices))
            mine, theirs = sizes[:, server, source], sizes[:, server, to]
            gone, come = load[:, source] - mine, load[:, to] + theirs
            square = squares - load[:, source] ** 2 + gone**2
            square = square[:, None] - load[:, to] ** 2 + come**2
            mean = ((sums - mine)[:, None] + theirs) / hosts
            deviation = np.sqrt(np.maximum(square / hosts - mean**2, 0)).sum(axis=0)
            best = int(np.argmin(deviation))
            if deviation[best] < now:
                found.append((float(deviation[best]), int(server), int(to[best])))
    return found


def _choices(others: list[int], host_choice: str) -> Iterator[list[int]]:
    if host_choice == "cycle":
        return ([host] for host in itertools.cycle(others))
    if host_choice == "retry":
        chance = random.Random(1)
        return (chance.sample(others, 1) for _ in itertools.count())
    return itertools.repeat(others)


def _free(snapshot: Snapshot, place: np.ndarray) -> dict[Resource, np.ndarray]:
    free = {}
    for resource in (Resource.CPU, Resource.RAM, Resource.DISK):
        demand = np.array([server.demand[resource] for server in snapshot.servers])
        room = np.array([host.room(resource) for host in snapshot.hosts])
        free[resource] = room - np.bincount(place, demand, len(room))
    return free


def best_single_moves(problem: Problem, until: float = -np.inf) -> Rival:
    """Of all moves the one that lowers the total most, again and again, until none does or it is enough.

    The same cost, prices and constraints as the planner's. The whole table of changes is kept up to date.
    """
    placement = Placement(problem)
    items = np.flatnonzero(problem.movable)
    table = np.concatenate([placement.changes(part) for part in _parts(items, 500)])
    trail = [placement.base]
    while trail[-1] > until:
        row, to = divmod(int(np.argmin(table)), problem.places)
        if not table[row, to] < -1e-9:
            break
        source = int(placement.place[items[row]])
        placement.move(int(items[row]), to)
        trail.append(placement.base)
        both = np.array([source, to])
        table[:, both] = placement.changes(items, both)
        kin = {other for rule in placement.rules for other in _kin(rule, int(items[row]))}
        changed = np.flatnonzero(np.isin(placement.place[items], both) | np.isin(items, list(kin)))
        for part in _parts(changed, 500):
            table[part] = placement.changes(items[part])
    return Rival(placement.place, len(trail) - 1, trail)


def _kin(rule: Groups, item: int) -> set[int]:
    mine = set(rule.of.get(item, ()))
    return {other for other, groups in rule.of.items() if mine.intersection(groups)} if mine else set()


def _parts(things: np.ndarray, size: int) -> list[np.ndarray]:
    return np.array_split(things, max(1, len(things) // size))
