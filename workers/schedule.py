"""Beat: what happens at intervals. Several schedulers may run; the one that holds the lease sends."""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING, Any

import structlog
from celery.beat import Scheduler, SchedulingError, Service
from sqlalchemy.exc import DBAPIError

from cloudmanager import leases
from cloudmanager.bell import celery_app
from cloudmanager.db import Database
from cloudmanager.flows.nodes import collection
from workers import tasks
from workers.app import UPKEEP_QUEUE

if TYPE_CHECKING:
    from cloudmanager.config import Config

log = structlog.get_logger(__name__)

_LEASE = "scheduler"
_LEASE_SECONDS = 10.0


def beat_service(config: Config) -> Service:
    """The scheduler process's main object; `start()` runs until `stop()`."""
    app = celery_app(config)
    interval = config.flows.sweep_interval
    app.conf.beat_schedule = {
        "sweep": _entry(tasks.SWEEP, interval, expires=interval),
        "maintenance": _entry(tasks.MAINTENANCE, interval, expires=interval),
        "audits": _entry(tasks.AUDITS, interval, expires=interval),
        "integrity": _entry(tasks.INTEGRITY, interval, expires=interval),
        "collection": _entry(tasks.COLLECTION, collection.EVERY, expires=collection.EVERY),
        "prune": _entry(tasks.PRUNE, 3600.0, expires=3600.0),
    }
    LeadingScheduler.database = Database.from_config(config)
    return Service(app, max_interval=min(interval, _LEASE_SECONDS / 3), scheduler_cls=LeadingScheduler)


def _entry(task: str, interval: float, *, expires: float) -> dict[str, Any]:
    return {"task": task, "schedule": interval, "options": {"queue": UPKEEP_QUEUE, "expires": expires}}


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
            return leases.hold(self.database, _LEASE, self._holder, now=time.time(), seconds=_LEASE_SECONDS)
        except DBAPIError as error:
            log.warning("database away; not scheduling", error=type(error.orig).__name__)
            return False
