"""The loop of host tracking, within `cloudmanager monitor`. Any number run; one decides for an aggregate."""

from __future__ import annotations

import asyncio
import hashlib
import time
from typing import TYPE_CHECKING

import structlog
from prometheus_client import Counter, Gauge, Histogram
from sqlalchemy import insert, select
from sqlalchemy.exc import DBAPIError

from cloudmanager import leases
from cloudmanager.availability.heartbeats import Storages
from cloudmanager.errors import CloudManagerError
from cloudmanager.models import Event, Lease
from cloudmanager.monitor.keeper import EVENTS
from cloudmanager.tracking.decision import State
from cloudmanager.tracking.ledger import Decider, Ledger
from cloudmanager.tracking.look import Lookout
from cloudmanager.tracking.options import only_observes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cloudmanager.config import Config
    from cloudmanager.db import Database
    from cloudmanager.openstack.port import CloudPort
    from cloudmanager.tracking.look import Seen

log = structlog.get_logger(__name__)

CYCLES = Counter("cloudmanager_tracker_cycles_total", "Looks at all hosts.", ["outcome"])
SECONDS = Histogram("cloudmanager_tracker_cycle_seconds", "Time that a look at all hosts took.")
HOSTS = Gauge(
    "cloudmanager_tracker_hosts",
    "Hosts that this monitor decides on, by how they stand.",
    ["state"],
    multiprocess_mode="livesum",
)

BLIND, SIGHTED = "tracker.blind", "tracker.sighted"

_PRESENT = "tracker "
_LEASE = "tracker aggregate "
_LEASE_LOOPS = 1.5
"""Loops for which a lease lasts: who takes over has it within two."""


class Tracker:
    """Looks every `loop_time` seconds, and decides on those hosts whose aggregates fall to it."""

    def __init__(
        self,
        config: Config,
        database: Database,
        cloud: CloudPort,
        ring: Callable[[Sequence[str], str], None],
        name: str,
        *,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._loop_time: float = config.node_tracker.loop_time
        self._database = database
        self._name = name
        self._clock = clock = clock or database.now
        storages = Storages(timeout=config.extra_availability_check.timeout, clock=clock)
        self._lookout = Lookout(config, database, cloud, storages, clock)
        self._ledger = Ledger(
            database,
            ring,
            check_delay=config.extra_availability_check.delay,
            observe=only_observes(config),
            use_spares=config.node_tracker.use_spares,
        )
        self._blind = False

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            began = time.monotonic()
            try:
                await self.cycle()
            except DBAPIError as error:
                CYCLES.labels(outcome="error").inc()
                log.warning("hosts not tracked", why=type(error.orig).__name__)
            took = time.monotonic() - began
            SECONDS.observe(took)
            await asyncio.sleep(max(0.0, self._loop_time - took))

    async def cycle(self) -> list[str]:
        """One look, and what follows from it; answers the tasks that it started."""
        try:
            seen = await self._lookout.look(counts=True)
        except CloudManagerError as error:
            await asyncio.to_thread(self._tell_blind, error.message)
            CYCLES.labels(outcome="blind").inc()
            return []
        begun = await asyncio.to_thread(self._decide, seen)
        CYCLES.labels(outcome="ok").inc()
        return begun

    async def leave(self) -> None:
        """Let the others decide at once."""
        await asyncio.to_thread(self._leave)

    # --- whose hosts are whose ------------------------------------------------------------------------------

    def _decide(self, seen: Seen) -> list[str]:
        if self._blind:
            self._blind = False
            self._tell(SIGHTED, "the cloud can be seen again")
        decider = Decider(self._name, self._mine(seen))
        self._ledger.keep(seen, decider.leases)
        for state in State:
            count = sum(seen.verdicts[name].state is state for name in decider.leases)
            HOSTS.labels(state=state.value).set(count)
        return self._ledger.act(seen, decider)

    def _mine(self, seen: Seen) -> dict[str, str]:
        """{host: the lease by which we decide on it}. A host is of its first aggregate, or of none: 0."""
        group_of = {name: min(host.aggregates, default=0) for name, host in seen.snapshot.hosts.items()}
        deciders = self._present()
        held = {
            group: name
            for group in sorted(set(group_of.values()))
            if (name := f"{_LEASE}{group}") and self._falls_to_us(name, deciders) and self._hold(name)
        }
        return {name: held[group] for name, group in group_of.items() if group in held}

    def _present(self) -> list[str]:
        """All trackers that are alive, ourselves included."""
        now = self._clock()
        self._hold(_PRESENT + self._name)
        query = select(Lease.holder).where(Lease.name.startswith(f"{_PRESENT}"), Lease.until > now)
        query = query.where(Lease.name == _PRESENT + Lease.holder)
        with self._database.reading() as session:
            return sorted({*session.scalars(query), self._name})

    def _falls_to_us(self, lease: str, deciders: Sequence[str]) -> bool:
        """When a tracker comes or goes, few aggregates change hands."""
        weights = {hashlib.blake2b(f"{each}/{lease}".encode()).digest(): each for each in deciders}
        return weights[max(weights)] == self._name

    def _hold(self, lease: str) -> bool:
        seconds = _LEASE_LOOPS * self._loop_time
        return leases.hold(self._database, lease, self._name, now=self._clock(), seconds=seconds)

    def _leave(self) -> None:
        query = select(Lease.name).where(Lease.holder == self._name, Lease.name.startswith("tracker "))
        with self._database.reading() as session:
            names = session.scalars(query).all()
        for name in names:
            leases.release(self._database, name, self._name)

    # --- what cannot be seen --------------------------------------------------------------------------------

    def _tell_blind(self, why: str) -> None:
        if not self._blind:
            self._blind = True
            self._tell(BLIND, f"nobody is touched, since the cloud cannot be seen: {why}")

    def _tell(self, kind: str, message: str) -> None:
        with self._database.transaction() as session:
            session.execute(insert(Event), [{"kind": kind, "subject": "cloud", "message": message}])
        EVENTS.labels(kind=kind).inc()
