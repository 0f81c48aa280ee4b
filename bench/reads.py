"""One read of the API in a process of its own: `python -m bench.reads URL PATH ROUNDS` prints JSON.

The floor is what nobody can be faster than with these tables: the statements of the same request by the
database's driver alone, all rows fetched and dumped by orjson as they come, without a name or an object.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import event

from bench.report import median
from cloudmanager import logs
from cloudmanager.api.services import Services
from cloudmanager.app import create_app
from cloudmanager.config import load
from cloudmanager.db import Database
from cloudmanager.tokens import create_token
from cloudmanager.vault import Vault, create_key_file

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask

WARM_UP = "/v1/nodes/1"


def main(url: str, path: str, rounds: int) -> None:
    database = Database(url)
    with database.transaction() as session:
        token = create_token(session, f"bench {time.time_ns()}", "admin")
    app = _application(database)
    statements = _recorded(database)

    def ask() -> int:
        return _ask(app, path, token)

    _ask(app, WARM_UP, token)
    before = _peak_memory()
    statements.clear()
    size = ask()
    peak = _peak_memory() - before
    asked = [each for each in statements if each[0].startswith("SELECT")]
    of_inventory = [each for each in asked if "api_tokens" not in each[0]]
    ours, floor = _medians(rounds, ask, lambda: _floor(database, of_inventory))
    figures = {
        "ms": ours,
        "queries": len(asked),
        "bytes": size,
        "peak_mb": peak / 1024,
        "floor_ms": floor,
    }
    print(json.dumps(figures))


def _application(database: Database) -> Flask:
    with tempfile.TemporaryDirectory() as directory:
        key_file = Path(directory) / "secret.key"
        create_key_file(key_file)
        config: Any = load(None, {("log", "level"): "error"})
        logs.set_up(config, "bench")
        nothing: Any = None
        return create_app(
            Services(
                config,
                database,
                Vault(key_file),
                bell=nothing,
                power=nothing,
                cloud=nothing,
                nova_database=nothing,
            )
        )


def _recorded(database: Database) -> list[tuple[str, Any]]:
    seen: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        seen.append((statement.strip(), parameters))

    event.listen(database.engine, "before_cursor_execute", note)
    return seen


def _ask(app: Flask, path: str, token: str) -> int:
    """Send a request and read its answer piece by piece, as a socket would; the number of bytes."""
    response = app.test_client().get(path, headers={"X-Auth-Token": token}, buffered=False)
    assert response.status_code == 200, response.text
    size = sum(len(piece) for piece in response.iter_encoded())
    response.close()
    return size


def _floor(database: Database, statements: list[tuple[str, Any]]) -> None:
    connection = database.engine.raw_connection()
    try:
        for statement, parameters in statements:
            cursor = connection.cursor()
            cursor.execute(statement, parameters)
            orjson.dumps(cursor.fetchall())
            cursor.close()
    finally:
        connection.close()


def _medians(rounds: int, *actions: Callable[[], object]) -> list[float]:
    """Milliseconds of each; they take turns, so that what else the machine does hits all of them."""
    taken: list[list[float]] = [[] for _ in actions]
    for _ in range(rounds):
        for action, times in zip(actions, taken, strict=True):
            begun = time.perf_counter()
            action()
            times.append(1000 * (time.perf_counter() - begun))
    return [median(times) for times in taken]


def _peak_memory() -> int:
    """The most memory that this process has had, in KiB."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
