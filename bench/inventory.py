"""Reading the inventory: beside the floor of each database, and beside OpenStack Ironic over HTTP."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import ironic
from bench.nodes import fill
from bench.peer_environment import Missing
from bench.report import Report, median
from cloudmanager import schema
from cloudmanager.db import Database
from tests.e2e.product import Product
from tests.peers.postgresql import PostgreSql

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx

NODES, QUICK_NODES = 10_000, 1000
PAGE = 100


def reads(report: Report, *, quick: bool) -> None:
    """Each read in a fresh process, on SQLite and on PostgreSQL."""
    count = QUICK_NODES if quick else NODES
    with tempfile.TemporaryDirectory(prefix="bench.") as directory, PostgreSql() as server:
        for backend, url in (
            ("SQLite", f"sqlite:///{directory}/fleet.db"),
            ("PostgreSQL", server.create("fleet")),
        ):
            _make(url, count)
            for what, path, rounds in _requests(count, quick=quick):
                figures = _read(url, path, rounds)
                report.add(
                    what=f"{backend}: {what}",
                    nodes=count,
                    median_ms=figures["ms"],
                    floor_ms=figures["floor_ms"],
                    times_floor=figures["ms"] / figures["floor_ms"],
                    queries=figures["queries"],
                    kilobytes=figures["bytes"] / 1000,
                    peak_memory_mb=figures["peak_mb"],
                )


def beside_ironic(report: Report, *, quick: bool) -> None:
    """The same reads over HTTP on loopback: our gunicorn and Ironic's own server, each with one process."""
    count = QUICK_NODES if quick else NODES
    rounds = 1 if quick else 2
    ours = {name: (path, 20) for name, path, _ in _requests(count, quick=quick)}
    theirs = {
        "list all": (f"/v1/nodes/detail?limit={count}", rounds),
        "page in the middle": (f"/v1/nodes/detail?limit={PAGE}&marker={ironic.uuid(count // 2)}", 5 * rounds),
        "one node": (f"/v1/nodes/{ironic.uuid(count // 2)}", 10 * rounds),
    }
    with _our_api(count) as get:
        mine = {what: _over_http(get, *ours[what]) for what in theirs}
    try:
        with (
            tempfile.TemporaryDirectory(prefix="bench.") as directory,
            ironic.ironic(Path(directory), count) as client,
        ):
            other: dict[str, Any] = {what: _over_http(client.get, *theirs[what]) for what in theirs}
    except Missing as error:
        other = dict.fromkeys(theirs, str(error))
    for what, milliseconds in mine.items():
        known = isinstance(other[what], float)
        report.add(
            what=what,
            nodes=count,
            cloudmanager_ms=milliseconds,
            ironic_ms=other[what],
            times_faster=other[what] / milliseconds if known else "",
        )


def _requests(count: int, *, quick: bool) -> list[tuple[str, str, int]]:
    """(what, path, how often)."""
    few, many = (3, 10) if quick else (9, 60)
    return [
        ("list all", "/v1/nodes/", few),
        ("page in the middle", f"/v1/nodes/?offset={count // 2}&limit={PAGE}", many),
        ("filtered list", "/v1/nodes/?rack_number=7&unit_number=lt:20", many),
        ("count", "/v1/nodes/count", many),
        ("one node", f"/v1/nodes/{count // 2}", many),
    ]


def _make(url: str, count: int) -> None:
    database = Database(url)
    schema.upgrade(database)
    fill(database, count)
    if database.dialect == "postgresql":
        with database.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")
    database.close()


def _read(url: str, path: str, rounds: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.reads", url, path, str(rounds)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


@contextmanager
def _our_api(count: int) -> Iterator[Callable[[str], httpx.Response]]:
    with tempfile.TemporaryDirectory(prefix="bench.") as directory:
        product = Product(Path(directory) / "state", config={"log": {"level": "warning"}})
        with product:
            database = Database(f"sqlite:///{product.directory.database_file}")
            fill(database, count)
            database.close()
            yield product.get


def _over_http(get: Callable[[str], httpx.Response], path: str, rounds: int) -> float:
    """The median of some rounds, in milliseconds, after one that does not count."""
    taken = []
    for _ in range(rounds + 1):
        begun = time.perf_counter()
        answer = get(path)
        taken.append(1000 * (time.perf_counter() - begun))
        assert answer.status_code == 200, answer.text[:500]
    return median(taken[1:])
