"""Rounds of the monitor in a process of its own: poll a fleet, write what it said into the database.

`python -m bench.fleet_writes URL ROUNDS` reads the ports of the BMCs from its input, and prints JSON. The
parts are those of `cloudmanager monitor` (roll, poller, drivers, keeper); only the clock is ours, which makes
all devices due at once instead of spread over the interval.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import event, func, select, update

from bench.nodes import fill
from bench.report import median
from cloudmanager import logs, schema
from cloudmanager.config import load
from cloudmanager.db import Database
from cloudmanager.drivers import driver_for
from cloudmanager.models import Node, PowerControl
from cloudmanager.monitor import roll
from cloudmanager.monitor.keeper import Keeper
from cloudmanager.monitor.poller import Look, Pace, Poller
from cloudmanager.power import settings_for
from cloudmanager.vault import Vault, create_key_file
from tests.peers.ipmi_sim import HOST, LOGIN, PASSWORD

if TYPE_CHECKING:
    from cloudmanager.drivers.base import Driver
    from cloudmanager.monitor.roll import Watched

INTERVAL = 10.0


class Monitor:
    """One monitor whose time is `now`."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self.now = time.time()
        self._database, self._vault, self._config = database, vault, load()
        options = self._config.monitor
        pace = Pace(INTERVAL, INTERVAL, options.misses, options.at_once)
        self._devices = roll.watched(database)
        self._poller = Poller(pace, self._open, self._note, lambda: self.now)
        self._keeper = Keeper(database, misses=options.misses)
        self._looks: list[Look] = []
        self._all_read = asyncio.Event()
        self._statements = 0
        event.listen(database.engine, "before_cursor_execute", self._count)

    async def run(self, rounds: int) -> dict[str, float]:
        """A round that logs in, then the medians of the others."""
        self._poller.follow(self._devices)
        polling = asyncio.create_task(self._poller.run())
        cold, *warm = [await self._round() for _ in range(rounds + 1)]
        polling.cancel()
        await self._poller.close()
        self._check()
        figures = {name: median([each[name] for each in warm]) for name in cold}
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return {**figures, "cold_read_s": cold["read_s"], "peak_memory_mb": peak}

    async def _round(self) -> dict[str, float]:
        self.now += 2 * INTERVAL
        self._all_read.clear()
        self._statements = 0
        begun, used = time.perf_counter(), time.process_time()
        self._poller.follow(self._devices)  # wakes it
        await self._all_read.wait()
        read = time.perf_counter()
        read_used = time.process_time()
        batch, self._looks = self._looks, []
        await asyncio.to_thread(self._keeper.keep, batch)
        return {
            "read_s": read - begun,
            "write_s": time.perf_counter() - read,
            "cpu_of_reading_s": read_used - used,
            "cpu_of_writing_s": time.process_time() - read_used,
            "statements": self._statements,
        }

    def _note(self, look: Look) -> None:
        assert look.states, look.error
        self._looks.append(look)
        if len(self._looks) == len(self._devices):
            self._all_read.set()

    def _count(self, *_: Any) -> None:
        self._statements += 1

    def _open(self, device: Watched) -> Driver:
        return driver_for(device.control_type)(settings_for(device, self._vault, self._config.power))

    def _check(self) -> None:
        """The last round is in the inventory, for every node."""
        query = select(Node.power_state, Node.power_state_checked_at, func.count()).group_by(
            Node.power_state, Node.power_state_checked_at
        )
        with self._database.reading() as session:
            [(state, checked_at, count)] = session.execute(query).all()
        assert (state, count) == ("power_off", len(self._devices))
        assert checked_at == datetime.fromtimestamp(self.now, UTC).replace(tzinfo=None, microsecond=0)


def main(url: str, rounds: int) -> None:
    logs.set_up(load(None, {("log", "level"): "error"}), "bench")
    ports: list[int] = json.load(sys.stdin)
    with tempfile.TemporaryDirectory(prefix="bench.") as directory:
        key_file = Path(directory) / "secret.key"
        create_key_file(key_file)
        vault = Vault(key_file)
    database = Database(url)
    schema.upgrade(database)
    _register(database, vault, ports)
    print(json.dumps(asyncio.run(_measured(database, vault, rounds))))
    database.close()


async def _measured(database: Database, vault: Vault, rounds: int) -> dict[str, float]:
    return await Monitor(database, vault).run(rounds)


def _register(database: Database, vault: Vault, ports: list[int]) -> None:
    """A node and its power control for each port."""
    fill(database, len(ports))
    sealed = vault.seal(PASSWORD)
    reached = [
        {"id": number, "host": HOST, "port_number": port, "login": LOGIN, "sealed_password": sealed}
        for number, port in enumerate(ports, start=1)
    ]
    with database.transaction() as session:
        session.execute(update(PowerControl), reached)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
