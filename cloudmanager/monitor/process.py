"""The process `cloudmanager monitor`: reads the inventory, polls, writes; any number share the devices."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import structlog
from sqlalchemy.exc import DBAPIError

from cloudmanager.db import Database
from cloudmanager.drivers import driver_for
from cloudmanager.errors import Misconfigured
from cloudmanager.monitor import roll
from cloudmanager.monitor.inventory_sync import InventorySync
from cloudmanager.monitor.keeper import Keeper
from cloudmanager.monitor.poller import Look, Pace, Poller
from cloudmanager.openstack.cloud import Cloud
from cloudmanager.power import settings_for
from cloudmanager.vault import Vault

if TYPE_CHECKING:
    from cloudmanager.config import Config
    from cloudmanager.drivers.base import Driver
    from cloudmanager.monitor.roll import Watched

log = structlog.get_logger(__name__)

_WRITE_EVERY = 0.5
"""Seconds between two batches of writes."""


class Companion(Protocol):
    """Something else that this process does all the time."""

    async def run(self) -> None:
        """Do it, until cancelled."""

    async def close(self) -> None:
        """Leave nothing open, and nothing to us that others could do."""


Beside = Callable[["Config", Database, str], Companion | None]
"""Makes a companion for the process of this name; None: not wished."""


def run(config: Config, *beside: Beside) -> None:
    """Watch until SIGTERM or ctrl-C, and do whatever else is given."""
    gc.freeze()  # what is imported stays: no collection need look at it again
    asyncio.run(_Monitor(config, beside).run())


class _Monitor:
    def __init__(self, config: Config, beside: Sequence[Beside] = ()) -> None:
        self._config = config
        self._beside = beside
        self._options = config.monitor
        self._database = Database.from_config(config)
        self._vault = Vault(Path(config.secrets.key_file))
        self._name = f"{socket.gethostname()}:{os.getpid()}"
        self._looks: list[Look] = []
        self._keeper = Keeper(self._database, misses=self._options.misses)

    async def run(self) -> None:
        """Start, run until a signal, log out of everything."""
        options = self._options
        pace = Pace(options.interval, options.longest_interval, options.misses, options.at_once)
        poller = Poller(pace, self._open, self._looks.append, self._database.now)
        stopped = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        cloud, sync = self._sync()
        always = (self._refresh(poller), poller.run(), self._write(), stopped.wait())
        companions = [
            made for make in self._beside if (made := make(self._config, self._database, self._name))
        ]
        others = [*([sync.run()] if sync else []), *(companion.run() for companion in companions)]
        work = [asyncio.create_task(each) for each in (*always, *others)]
        try:
            done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()  # raises what nobody foresaw: the process ends and is started again
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
            await poller.close()
            for companion in companions:
                await companion.close()
            if cloud:
                await cloud.close()
            if sync:
                await asyncio.to_thread(sync.let_go)
            await asyncio.to_thread(roll.check_out, self._database, self._name)
            self._database.close()

    def _sync(self) -> tuple[Cloud | None, InventorySync | None]:
        """The cloud and what brings its hypervisors into the inventory, if wished and if there is one."""
        every = self._options.sync_interval
        try:
            cloud = Cloud.from_config(self._config) if every else None
        except Misconfigured as error:  # which is no reason not to watch the power
            log.warning("inventory sync is off", why=error.message)
            return None, None
        if cloud is None:
            why = "[nova] names no cloud" if every else "[monitor] sync_interval is 0"
            log.debug("inventory sync is off", why=why)
            return None, None
        return cloud, InventorySync(self._database, cloud, self._name, every)

    async def _refresh(self, poller: Poller) -> None:
        """Follow what falls to us of what is there now."""
        every = self._options.refresh_interval
        while True:
            try:
                devices = await asyncio.to_thread(self._share, 3 * every)
            except DBAPIError as error:
                log.warning("inventory not read", why=type(error.orig).__name__)
            else:
                poller.follow(devices)
            await asyncio.sleep(every)

    def _share(self, seconds: float) -> list[Watched]:
        monitors = roll.check_in(self._database, self._name, self._database.now(), seconds)
        return roll.share(roll.watched(self._database), self._name, monitors)

    async def _write(self) -> None:
        """Keep what was seen; what could not be written is seen again at the next look."""
        while True:
            await asyncio.sleep(_WRITE_EVERY)
            batch, self._looks[:] = self._looks[:], []
            try:
                await asyncio.to_thread(self._keeper.keep, batch)
            except DBAPIError as error:
                log.warning("observations not written", looks=len(batch), why=type(error.orig).__name__)

    def _open(self, device: Watched) -> Driver:
        settings = settings_for(device, self._vault, self._config.power)
        return driver_for(device.control_type)(settings)
