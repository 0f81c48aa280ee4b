"""Live migration: it is accepted whatever comes; the scheduler, both hosts and the copy may still refuse.

A source copies few at a time, the others are queued. The copy takes time, shows how far it is, and can be
aborted or forced to its end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.simulators.openstack.compute.migrations import LIVE
from cloudmanager.simulators.openstack.compute.rows import Origin
from cloudmanager.simulators.openstack.compute.scheduler import NoValidHost
from cloudmanager.simulators.openstack.compute.states import check
from cloudmanager.simulators.openstack.problems import Invalid, NotThere

if TYPE_CHECKING:
    from cloudmanager.simulators.openstack.compute.compute import Compute
    from cloudmanager.simulators.openstack.compute.faults import Fault
    from cloudmanager.simulators.openstack.compute.rows import Host, Migration, Server

_SCHEDULING, _EVENT = "conductor_live_migrate_instance", "compute_live_migration"
_CHECKS = ("compute_check_can_live_migrate_destination", "compute_check_can_live_migrate_source")
_BEFORE, _AFTER = "compute_pre_live_migration", "compute_post_live_migration_at_destination"
_GIB = 1024


class LiveMigrations:
    """From the request to the end of the copy."""

    def __init__(self, compute: Compute) -> None:
        self._compute = compute
        self._tables = compute.tables
        self._migrations = compute.migrations
        compute.work.teach(
            live_schedule=self._schedule, live_prepare=self._prepare, live_end=self._end, live_post=self._post
        )

    def ask(self, server: Server, origin: Origin, host: str | None) -> None:
        """Accept a live migration."""
        check(server, "os-migrateLive")
        if host is not None and host not in self._tables.hosts:
            raise Invalid(f"Compute host {host} could not be found.")
        self._compute.actions.begin(server, "live-migration", origin)
        self._compute.set_task(server, "migrating")
        args = (server.id, host, origin.request_id, origin.user_id, origin.project_id)
        self._compute.work.send(self._compute.timings.rpc, None, "live_schedule", *args)

    def check_now(self, server: Server, host: str | None) -> None:
        """Before 2.34 what is wrong is said at once."""
        check(server, "os-migrateLive")
        try:
            self._find_place(server, host)
        except (NoValidHost, _Refused, NotThere) as problem:
            raise Invalid(str(problem)) from None

    def abort(self, server: Server, number: int, origin: Origin, *, queued: bool) -> None:
        """Stop a copy; with `queued` (2.65) also one that has not begun."""
        check(server, "abort live migration")
        row = self._migrations.one(number, server)
        if row.status not in (("queued", "preparing", "running") if queued else ("running",)):
            raise _wrong(row, server, "abort live migration")
        self._compute.actions.begin(server, "live_migration_cancel", origin)
        self._compute.actions.ended(
            server.id, origin.request_id, "compute_live_migration_abort", host=row.source
        )
        self._roll_back(row, "cancelled")

    def force(self, server: Server, number: int, origin: Origin) -> None:
        """Pause the guest so that the copy comes to its end."""
        check(server, "force_complete")
        row = self._migrations.one(number, server)
        if row.status != "running":
            raise _wrong(row, server, "force complete")
        self._compute.actions.begin(server, "live_migration_force_complete", origin)
        self._compute.actions.ended(
            server.id, origin.request_id, "compute_live_migration_force_complete", host=row.source
        )
        row.seconds = 0.0
        self._compute.work.go_on(self._compute.timings.rpc, row.source or "", "live_end", row.id)

    # --- the control plane ----------------------------------------------------------------------------------

    def _schedule(
        self, server_id: str, host: str | None, request_id: str, user_id: str, project_id: str
    ) -> None:
        server = self._tables.servers[server_id]
        if server.deleted or server.task_state != "migrating":
            return
        origin = Origin(request_id, user_id, project_id)
        row = self._migrations.begin(server, LIVE, "accepted", origin)
        self._compute.actions.started(server_id, request_id, _SCHEDULING, self._compute.controller)
        try:
            place = self._find_place(server, host)
        except (NoValidHost, _Refused, NotThere) as problem:
            self._compute.actions.ended(server_id, request_id, _SCHEDULING, str(problem))
            self._roll_back(row, "error")
            return
        self._compute.actions.ended(server_id, request_id, _SCHEDULING)
        self._migrations.claim(row, server, place)
        self._migrations.change(row, "queued")
        self._compute.work.send(self._compute.timings.rpc, row.source, "live_prepare", row.id)

    def _find_place(self, server: Server, wanted: str | None) -> str:
        source = self._tables.hosts[server.host or ""]
        if not self._compute.hosts.is_up(source):
            raise _Refused(f"Compute service of {source.name} is unavailable at this time.")
        tried = [source.name]
        while True:  # the conductor's own retries: migrate_max_retries is -1
            place = self._compute.scheduler.choose(server, wanted=wanted, without=tried)
            why = self._why_refused(server, source, place)
            if why is None:
                return place.name
            if wanted is not None:
                raise _Refused(why)
            tried.append(place.name)

    def _why_refused(self, server: Server, source: Host, place: Host) -> str | None:
        if place.cpu["vendor"] != source.cpu["vendor"] or place.cpu["model"] != source.cpu["model"]:
            return "Unacceptable CPU info: CPU doesn't have compatibility."
        if fault := self._compute.faults.strike("pre_check", place.name, server.id):
            return f"Migration pre-check error: {fault.message}"
        return None

    # --- the source's nova-compute --------------------------------------------------------------------------

    def _prepare(self, number: int) -> None:
        row = self._tables.migrations[number]
        if row.status != "queued":
            return
        copying = [
            other
            for other in self._migrations.open_from(row.source or "", LIVE)
            if other.status in ("preparing", "running")
        ]
        if len(copying) >= self._compute.timings.max_concurrent_live_migrations:
            return  # the end of another takes it up
        for event, host in ((_CHECKS[0], row.destination), (_CHECKS[1], row.source)):
            self._compute.actions.ended(row.server_id, row.request_id, event, host=host)
        self._compute.actions.started(row.server_id, row.request_id, _EVENT, row.source)
        self._migrations.change(row, "preparing")
        self._compute.work.go_on(self._compute.timings.rpc, row.source or "", "live_post", row.id)

    def _post(self, number: int) -> None:
        """The destination is ready: begin to copy."""
        row = self._tables.migrations[number]
        if row.status != "preparing":
            return
        fault = self._compute.faults.strike("live_migration", row.source, row.server_id)
        timings = self._compute.timings
        self._compute.actions.ended(row.server_id, row.request_id, _BEFORE, host=row.destination)
        row.started_at = self._compute.clock.now()
        seconds = timings.live_migration + timings.live_migration_per_gib * row.memory_bytes / (_GIB**3)
        row.seconds = None if fault and fault.stall else seconds
        self._migrations.change(row, "running")
        if fault is None:
            self._compute.work.go_on(seconds, row.source or "", "live_end", row.id)
        elif not fault.stall:
            self._fail_later(row, fault, seconds)

    def _fail_later(self, row: Migration, fault: Fault, seconds: float) -> None:
        how = (fault.status, fault.message)
        self._compute.work.go_on(seconds * fault.at, row.source or "", "live_end", row.id, *how)

    def _end(self, number: int, status: str = "completed", message: str = "") -> None:
        row = self._tables.migrations[number]
        if row.status != "running":
            return
        if status == "completed" and self._compute.hosts.reach(row.destination or "") is None:
            status, message = "failed", f"Live Migration failure: host {row.destination} does not answer"
        if status != "completed":
            self._compute.actions.ended(row.server_id, row.request_id, _EVENT, message)
            self._roll_back(row, status)
            return
        server = self._tables.servers[row.server_id]
        self._compute.hosts.hand_over(server.id, row.source or "", row.destination or "")
        self._compute.place(server, row.destination)
        self._compute.set_task(server, None)
        self._migrations.change(row, "completed")
        self._compute.actions.ended(server.id, row.request_id, _AFTER, host=row.destination)
        self._compute.actions.ended(server.id, row.request_id, _EVENT)
        self._take_up_next(row.source or "")

    # --- ends -----------------------------------------------------------------------------------------------

    def _roll_back(self, row: Migration, status: str) -> None:
        server = self._tables.servers[row.server_id]
        self._migrations.change(row, status)
        if not server.deleted and server.task_state == "migrating":
            self._compute.set_task(server, None)
        self._take_up_next(row.source or "")

    def interrupted(self, host: str) -> None:
        """A source's nova-compute starts anew: what it copied is over, the guest is where it was."""
        for row in self._migrations.open_from(host, LIVE):
            if row.status in ("queued", "preparing", "running"):
                self._roll_back(row, "error")

    def _take_up_next(self, host: str) -> None:
        waiting = [row for row in self._migrations.open_from(host, LIVE) if row.status == "queued"]
        if waiting:
            self._compute.work.send(0.0, host, "live_prepare", waiting[0].id)


class _Refused(Exception):
    """A live migration cannot begin."""


def _wrong(row: Migration, server: Server, method: str) -> Invalid:
    return Invalid(
        f"Migration {row.id} state of instance {server.id} is {row.status}. Cannot {method} while the "
        "migration is in this state."
    )
