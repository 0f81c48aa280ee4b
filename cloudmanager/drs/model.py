"""A snapshot and what is asked of it, as the arrays of the search."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cloudmanager.drs.cluster import HostState, Policy, Resource
from cloudmanager.drs.groups import Apart, Priced, Together
from cloudmanager.drs.load import loads
from cloudmanager.drs.options import Mode
from cloudmanager.drs.problem import Problem, Shape

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cloudmanager.drs.cluster import Host, Server, Snapshot
    from cloudmanager.drs.load import Load
    from cloudmanager.drs.options import Options
    from cloudmanager.drs.problem import Bools, Floats, Ints, Rule

_OVERFULL_WEIGHT = 10.0
"""A host that promises more than it may is worth more than one that is merely out of balance."""

Row = tuple["Floats", "Floats", "Floats"]
"""A term of the cost: its feature for each server, its offset and its weight for each host."""


@dataclass(frozen=True)
class Model:
    """The problem; why servers are fixed, by id; what is said about the data; the loads it was made of.

    `overloaded` tells whether some host is above the high mark.
    """

    problem: Problem
    fixed: dict[str, str]
    notes: tuple[str, ...]
    loads: tuple[Load, ...]
    overloaded: bool


def model(snapshot: Snapshot, options: Options) -> Model:
    """The problem of a snapshot."""
    found = loads(snapshot)
    shown = tuple(load for load in found.known if options.weights.get(load.resource, 0.0) > 0)
    start = np.array([snapshot.host_index[server.host] for server in snapshot.servers], dtype=np.intp)
    fixed = _fixed(snapshot, options, shown)
    over = _overloaded(snapshot, options, shown, start)
    if options.mode is Mode.RELIEVE:
        for server, host in zip(snapshot.servers, start, strict=True):
            if not over[host]:
                fixed.setdefault(server.id, "its host is not overloaded")
    kind, open_to = _kinds(snapshot)
    demand, limit = _amounts(snapshot, options, shown)
    terms = _terms(snapshot, options, shown, (demand, limit))
    columns = [(np.array(rows)) for rows in zip(*(row for _, row in terms), strict=True)]
    feature, offset, weight = columns or _no_terms(snapshot)
    problem = Problem(
        start=start,
        movable=np.array([server.id not in fixed for server in snapshot.servers], dtype=bool),
        kind=kind,
        open=open_to,
        demand=demand,
        limit=limit,
        transient=np.zeros(len(limit), dtype=bool),
        feature=feature,
        offset=offset,
        weight=weight,
        shapes=tuple(shape for shape, _ in terms),
        price=np.array([price(server, options) for server in snapshot.servers]),
        family=_families(snapshot),
        rules=_rules(snapshot, options, start),
    )
    return Model(problem, fixed, tuple(found.notes), shown, bool(over.any()))


def price(server: Server, options: Options) -> float:
    """What a move of a server must gain at least."""
    return options.min_gain + options.price_per_gb * server.gigabytes_to_move(options.bandwidth_mb_s)


def target_obstacle(server: Server, source: Host, target: Host) -> str | None:
    """Why a host takes a server in no case, whatever room it has; None: it may."""
    if target.state is not HostState.UP:
        return f"it is {target.state}"
    if target.cordoned:
        return "it is cordoned"
    if server.zone is not None and target.zone != server.zone:
        return f"it is in the zone {target.zone}, the server asks for {server.zone}"
    if missing := server.required_traits - target.traits:
        return f"it lacks {', '.join(sorted(missing))}"
    # An unknown CPU is like no known one: two moves by way of it could join what does not go together.
    if server.running and source.cpu_model != target.cpu_model:
        here, there = source.cpu_model or "an unknown one", target.cpu_model or "not known"
        return f"its CPU is {there}, the server runs on {here}"
    return None


def _fixed(snapshot: Snapshot, options: Options, shown: Sequence[Load]) -> dict[str, str]:
    """{id of a server: why it does not move}."""
    guessed = {index: load.resource for load in shown for index in load.guessed}
    together = _together(snapshot)
    found = {}
    for index, server in enumerate(snapshot.servers):
        reason = _why_fixed(snapshot, server, options)
        if reason is None and server.id in together:
            reason = f"its server group wants it with the others on {server.host}, and each moves by itself"
        if reason is None and index in guessed:
            reason = f"its {guessed[index]} load is not known"
        if reason is not None:
            found[server.id] = reason
    return found


def _together(snapshot: Snapshot) -> set[str]:
    """The servers that are with most of a group that has to be together: Nova lets none of them leave."""
    found: set[str] = set()
    for group in snapshot.groups:
        if group.policy is Policy.AFFINITY:
            places = snapshot.server_index
            on = {key: snapshot.servers[places[key]].host for key in group.members & places.keys()}
            counts = Counter(on.values()).most_common(2)
            most = counts[0][1] if counts else 0
            if most > 1 and all(count < most for _, count in counts[1:]):
                found |= {key for key, host in on.items() if host == counts[0][0]}
    return found


def _why_fixed(snapshot: Snapshot, server: Server, options: Options) -> str | None:
    host = snapshot.hosts[snapshot.host_index[server.host]]
    ago = math.inf if server.moved_at is None else snapshot.taken_at - server.moved_at
    reasons = (
        (server.pinned, "it is pinned to its host"),
        (server.locked, "it is locked"),
        (server.excluded, "it is excluded from balancing"),
        (server.busy, f"it is busy: {server.busy}"),
        (server.stuck, f"{server.stuck}"),
        (host.state is not HostState.UP, f"its host is {host.state}"),
        (
            ago < options.hold_seconds,
            f"it was moved {ago:.0f} s ago and is left alone for {options.hold_seconds:.0f} s",
        ),
    )
    return next((reason for holds, reason in reasons if holds), None)


def _overloaded(snapshot: Snapshot, options: Options, shown: Sequence[Load], start: Ints) -> Bools:
    """Which hosts are above the high mark in some resource."""
    over = np.zeros(len(snapshot.hosts), dtype=bool)
    up = np.array([host.state is HostState.UP for host in snapshot.hosts], dtype=bool)
    for load in shown:
        used = load.rest + np.bincount(start, load.use, len(over))
        over |= used > options.high * load.room
    over &= up
    return over


def _kinds(snapshot: Snapshot) -> tuple[Ints, Bools]:
    """Servers that may go to the same hosts share a kind; the hosts that are open to each kind."""
    numbers: dict[tuple[object, ...], int] = {}
    kind = np.zeros(len(snapshot.servers), dtype=np.intp)
    rows: list[list[bool]] = []
    for index, server in enumerate(snapshot.servers):
        source = snapshot.hosts[snapshot.host_index[server.host]]
        key = (server.zone, server.required_traits, server.running, server.running and source.cpu_model)
        if key not in numbers:
            numbers[key] = len(numbers)
            rows.append([target_obstacle(server, source, host) is None for host in snapshot.hosts])
        kind[index] = numbers[key]
    return kind, np.array(rows, dtype=bool).reshape(len(rows), len(snapshot.hosts))


def _families(snapshot: Snapshot) -> Ints:
    """Hosts with the same number have the same CPU: a server that runs on one can go on to the others."""
    models = sorted({host.cpu_model or "" for host in snapshot.hosts})
    return np.array([models.index(host.cpu_model or "") for host in snapshot.hosts], dtype=np.intp)


def _amounts(snapshot: Snapshot, options: Options, shown: Sequence[Load]) -> tuple[Floats, Floats]:
    """What is bounded on hosts: what flavors reserve, and measured load."""
    demand, limit = [], []
    for resource in Resource:
        rooms = [host.room(resource) for host in snapshot.hosts]
        amounts = np.array(
            [server.demand.get(resource, 0.0) for server in snapshot.servers], dtype=np.float64
        )
        if amounts.any() and any(room is not None for room in rooms):
            demand.append(amounts)
            limit.append(np.array([room or 0.0 for room in rooms], dtype=np.float64))
    for load in shown:
        if load.measured:
            demand.append(load.use)
            limit.append(options.ceiling * load.room - load.rest)
    shape = len(demand), len(snapshot.servers), len(snapshot.hosts)
    return np.array(demand).reshape(shape[0], shape[1]), np.array(limit).reshape(shape[0], shape[2])


def _terms(
    snapshot: Snapshot, options: Options, shown: Sequence[Load], amounts: tuple[Floats, Floats]
) -> list[tuple[Shape, Row]]:
    """The cost of the mode, terms of one shape together."""
    terms = []
    up = np.array([host.state is HostState.UP for host in snapshot.hosts], dtype=np.float64)
    for load in shown:
        shape, mark = Shape.SQUARED_HINGE, options.low
        if options.mode is Mode.BALANCE:
            shape, mark = Shape.SQUARE, mean_utilisation(load, up)
        scale = options.weights[load.resource] * up * _per_square(load.room, up)
        terms.append((shape, (load.use, mark * load.room - load.rest, scale)))
    for demand, limit in zip(*amounts, strict=True):
        scale = _OVERFULL_WEIGHT * up * _per_square(limit, up)
        terms.append((Shape.SQUARED_HINGE, (demand, limit.copy(), scale)))
    if options.mode is Mode.CONSOLIDATE:
        ones = np.ones(len(snapshot.servers))
        terms.append((Shape.STEP, (ones, np.zeros(len(up)), options.host_price * up)))
    return sorted(terms, key=lambda term: term[0])


def mean_utilisation(load: Load, up: Floats) -> float:
    """Of all hosts that are up together. Cordoned ones count: their servers may leave."""
    room = float((load.room * up).sum())
    return float(load.use.sum() + (load.rest * up).sum()) / room if room > 0 else 0.0


def _per_square(room: Floats, up: Floats) -> Floats:
    """What makes squares of amounts comparable: 1/room² for utilisation, times the host's share of the room.

    With that share the sum is least when all hosts are at the mean, be they large or small.
    """
    live = (room > 0) & (up > 0)
    mean = float(room[live].mean()) if live.any() else 1.0
    return np.divide(1.0, room * mean, out=np.zeros_like(room), where=live)


def _rules(snapshot: Snapshot, options: Options, start: Ints) -> tuple[Callable[[], Rule], ...]:
    places, price = len(snapshot.hosts), options.soft_group_price

    def members(*policies: Policy) -> list[list[int]]:
        return [
            sorted(snapshot.server_index[member] for member in group.members & snapshot.server_index.keys())
            for group in snapshot.groups
            if group.policy in policies
        ]

    limits = [group.limit for group in snapshot.groups if group.policy is Policy.ANTI_AFFINITY]
    prices = [
        price if group.policy is Policy.SOFT_ANTI_AFFINITY else -price
        for group in snapshot.groups
        if group.policy in (Policy.SOFT_AFFINITY, Policy.SOFT_ANTI_AFFINITY)
    ]
    soft = members(Policy.SOFT_AFFINITY, Policy.SOFT_ANTI_AFFINITY)
    return (
        lambda: Apart(members(Policy.ANTI_AFFINITY), limits, start, places),
        lambda: Together(members(Policy.AFFINITY), start, places),
        lambda: Priced(soft, prices, start, places),
    )


def _no_terms(snapshot: Snapshot) -> list[Floats]:
    shape = len(snapshot.servers), len(snapshot.hosts), len(snapshot.hosts)
    return [np.zeros((0, length)) for length in shape]
