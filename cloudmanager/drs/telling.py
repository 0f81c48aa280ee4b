"""A plan in the words and numbers of the snapshot: figures, reasons, explanations and differences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cloudmanager.drs.cluster import HostState, Resource
from cloudmanager.drs.model import mean_utilisation, model, price, target_obstacle
from cloudmanager.drs.options import Mode
from cloudmanager.drs.placement import Placement
from cloudmanager.drs.plan import Figures, Move
from cloudmanager.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cloudmanager.drs.cluster import Server, Snapshot
    from cloudmanager.drs.load import Load
    from cloudmanager.drs.model import Model
    from cloudmanager.drs.options import Options
    from cloudmanager.drs.plan import Plan
    from cloudmanager.drs.problem import Floats, Ints
    from cloudmanager.drs.waves import Step


def figures(snapshot: Snapshot, shown: Model) -> Figures:
    """How an aggregate stands. Hosts that are not up are left out."""
    up = np.array([host.state is HostState.UP for host in snapshot.hosts], dtype=bool)
    utilisation, imbalance = {}, {}
    for load in shown.loads:
        used = _used(load, shown.problem.start)
        utilisation[load.resource] = {
            host.name: round(float(share), 6)
            for host, share, live in zip(snapshot.hosts, used, up, strict=True)
            if live
        }
        weight = load.room * up
        mean = mean_utilisation(load, up.astype(np.float64))
        spread = float((weight * (used - mean) ** 2).sum() / weight.sum()) if weight.sum() > 0 else 0.0
        imbalance[load.resource] = round(spread**0.5, 6)
    return Figures(round(Placement(shown.problem).base, 9), imbalance, utilisation)


def told_moves(
    snapshot: Snapshot, options: Options, first: Model, waves: Sequence[Sequence[Step]]
) -> tuple[Move, ...]:
    """The moves of the waves, each with its reason and gain."""
    end = Placement(first.problem)
    for wave in waves:
        for step in wave:
            end.move(step.item, step.to)
    use = [_used(load, first.problem.start) for load in first.loads]
    goals = _goals(snapshot, options, first)
    moves = []
    for number, wave in enumerate(waves, 1):
        for step in wave:
            server = snapshot.servers[step.item]
            last = end.place[step.item] == step.to and not step.hop
            gain = _worth(end, step.item) if last else 0.0
            moves.append(
                Move(
                    wave=number,
                    server_id=server.id,
                    name=server.label,
                    source=snapshot.hosts[step.source].name,
                    destination=snapshot.hosts[step.to].name,
                    gigabytes=round(server.gigabytes_to_move(options.bandwidth_mb_s), 3),
                    gain=round(gain, 9),
                    price=round(price(server, options), 9),
                    reason=_reason(snapshot, options, zip(first.loads, use, goals, strict=True), step),
                    intermediate=not last,
                )
            )
        for share, load in zip(use, first.loads, strict=True):
            _follow(share, load, wave)
    return tuple(moves)


def explain(snapshot: Snapshot, shown: Model, options: Options, server_id: str) -> list[str]:
    """Why a server is where it is, and why it does not move: sentences. NotFound: there is no such server.

    `shown` is the model of the snapshot; that of where a plan leads says why the server does not move on.
    """
    if server_id not in snapshot.server_index:
        raise NotFound(f"there is no server {server_id} in this aggregate")
    item = snapshot.server_index[server_id]
    server = snapshot.servers[item]
    said = [f"{server.label} is on {server.host}."]
    if server_id in shown.fixed:
        return [*said, f"It does not move: {shown.fixed[server_id]}."]
    placement = Placement(shown.problem)
    changes = placement.changes(np.array([item]))[0]
    hosts = [at for at in range(len(snapshot.hosts)) if at != placement.place[item]]
    said += [
        f"{snapshot.hosts[at].name}: no, {_why_not(snapshot, placement, server, at)}."
        for at in hosts
        if not np.isfinite(changes[at])
    ]
    open_to = [at for at in hosts if np.isfinite(changes[at])]
    if not open_to:
        return [*said, "It does not move: no other host can take it."]
    best = min(open_to, key=lambda at: (changes[at], at))
    cost = price(server, options)
    gain, name = cost - float(changes[best]), snapshot.hosts[best].name
    verdict = "It would pay to move it" if changes[best] < 0 else "It does not move"
    return [
        *said,
        f"{verdict}: the best other host, {name}, gains {gain:.6f}; a move of it must gain {cost:.6f}.",
    ]


def why_cannot(snapshot: Snapshot, options: Options, server_id: str, host: str) -> str | None:
    """Why a server cannot go to a host now, whether that would pay or not; None: it can.

    NotFound: the snapshot does not have both.
    """
    for noun, name, known in (
        ("server", server_id, snapshot.server_index),
        ("host", host, snapshot.host_index),
    ):
        if name not in known:
            raise NotFound(f"there is no {noun} {name} in this aggregate")
    shown = model(snapshot, options)
    item, at = snapshot.server_index[server_id], snapshot.host_index[host]
    if server_id in shown.fixed:
        return shown.fixed[server_id]
    placement = Placement(shown.problem)
    if placement.may(item, at):
        return None
    return f"{host} cannot take it: {_why_not(snapshot, placement, snapshot.servers[item], at)}"


def difference(made: Plan) -> list[str]:
    """What a plan changes, in sentences that people can read."""
    if not made.moves:
        return [f"Nothing moves: {made.why_empty}.", *_asides(made)]
    said = [
        f"{len(made.moves)} moves in {made.waves} waves copy {made.gigabytes:.1f} GB.",
        *(
            f"Imbalance of {resource}: {100 * before:.1f} % -> {100 * made.after.imbalance[resource]:.1f} %."
            for resource, before in made.before.imbalance.items()
        ),
    ]
    for resource, hosts in made.before.utilisation.items():
        changed = {
            name: (share, made.after.utilisation[resource][name])
            for name, share in hosts.items()
            if abs(share - made.after.utilisation[resource][name]) >= 0.0005  # noqa: PLR2004 the digits shown
        }
        said += [
            f"{name}: {resource} {100 * old:.1f} % -> {100 * new:.1f} %."
            for name, (old, new) in sorted(changed.items(), key=lambda pair: (-pair[1][0], pair[0]))
        ]
    said += [
        f"Wave {move.wave}: {move.name} {move.source} -> {move.destination} "
        f"({move.gigabytes:.1f} GB): {move.reason}."
        for move in made.moves
    ]
    return [*said, *_asides(made)]


def _asides(made: Plan) -> Iterator[str]:
    for no in made.impossible:
        yield f"Not possible: {no.name} {no.source} -> {no.destination}: {no.reason}."
    if made.switch_off:
        yield f"Can be switched off: {', '.join(made.switch_off)}."
    if made.switch_on:
        yield f"Should be switched on: {', '.join(made.switch_on)}."
    if not made.complete:
        yield "The search was ended before it had found all that pays."
    yield from (f"Note: {note}." for note in made.notes)


def _used(load: Load, place: Ints) -> Floats:
    """The utilisation of each host; 0 for one that has nothing of the resource."""
    used = load.rest + np.bincount(place, load.use, len(load.room))
    share: Floats = np.divide(used, load.room, out=np.zeros_like(used), where=load.room > 0)
    return share


def _worth(end: Placement, item: int) -> float:
    """How much higher the cost would be, moves not counted, with the item back at its start."""
    start = int(end.problem.start[item])
    return end.change(item, start) + end.price_at(item, int(end.place[item]))


def _follow(share: Floats, load: Load, wave: Sequence[Step]) -> None:
    """Bring utilisations to where they are after a wave."""
    for step in wave:
        for at, use in ((step.source, -load.use[step.item]), (step.to, load.use[step.item])):
            if load.room[at] > 0:
                share[at] += use / load.room[at]


def _goals(snapshot: Snapshot, options: Options, first: Model) -> list[float]:
    """The utilisation that hosts should have, for each load."""
    up = np.array([host.state is HostState.UP for host in snapshot.hosts], dtype=np.float64)
    balance = options.mode is Mode.BALANCE
    return [mean_utilisation(load, up) if balance else options.low for load in first.loads]


def _reason(
    snapshot: Snapshot, options: Options, loads: Iterable[tuple[Load, Floats, float]], step: Step
) -> str:
    """Why a server leaves its host: the resource in which that helps most."""
    source, to = snapshot.hosts[step.source].name, snapshot.hosts[step.to].name
    if step.hop:
        return f"makes way on {source} for another server, and goes on from {to}"
    if options.mode is Mode.CONSOLIDATE:
        return f"empties {source}"
    aim = "the mean" if options.mode is Mode.BALANCE else "the mark"
    best = (0.0, "its server group is better kept there, or it makes room for another server")
    for load, share, goal in loads:
        room = load.room[step.source]
        gap = options.weights[load.resource] * (share[step.source] - share[step.to]) * load.use[step.item]
        if room > 0 and gap / room > best[0]:
            shares = f"is {share[step.source]:.0%}, of {to} {share[step.to]:.0%}"
            best = (float(gap / room), f"{load.resource} of {source} {shares}, {aim} {goal:.0%}")
    return best[1]


def _why_not(snapshot: Snapshot, placement: Placement, server: Server, at: int) -> str:
    """Why a host cannot take a server."""
    item, target = snapshot.server_index[server.id], snapshot.hosts[at]
    source = snapshot.hosts[snapshot.host_index[server.host]]
    if obstacle := target_obstacle(server, source, target):
        return obstacle
    for rule in placement.rules:
        barred = rule.barred(item, int(placement.place[item]))
        if barred is not None and barred[at]:
            return "its server group forbids it there"
    for resource in Resource:
        room, need = target.room(resource), server.demand.get(resource, 0.0)
        held = sum(other.demand.get(resource, 0.0) for other in snapshot.servers if other.host == target.name)
        if need and room is None:
            return f"its {resource} is not known"
        if need and room is not None and held + need > room:
            return f"it has {max(0.0, room - held):g} of {room:g} {resource} free, the server needs {need:g}"
    return "its measured load would pass the ceiling"
