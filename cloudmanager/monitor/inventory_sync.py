"""The monitor's part in keeping Nova's hypervisors in the inventory: one monitor an interval, by lease."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING

import structlog
from prometheus_client import Counter
from sqlalchemy.exc import DBAPIError

from cloudmanager import leases
from cloudmanager.errors import CloudError
from cloudmanager.hypervisors.difference import Kind
from cloudmanager.hypervisors.sync import bring_in_line, look
from cloudmanager.monitor.keeper import EVENTS

if TYPE_CHECKING:
    from cloudmanager.db import Database
    from cloudmanager.openstack.port import CloudPort

log = structlog.get_logger(__name__)

SYNCS = Counter(
    "cloudmanager_inventory_syncs_total", "Comparisons of the inventory with Nova's hypervisors.", ["outcome"]
)

LEASE = "inventory sync"
LOOK_EVERY = 5.0
"""Seconds between two tries to be the monitor whose turn it is."""

AGAIN_AFTER = 30.0
"""Seconds until the next try when the cloud or the database did not answer."""


class InventorySync:
    """Syncs once in `interval` seconds, whichever monitor comes first; the first time at once.

    The lease is not for doing the work, it is the interval: each round takes it under a name of its own.
    """

    def __init__(self, database: Database, cloud: CloudPort, name: str, interval: float) -> None:
        self._database = database
        self._cloud = cloud
        self._name = name
        self._interval = interval
        self._holder = ""

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            pause = await self.round()
            await asyncio.sleep(pause)

    async def round(self) -> float:
        """Sync if it is due; answers after how many seconds to ask again."""
        try:
            if not await asyncio.to_thread(self._take_turn):
                return min(self._interval, LOOK_EVERY)
            await self._sync()
        except (CloudError, DBAPIError) as error:
            SYNCS.labels(outcome=type(error).__name__).inc()
            why = error.message if isinstance(error, CloudError) else type(error.orig).__name__
            log.warning("inventory not synced", why=why)
            await asyncio.to_thread(self.let_go)
            return min(self._interval, AGAIN_AFTER)
        return min(self._interval, LOOK_EVERY)

    def let_go(self) -> None:
        """Let the next monitor sync at once."""
        try:
            leases.release(self._database, LEASE, self._holder)
        except DBAPIError as error:
            log.warning("lease not released", lease=LEASE, why=type(error.orig).__name__)

    def _take_turn(self) -> bool:
        holder = f"{self._name} {uuid.uuid4()}"
        if not leases.hold(self._database, LEASE, holder, now=self._database.now(), seconds=self._interval):
            return False
        self._holder = holder
        return True

    async def _sync(self) -> None:
        found, events = await asyncio.to_thread(bring_in_line, self._database, await look(self._cloud))
        SYNCS.labels(outcome="changed" if found.changes else "unchanged").inc()
        for kind in events:
            EVENTS.labels(kind=kind).inc()
        if found.changes:
            counts = {each.value: found.count(each) for each in Kind}
            log.info("inventory synced", unclear=len(found.unclear), **counts)
