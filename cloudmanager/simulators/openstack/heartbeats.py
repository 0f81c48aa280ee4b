"""Agents of simulated nodes, which show in a shared directory that their node lives and what runs there."""

from __future__ import annotations

import asyncio
import contextlib
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cloudmanager.simulators.openstack.compute.rows import PAUSED, RUNNING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cloudmanager.simulators.openstack.compute import Compute
    from cloudmanager.simulators.world import World

_STATES = {RUNNING: "running", PAUSED: "paused"}


class Heartbeats:
    """One agent on each compute node that has power, but for those in `cut`: they have lost the storage.

    `ahead` is by how many seconds the clock of a node is wrong. `now` is the time of day, since the epoch.
    """

    def __init__(
        self,
        world: World,
        compute: Compute,
        directory: Path,
        now: Callable[[], float],
        *,
        interval: float = 10.0,
    ) -> None:
        self.cut: set[str] = set()
        self.ahead: dict[str, float] = {}
        self._world = world
        self._compute = compute
        self._directory = directory
        self._now = now
        self._interval = interval
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Write from now on."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Write no more; what was written stays."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    def beat(self) -> None:
        """What all agents do once."""
        for host in self._compute.tables.hosts.values():
            if self._world.is_on(host.name) and host.name not in self.cut:
                self._write(host.name, host.guests)

    async def _run(self) -> None:
        while True:
            self.beat()
            await asyncio.sleep(self._interval)

    def _write(self, host: str, guests: dict[str, int]) -> None:
        moment = datetime.fromtimestamp(self._now() + self.ahead.get(host, 0.0), UTC)
        document: dict[str, Any] = {
            "host": host,
            "written_at": moment.isoformat(),
            "boot_id": self._world.node(host).boot_id,
            "instances": [
                {"uuid": key, "state": _STATES.get(power, "shutoff")} for key, power in guests.items()
            ],
        }
        new = self._directory / f".{host}.json.new"
        new.write_text(json.dumps(document))
        new.replace(self._directory / f"{host}.json")
