"""From a snapshot to a plan. The same input gives the same plan, and a plan's own result an empty one.

The second holds because a plan is only ready when planning again from where it leads finds nothing more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cloudmanager.drs.cluster import HostState
from cloudmanager.drs.deepen import deepen
from cloudmanager.drs.model import Model, model
from cloudmanager.drs.options import Mode
from cloudmanager.drs.placement import Placement
from cloudmanager.drs.plan import Impossible, Plan
from cloudmanager.drs.search import Meter, Search
from cloudmanager.drs.spare import hosts_to_switch
from cloudmanager.drs.telling import figures, told_moves
from cloudmanager.drs.waves import Order, Step, order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cloudmanager.drs.cluster import Snapshot
    from cloudmanager.drs.options import Options
    from cloudmanager.drs.problem import Ints, Problem

_ROUNDS = 20
_ORDERINGS = 10
_NO_ORDER = (
    "there is no order of moves in which it fits: hosts would have to make way for each other, and no other "
    "has room meanwhile"
)

_TOO_FEW_MOVES = "what would pay takes more moves than are allowed"


@dataclass
class _Round:
    """What one search came to: waves from its start, or why nothing is done; moves without an order."""

    order: Order
    why_not: str | None = None
    stuck: tuple[tuple[int, int], ...] = ()


def plan(snapshot: Snapshot, options: Options, clock: Callable[[], float] | None = None) -> Plan:
    """The plan for a snapshot. `clock` counts seconds; it can only end the search early."""
    meter = Meter(options.evaluations, options.time_limit, clock)
    first = model(snapshot, options)
    waves, stuck, why_not, cut = _rounds(snapshot, options, first, meter)
    moves = told_moves(snapshot, options, first, waves)
    after = snapshot.moved({move.server_id: move.destination for move in moves})
    off, on = hosts_to_switch(after, options, first.loads)
    return Plan(
        mode=options.mode,
        moves=moves,
        before=figures(snapshot, first),
        after=figures(after, model(after, options)),
        why_empty=None if moves else _why_empty(snapshot, options, first) or why_not,
        complete=not meter.spent and not cut,
        impossible=_impossible(snapshot, stuck),
        notes=first.notes,
        switch_off=off,
        switch_on=on,
        evaluations=meter.evaluations,
    )


def _rounds(
    snapshot: Snapshot, options: Options, first: Model, meter: Meter
) -> tuple[list[list[Step]], dict[int, int], str | None, bool]:
    """Search from where the last search led until nothing is found; (waves, stuck, why no more, cut off).

    It is cut off when the budget of moves is used up, or what is left of it is too little for what would pay.
    """
    waves: list[list[Step]] = []
    stuck: dict[int, int] = {}
    here, place, why_not, cut = first, first.problem.start, None, False
    for _ in range(_ROUNDS):
        left = None if options.max_moves is None else options.max_moves - _moved(waves)
        found = _search(here, options, meter, left)
        why_not = found.why_not
        stuck |= dict(found.stuck)
        if not found.order.waves:
            cut = left == 0 or (left is not None and bool(_search(here, options, meter, None).order.waves))
            why_not = _TOO_FEW_MOVES if cut else why_not
            break
        more = found.order
        waves, place = (
            _joined(first.problem, options, [*waves, *more.waves], more.reached)
            if waves
            else (more.waves, more.reached)
        )
        if meter.spent:
            break
        here = model(snapshot.moved(_destinations(snapshot, place)), options)
    return waves, {item: to for item, to in stuck.items() if place[item] != to}, why_not, cut


def _joined(
    problem: Problem, options: Options, waves: list[list[Step]], reached: Ints
) -> tuple[list[list[Step]], Ints]:
    """Waves that lead to the same places with one move for each server, and none that does not pay.

    Where there is no order for those, the waves stay as they are.
    """
    pruned = _without_what_does_not_pay(problem, reached)
    for target in (pruned, reached):
        direct = _ordered(problem, options, target)
        if not direct.stuck and _moved(direct.waves) <= _moved(waves):
            return direct.waves, target
    return waves, reached


def _search(start: Model, options: Options, meter: Meter, budget: int | None) -> _Round:
    problem = start.problem
    placement = Placement(problem)
    before, cost = placement.base, float(placement.cost.sum())
    search = Search(placement, meter, budget)
    search.empty()
    search.descend()
    if options.effort:
        deepen(search, options.effort, np.random.default_rng(options.seed))
    target, found = placement.place.copy(), Order(reached=problem.start)
    wanted: dict[int, int] = {int(item): int(target[item]) for item in placement.away}
    for _ in range(_ORDERINGS):
        found = _ordered(problem, options, placement.place)
        if not found.stuck:
            break
        placement.restore(_without_what_does_not_pay(problem, found.reached))
    else:
        placement.restore(problem.start)
    stuck = tuple((item, to) for item, to in wanted.items() if placement.place[item] != to)
    gain = before - placement.base
    if not len(placement.away):
        why = (
            "no order of moves was found"
            if stuck
            else f"no move gains what it must, {options.min_gain:g} or more"
        )
        return _Round(Order(reached=problem.start), why, stuck)
    if options.mode is Mode.BALANCE and gain < options.min_improvement * cost:
        why = (
            f"all that could be gained is {gain / cost:.1%} of the imbalance; a plan must gain "
            f"{options.min_improvement:.1%}"
        )
        return _Round(Order(reached=problem.start), why, stuck)
    return _Round(found, None, stuck)


def _ordered(problem: Problem, options: Options, target: Ints) -> Order:
    """The waves to a target, what is worth most first."""
    placement = Placement(problem)
    placement.restore(target)
    items = placement.away
    worth = {int(item): placement.change(int(item), int(problem.start[item])) for item in items}
    urgent = sorted(worth, key=lambda item: (-worth[item], item))
    hops = len(items) if options.max_moves is None else max(0, options.max_moves - len(items))
    return order(problem, target, urgent, options.moves_per_host, hops)


def _without_what_does_not_pay(problem: Problem, reached: Ints) -> Ints:
    """The same places, with each item back at its start that is better off there."""
    placement = Placement(problem)
    placement.restore(reached)
    returned = True
    while returned:
        returned = False
        for item in placement.away:
            start = int(problem.start[item])
            if placement.change(int(item), start) < 0 and placement.may(int(item), start):
                placement.move(int(item), start)
                returned = True
    return placement.place.copy()


def _moved(waves: Iterable[Iterable[Step]]) -> int:
    return sum(1 for wave in waves for _ in wave)


def _destinations(snapshot: Snapshot, place: Ints) -> dict[str, str]:
    return {
        server.id: snapshot.hosts[int(to)].name for server, to in zip(snapshot.servers, place, strict=True)
    }


def _impossible(snapshot: Snapshot, stuck: dict[int, int]) -> tuple[Impossible, ...]:
    servers, hosts = snapshot.servers, snapshot.hosts
    return tuple(
        Impossible(servers[item].id, servers[item].label, servers[item].host, hosts[to].name, _NO_ORDER)
        for item, to in sorted(stuck.items())
    )


def _why_empty(snapshot: Snapshot, options: Options, first: Model) -> str | None:
    """What forbids every move from the beginning."""
    up = [host for host in snapshot.hosts if host.state is HostState.UP]
    unfixed = len(snapshot.servers) - len(first.fixed)
    reasons = (
        (not snapshot.hosts, "there are no hosts"),
        (not snapshot.servers, "there are no servers"),
        (len(up) == 0, "no host is up"),
        (len(up) == 1, "only one host is up"),
        (all(host.cordoned for host in up), "all hosts are cordoned"),
        (options.max_moves == 0, "no moves are allowed"),
        (not first.loads, "nothing is known of the load: there are neither measurements nor flavors"),
        (
            options.mode is Mode.RELIEVE and not first.overloaded,
            f"no host is above {options.high:.0%}",
        ),
        (not unfixed, f"no server can move: {_commonest(first.fixed)}"),
    )
    return next((reason for holds, reason in reasons if holds), None)


def _commonest(fixed: dict[str, str]) -> str:
    reasons = list(fixed.values())
    return max(sorted(set(reasons)), key=reasons.count) if reasons else "there is none"
