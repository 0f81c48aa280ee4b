"""The planner of the balancer: quality beside speed, other rules, the optimum, and ROADEF's problem.

Cost, imbalance and moves do not depend on the machine; times are CPU seconds of one core.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench import roadef
from bench.drs_aggregates import aggregate
from bench.drs_rivals import METRICS, Rival, best_single_moves, watcher
from bench.report import median
from cloudmanager.drs.cluster import Resource
from cloudmanager.drs.deepen import deepen
from cloudmanager.drs.exact import reassign
from cloudmanager.drs.model import model
from cloudmanager.drs.options import Options
from cloudmanager.drs.placement import Placement
from cloudmanager.drs.planner import plan
from cloudmanager.drs.search import Meter, Search

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.report import Report
    from cloudmanager.drs.cluster import Snapshot

SIZES = ((8, 160), (50, 1000), (200, 4000), (1000, 20_000))
THRESHOLD = 0.05
INSTANCES = "CLOUDMANAGER_BENCH_ROADEF"


def aggregates(report: Report, *, quick: bool) -> None:
    """Synthetic aggregates: ours, Watcher's rule with each choice of hosts, best single moves."""
    for hosts, servers in SIZES[:2] if quick else SIZES:
        for way in (_ours, _single, _watcher_cycle, _watcher_retry, _watcher_fullsearch):
            report.add(**_alone(way, hosts, servers))


def optimum(report: Report, *, quick: bool) -> None:
    """Small aggregates: ours beside the optimum that CP-SAT proves, prices of moves included."""
    gaps = []
    for seed in range(3 if quick else 10):
        snapshot, options = aggregate(4, 12, seed), Options(min_improvement=0.0)
        problem = model(snapshot, options).problem
        start, ours, best = Placement(problem), Placement(problem), Placement(problem)
        begun = time.process_time()
        made = plan(snapshot, options)
        seconds = time.process_time() - begun
        ours.restore(
            np.array([snapshot.host_index[made.destinations.get(s.id, s.host)] for s in snapshot.servers])
        )
        begun = time.process_time()
        proven = reassign(best, range(problem.items), range(problem.places), 60.0)
        gaps.append(ours.total / min(best.total, ours.total) - 1 if proven else math.nan)
        report.add(
            what=f"4 hosts, 12 servers, seed {seed}",
            start=start.total,
            ours=ours.total,
            optimum=best.total if proven else "not proven",
            gap_percent=100 * gaps[-1],
            moves=len(ours.away),
            optimum_moves=len(best.away),
            ours_seconds=seconds,
            optimum_seconds=time.process_time() - begun,
        )
    report.add(
        what="median",
        **dict.fromkeys(("start", "ours", "optimum"), ""),
        gap_percent=100 * median([gap for gap in gaps if not math.isnan(gap)]),
        **dict.fromkeys(("moves", "optimum_moves", "ours_seconds", "optimum_seconds"), ""),
    )


def machine_reassignment(report: Report, *, quick: bool) -> None:
    """Instances of ROADEF/EURO 2012 in the directory that CLOUDMANAGER_BENCH_ROADEF names."""
    directory = Path(os.environ.get(INSTANCES, ""))
    names = sorted(file.stem.removeprefix("model_") for file in directory.glob("model_*.txt"))
    if not os.environ.get(INSTANCES) or not names:
        report.add(what=f"no instances: set {INSTANCES} to a directory with model_*.txt and assignment_*.txt")
    for name in names[:2] if quick else names:
        report.add(**_instance(directory, name, seconds=5.0 if quick else 60.0))


def _instance(directory: Path, name: str, seconds: float) -> dict[str, Any]:
    """The descent alone, then what more time brings."""
    instance = roadef.read(directory / f"model_{name}.txt", directory / f"assignment_{name}.txt")
    original, bound = (_number(directory / f"{kind}_{name}.txt") for kind in ("original_cost", "lb"))
    first = roadef.cost(instance, instance.start)
    assert original in (None, first), f"{name}: the evaluator says {first}, the file {original}"
    placement, meter = Placement(roadef.problem(instance)), Meter(seconds=seconds)
    wall, begun = time.perf_counter(), time.process_time()
    search = Search(placement, meter)
    search.descend()
    descended, taken = _checked(instance, placement), time.process_time() - begun
    deepen(search, 1_000_000, np.random.default_rng(1))
    reached = _checked(instance, placement)
    return {
        "what": name,
        "original": first,
        "bound": bound or "",
        "descent": descended,
        "descent_gap_percent": 100 * (descended / bound - 1) if bound else "",
        "descent_seconds": taken,
        "in_time": reached,
        "gap_percent": 100 * (reached / bound - 1) if bound else "",
        "seconds": time.perf_counter() - wall,
        "moved": len(placement.away),
    }


