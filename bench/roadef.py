"""The machine reassignment problem of ROADEF/EURO 2012: reader, exact evaluator, and our form of it.

The evaluator counts in whole numbers from the definition, and shares nothing with the search.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cloudmanager.drs.groups import Apart
from cloudmanager.drs.problem import Problem, Shape

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from cloudmanager.drs.problem import Bools, Floats, Ints


@dataclass(frozen=True)
class Machine:
    neighbourhood: int
    location: int
    capacity: tuple[int, ...]
    safety: tuple[int, ...]
    move_cost: tuple[int, ...]


@dataclass(frozen=True)
class Service:
    spread: int
    needs: tuple[int, ...]


@dataclass(frozen=True)
class Process:
    service: int
    needs: tuple[int, ...]
    move_cost: int


@dataclass(frozen=True)
class Balance:
    first: int
    second: int
    target: int
    weight: int


@dataclass(frozen=True)
class Instance:
    transient: tuple[bool, ...]
    load_weight: tuple[int, ...]
    machines: tuple[Machine, ...]
    services: tuple[Service, ...]
    processes: tuple[Process, ...]
    balances: tuple[Balance, ...]
    process_weight: int
    service_weight: int
    machine_weight: int
    start: tuple[int, ...]


def read(model: Path, assignment: Path) -> Instance:
    """An instance from its two files."""
    numbers = map(int, model.read_text().split())

    def some(count: int) -> tuple[int, ...]:
        return tuple(next(numbers) for _ in range(count))

    resources = [some(2) for _ in range(next(numbers))]
    width, machines = len(resources), next(numbers)
    return Instance(
        transient=tuple(bool(transient) for transient, _ in resources),
        load_weight=tuple(weight for _, weight in resources),
        machines=tuple(
            Machine(next(numbers), next(numbers), some(width), some(width), some(machines))
            for _ in range(machines)
        ),
        services=tuple(Service(next(numbers), some(next(numbers))) for _ in range(next(numbers))),
        processes=tuple(Process(next(numbers), some(width), next(numbers)) for _ in range(next(numbers))),
        balances=tuple(Balance(*some(4)) for _ in range(next(numbers))),
        process_weight=next(numbers),
        service_weight=next(numbers),
        machine_weight=next(numbers),
        start=tuple(map(int, assignment.read_text().split())),
    )


def cost(instance: Instance, place: Sequence[int]) -> int:
    """The objective, in whole numbers."""
    used = _used(instance, place)
    total = 0
    for machine, load in zip(instance.machines, used, strict=True):
        for r, weight in enumerate(instance.load_weight):
            total += weight * max(0, load[r] - machine.safety[r])
        for balance in instance.balances:
            first = machine.capacity[balance.first] - load[balance.first]
            second = machine.capacity[balance.second] - load[balance.second]
            total += balance.weight * max(0, balance.target * first - second)
    moved = [p for p, at in enumerate(place) if at != instance.start[p]]
    services = Counter(instance.processes[p].service for p in moved)
    total += instance.process_weight * sum(instance.processes[p].move_cost for p in moved)
    total += instance.service_weight * max(services.values(), default=0)
    total += instance.machine_weight * sum(
        instance.machines[instance.start[p]].move_cost[place[p]] for p in moved
    )
    return total


def broken(instance: Instance, place: Sequence[int]) -> Iterator[str]:
    """Every hard constraint that does not hold."""
    held = _used(instance, place)
    for p, at in enumerate(place):
        if at != instance.start[p]:
            for r, transient in enumerate(instance.transient):
                held[instance.start[p]][r] += transient * instance.processes[p].needs[r]
    for m, machine in enumerate(instance.machines):
        for r, capacity in enumerate(machine.capacity):
            if held[m][r] > capacity:
                yield f"machine {m} holds {held[m][r]} of {capacity} of resource {r}"
    on: list[list[int]] = [[] for _ in instance.services]
    for p, at in enumerate(place):
        on[instance.processes[p].service].append(at)
    near = [{instance.machines[at].neighbourhood for at in places} for places in on]
    for s, (service, places) in enumerate(zip(instance.services, on, strict=True)):
        if len(set(places)) < len(places):
            yield f"two processes of service {s} share a machine"
        if len({instance.machines[at].location for at in places}) < service.spread:
            yield f"service {s} is in too few locations"
        for needed in service.needs:
            if not near[s] <= near[needed]:
                yield f"service {s} is where {needed} is not"


def _used(instance: Instance, place: Sequence[int]) -> list[list[int]]:
    used = [[0] * len(instance.transient) for _ in instance.machines]
    for process, at in zip(instance.processes, place, strict=True):
        for r, need in enumerate(process.needs):
            used[at][r] += need
    return used


def problem(instance: Instance) -> Problem:
    """The same in the form of our search."""
    needs = np.array([process.needs for process in instance.processes], dtype=np.float64).T
    capacity = np.array([machine.capacity for machine in instance.machines], dtype=np.float64).T
    safety = np.array([machine.safety for machine in instance.machines], dtype=np.float64).T
    service = np.array([process.service for process in instance.processes], dtype=np.intp)
    start = np.array(instance.start, dtype=np.intp)
    places = len(instance.machines)
    routes = np.array([machine.move_cost for machine in instance.machines], dtype=np.float64)
    features = [*needs, *(needs[b.second] - b.target * needs[b.first] for b in instance.balances)]
    offsets = [*safety, *(capacity[b.second] - b.target * capacity[b.first] for b in instance.balances)]
    weights = [*instance.load_weight, *(balance.weight for balance in instance.balances)]
    groups = [np.flatnonzero(service == s).tolist() for s in range(len(instance.services))]
    groups = [group for group in groups if len(group) > 1]
    return Problem(
        start=start,
        movable=np.ones(len(start), dtype=bool),
        kind=np.zeros(len(start), dtype=np.intp),
        open=np.ones((1, places), dtype=bool),
        demand=needs,
        limit=capacity,
        transient=np.array(instance.transient, dtype=bool),
        feature=np.array(features),
        offset=np.array(offsets),
        weight=np.repeat(np.array(weights, dtype=np.float64)[:, None], places, axis=1),
        shapes=(Shape.HINGE,) * len(weights),
        price=instance.process_weight * np.array([float(p.move_cost) for p in instance.processes]),
        family=np.zeros(places, dtype=np.intp),
        route=instance.machine_weight * routes * (1 - np.eye(places)),
        rules=(
            lambda: Apart(groups, [1] * len(groups), start, places),
            lambda: Spread(instance, service),
            lambda: Near(instance, service),
            lambda: MovedMost(instance, service),
        ),
    )


class _Counted:
    """How many processes of each service there are in each district (a location, or a neighbourhood)."""

    priced = False

    def __init__(self, instance: Instance, service: Ints, district: Sequence[int], covered: Bools) -> None:
        self.service = service
        self.district = np.array(district, dtype=np.intp)
        self.count: Ints = np.zeros((len(instance.services), int(self.district.max()) + 1), dtype=np.intp)
        np.add.at(self.count, (service, self.district[list(instance.start)]), 1)
        self._covered = covered

    def covers(self) -> Bools:
        return self._covered

    def price(self, item: int, at: int) -> Floats | None:
        del item, at

    def move(self, item: int, old: int, new: int) -> None:
        self.count[self.service[item], self.district[old]] -= 1
        self.count[self.service[item], self.district[new]] += 1

    def tied(self, item: int) -> Collection[int]:
        return (int(self.service[item]),)

    def penalty(self) -> float:
        return 0.0


class Spread(_Counted):
    """A service is in at least so many locations."""

    def __init__(self, instance: Instance, service: Ints) -> None:
        self.least = np.array([s.spread for s in instance.services], dtype=np.intp)
        super().__init__(instance, service, [m.location for m in instance.machines], self.least[service] > 1)

    def barred(self, item: int, at: int) -> Bools | None:
        count, home = self.count[self.service[item]], self.district[at]
        if count[home] > 1 or np.count_nonzero(count) > self.least[self.service[item]]:
            return None
        barred: Bools = (count[self.district] > 0) & (self.district != home)
        return barred


class Near(_Counted):
    """Where a service is, in a neighbourhood, there are the services that it needs."""

    def __init__(self, instance: Instance, service: Ints) -> None:
        self.needs = [list(s.needs) for s in instance.services]
        self.needed_by: list[list[int]] = [[] for _ in instance.services]
        for s, needs in enumerate(self.needs):
            for other in needs:
                self.needed_by[other].append(s)
        tied = np.array([bool(a or b) for a, b in zip(self.needs, self.needed_by, strict=True)])
        super().__init__(instance, service, [m.neighbourhood for m in instance.machines], tied[service])

    def barred(self, item: int, at: int) -> Bools | None:
        service, home = int(self.service[item]), self.district[at]
        if not self.needs[service] and not self.needed_by[service]:
            return None
        served = np.ones(self.count.shape[1], dtype=bool)
        for other in self.needs[service]:
            served &= self.count[other] > 0
        last = self.count[service, home] == 1
        if last and any(self.count[other, home] for other in self.needed_by[service] if other != service):
            served[:] = False
        served[home] = True
        barred: Bools = ~served[self.district]
        return barred


class MovedMost:
    """The price of the service of which most processes have moved."""

    priced = True

    def __init__(self, instance: Instance, service: Ints) -> None:
        self.service, self.weight = service, instance.service_weight
        self.start = np.array(instance.start, dtype=np.intp)
        self.places = len(instance.machines)
        self.moved: Ints = np.zeros(len(instance.services), dtype=np.intp)
        self.with_so_many = Counter({0: len(instance.services)})
        self.most = 0

    def covers(self) -> Bools:
        return np.full(len(self.service), self.weight > 0)

    def barred(self, item: int, at: int) -> Bools | None:
        del item, at

    def price(self, item: int, at: int) -> Floats | None:
        moved, start = int(self.moved[self.service[item]]), int(self.start[item])
        if at == start:
            if moved < self.most:
                return None
            price = np.full(self.places, float(self.weight))
            price[at] = 0.0
            return price
        if moved < self.most or self.with_so_many[moved] > 1:
            return None
        price = np.zeros(self.places)
        price[start] = -float(self.weight)
        return price

    def move(self, item: int, old: int, new: int) -> None:
        service, start = self.service[item], self.start[item]
        change = int(new != start) - int(old != start)
        if not change:
            return
        self.with_so_many[int(self.moved[service])] -= 1
        self.moved[service] += change
        self.with_so_many[int(self.moved[service])] += 1
        self.most = max(self.most, int(self.moved[service]))
        while self.most and not self.with_so_many[self.most]:
            self.most -= 1

    def tied(self, item: int) -> Collection[int]:
        del item
        return ()

    def penalty(self) -> float:
        return float(self.weight * self.most)
