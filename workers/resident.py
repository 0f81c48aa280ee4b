"""The resident engine of a worker process: one event loop in one thread, with the sessions it keeps open.

Celery's threads only hand ids over; what they rang for goes on in the loop when the message is long gone.
"""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import structlog

from cloudmanager.availability.heartbeats import Storages
from cloudmanager.bell import Bell
from cloudmanager.db import Database
from cloudmanager.domain_names import DomainHook
from cloudmanager.flows.base import Ports
from cloudmanager.flows.engine import Engine, EngineOptions
from cloudmanager.host_access import host_port
from cloudmanager.openstack.cloud import cloud_for
from cloudmanager.openstack.tenants import tenants_for
from cloudmanager.power import Power
from cloudmanager.prometheus import Prometheus
from cloudmanager.sign.keys import SigningKeys
from cloudmanager.system_clock import SystemClock
from cloudmanager.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from cloudmanager.config import Config
    from cloudmanager.openstack.port import CloudPort

T = TypeVar("T")

log = structlog.get_logger(__name__)

_CLOUD_SECONDS = 60.0
"""For how long a Celery task waits for the cloud."""


class Resident:
    """Owns the engine, its loop and its thread from `start` to `stop`."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.database = Database.from_config(config)
        self.bell = Bell(config)
        self.clock = SystemClock(self.database.now)
        self._vault = Vault(Path(config.secrets.key_file))
        self._host = host_port(self.database, self._vault, config)
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._live()), name="engine")
        self._loop: asyncio.AbstractEventLoop
        self._stopping: asyncio.Event
        self._engine: Engine
        self._cloud: CloudPort
        self._work: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Start the loop; returns when it takes work."""
        self._thread.start()
        self._ready.wait()

    def advance(self, ids: Sequence[str]) -> None:
        """Hand flows to the engine and return at once."""
        self._ready.wait()
        self._loop.call_soon_threadsafe(self._take, ids)

    def ask(self, question: Callable[[CloudPort], Coroutine[Any, Any, T]]) -> T:
        """What `question` finds out of the cloud; raises what the port raises, and TimeoutError."""
        self._ready.wait()
        return asyncio.run_coroutine_threadsafe(question(self._cloud), self._loop).result(_CLOUD_SECONDS)

    def stop(self) -> None:
        """Let running steps come to their end, give the rest back, log out of the devices."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join()
        self.database.close()

    def _take(self, ids: Sequence[str]) -> None:
        task = asyncio.create_task(self._engine.advance(ids))
        self._work.add(task)
        task.add_done_callback(self._taken)

    def _taken(self, task: asyncio.Task[None]) -> None:
        self._work.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("flows were dropped; they are taken up again by the sweep", exc_info=error)

    async def _live(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        power = Power(self.database, self._vault, self.config)
        cloud = self._cloud = cloud_for(self.config)
        tenants = tenants_for(self.config)
        alerts = Prometheus(self.config.prometheus)
        ports = Ports(
            power=power,
            cloud=cloud,
            host=self._host,
            alerts=alerts,
            clock=self.clock,
            config=self.config,
            signing=SigningKeys(self._vault),
            storages=Storages(timeout=self.config.extra_availability_check.timeout, clock=self.database.now),
            tenants=tenants,
            names=DomainHook(self.config.portal),
            vault=self._vault,
        )
        options = EngineOptions.from_config(self.config)
        self._engine = Engine(self.database, ports, options, self.bell.ring)
        self._ready.set()
        await self._stopping.wait()
        self._engine.stop()
        await asyncio.gather(*self._work, return_exceptions=True)
        await ports.desk.close()
        await power.close()
        await cloud.close()
        await tenants.close()
        await self._host.close()