def _checked(instance: roadef.Instance, placement: Placement) -> int:
    """The cost by the exact evaluator, once no constraint is broken."""
    place = placement.place.tolist()
    broken = list(roadef.broken(instance, place))
    assert not broken, broken[:5]
    cost = roadef.cost(instance, place)
    assert abs(cost - placement.total) < 1, (cost, placement.total)
    return cost


def _number(file: Path) -> int | None:
    return int(file.read_text()) if file.exists() else None


def _alone(way: Callable[[int, int], dict[str, Any]], hosts: int, servers: int) -> dict[str, Any]:
    """In a process of its own, so that its peak of memory is its own."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(way, hosts, servers).result()


def _ours(hosts: int, servers: int) -> dict[str, Any]:
    snapshot, options = aggregate(hosts, servers), Options(time_limit=600)
    begun = time.process_time()
    made = plan(snapshot, options)
    seconds = time.process_time() - begun
    again = plan(snapshot.moved(made.destinations), options)
    assert not again.moves, "planning its own result must find nothing"
    assert plan(snapshot, options) == made, "the same input must give the same plan"
    row = _row("CloudManager", snapshot, made.destinations, len(made.moves), seconds)
    return row | {"waves": made.waves}


def _single(hosts: int, servers: int) -> dict[str, Any]:
    """Best single moves; and how few of ours do as well as all of its."""
    snapshot, options = aggregate(hosts, servers), Options(time_limit=600)
    problem = model(snapshot, options).problem
    begun = time.process_time()
    rival = best_single_moves(problem)
    seconds = time.process_time() - begun
    ours = plan(snapshot, replace(options, max_moves=rival.moves))
    row = _rival_row("best single moves", snapshot, rival, seconds)
    fewest = next((k for k, base in enumerate(rival.trail) if base <= ours.after.cost + 1e-9), None)
    return row | {
        "ours_with_its_budget": ours.after.cost,
        "our_moves_then": len(ours.moves),
        "its_moves_to_our_cost": "never" if fewest is None else fewest,
    }


def _watcher_cycle(hosts: int, servers: int) -> dict[str, Any]:
    return _watcher(hosts, servers, "cycle")


def _watcher_retry(hosts: int, servers: int) -> dict[str, Any]:
    return _watcher(hosts, servers, "retry")


def _watcher_fullsearch(hosts: int, servers: int) -> dict[str, Any]:
    return _watcher(hosts, servers, "fullsearch")


def _watcher(hosts: int, servers: int, choice: str) -> dict[str, Any]:
    snapshot = aggregate(hosts, servers)
    begun = time.process_time()
    rival = watcher(snapshot, choice, THRESHOLD)
    return _rival_row(f"Watcher's rule, {choice}", snapshot, rival, time.process_time() - begun)


def _rival_row(what: str, snapshot: Snapshot, rival: Rival, seconds: float) -> dict[str, Any]:
    destinations = {
        server.id: snapshot.hosts[int(to)].name
        for server, to in zip(snapshot.servers, rival.place, strict=True)
    }
    return _row(what, snapshot, destinations, rival.moves, seconds)


def _row(
    what: str, snapshot: Snapshot, destinations: dict[str, str], moves: int, seconds: float
) -> dict[str, Any]:
    # A plan from the end that may move nothing gives the figures of the end.
    end = plan(snapshot.moved(destinations), Options(max_moves=0)).after
    moved = [server for server in snapshot.servers if destinations.get(server.id, server.host) != server.host]
    spread = {f"{metric}_spread_percent": 100 * end.imbalance[metric] for metric in (*METRICS, Resource.DISK)}
    return {
        "what": f"{len(snapshot.hosts)} x {len(snapshot.servers)}: {what}",
        "cost_left": end.cost,
        **spread,
        "moves": moves,
        "gigabytes": sum(server.gigabytes_to_move(1000.0) for server in moved),
        "cpu_seconds": seconds,
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "waves": "",
        "ours_with_its_budget": "",
        "our_moves_then": "",
        "its_moves_to_our_cost": "",
    }
