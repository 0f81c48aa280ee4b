"""Beat: what happens at intervals. Several schedulers may run; the one that holds the lease sends."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Any

import structlog
from celery.beat import Scheduler, SchedulingError, Service
from sqlalchemy.exc import DBAPIError

from cloudmanager import leases
from cloudmanager.bell import celery_app
from cloudmanager.db import Database
from workers import upkeep

if TYPE_CHECKING:
    from cloudmanager.config import Config

log = structlog.get_logger(__name__)

_LEASE = "scheduler"
_LEASE_SECONDS = 10.0
_COLLECTION_SECONDS = 60.0
_PRUNE_SECONDS = 3600.0
_EXPIRES = 7200.0
"""Seconds for which what is sent waits for a worker: many, since its machine's clock may be wrong."""


def beat_service(config: Config) -> Service:
    """The scheduler process's main object; `start()` runs until `stop()`."""
    app = celery_app(config)
    interval = config.flows.sweep_interval
    every = {
        upkeep.SWEEP: interval,
        upkeep.MAINTENANCE: interval,
        upkeep.AUDITS: interval,
        upkeep.INTEGRITY: interval,
        upkeep.COLLECTION: _COLLECTION_SECONDS,
        upkeep.PRUNE: _PRUNE_SECONDS,
    }
    app.conf.beat_schedule = {name: _entry(name, seconds) for name, seconds in every.items()}
    LeadingScheduler.database = Database.from_config(config)
    return Service(app, max_interval=min(interval, _LEASE_SECONDS / 3), scheduler_cls=LeadingScheduler)


def _entry(task: str, seconds: float) -> dict[str, Any]:
    """Sent at this interval; what is much older need not be done any more."""
    options = {"queue": upkeep.QUEUE, "expires": max(seconds, _EXPIRES)}
    return {"task": task, "schedule": seconds, "options": options}


class LeadingScheduler(Scheduler):
    """Sends only while it holds the scheduler's lease in the database."""

    database: Database

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._holder = f"{socket.gethostname()}:{os.getpid()}"
        self._leading = False

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Send what is due, if this is the leader; answers the seconds until the next look."""
        leading = self._lead()
        if leading != self._leading:
            log.info("leading" if leading else "standing by", lease=_LEASE)
            self._leading = leading
        return float(super().tick(*args, **kwargs) if leading else self.max_interval or _LEASE_SECONDS / 3)

    def apply_entry(self, entry: Any, producer: Any = None) -> None:
        """Send one message; without a broker it is sent the next time."""
        try:
            self.apply_async(entry, producer=producer, advance=False)
        except SchedulingError as error:
            log.warning("broker away; not sent", task=entry.task, why=str(error))

    def close(self) -> None:
        """Let another lead at once."""
        if self._leading:
            leases.release(self.database, _LEASE, self._holder)
        super().close()

    def _lead(self) -> bool:
        try:
            now = self.database.now()
            return leases.hold(self.database, _LEASE, self._holder, now=now, seconds=_LEASE_SECONDS)
        except DBAPIError as error:
            log.warning("database away; not scheduling", error=type(error.orig).__name__)
            return False
