"""Cold migration and resize: the server is stopped, carried over, started, and then waits to be confirmed.

The conductor's message, then four states; a failure in the last leaves an ERROR whose host is the destination
already, while the guest lies on the source.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.simulators.openstack.compute.migrations import COLD, RESIZE
from cloudmanager.simulators.openstack.compute.rows import RUNNING, SHUTDOWN, Flavor, Origin
from cloudmanager.simulators.openstack.compute.scheduler import NoValidHost, claim_of
from cloudmanager.simulators.openstack.compute.states import check
from cloudmanager.simulators.openstack.problems import Conflict, Invalid

if TYPE_CHECKING:
    from cloudmanager.simulators.openstack.compute.compute import Compute
    from cloudmanager.simulators.openstack.compute.rows import Migration, Server

_SCHEDULING, _EVENT = "cold_migrate", "compute_finish_resize"


class ColdMigrations:
    """From the request to the confirmation."""

    def __init__(self, compute: Compute) -> None:
        self._compute = compute
        self._tables = compute.tables
        self._migrations = compute.migrations
        compute.work.teach(
            cold_schedule=self._schedule,
            cold_state=self._state,
            cold_carry=self._carry,
            cold_finish=self._finish,
            cold_confirm=self._confirmed,
            cold_revert=self._reverted,
        )

    def migrate(self, server: Server, origin: Origin, host: str | None) -> None:
        """Accept a cold migration; refused at once when the source is down, unlike a live one."""
        check(server, "migrate")
        if host is not None and host not in self._tables.hosts:
            raise Invalid(f"Compute host {host} could not be found.")
        if host is not None and host == server.host:
            raise Invalid("Cannot migrate to the host where the server exists.")
        self._must_be_up(server)
        self._begin(server, origin, COLD, host, None)

    def resize(self, server: Server, origin: Origin, flavor: Flavor) -> None:
        """Accept a resize."""
        check(server, "resize")
        if flavor.id == server.flavor.id:
            raise Invalid("When resizing, instances must change flavor!")
        self._must_be_up(server)
        self._begin(server, origin, RESIZE, None, flavor.id)

    def confirm(self, server: Server, origin: Origin) -> None:
        """Be content: what is left on the source goes."""
        row = self._finished(server, "confirmResize")
        self._compute.actions.begin(server, "confirmResize", origin)
        self._migrations.change(row, "confirming")
        self._compute.work.send(self._compute.timings.cold_step, row.source, "cold_confirm", row.id)

    def revert(self, server: Server, origin: Origin) -> None:
        """Take it back."""
        row = self._finished(server, "revertResize")
        self._compute.actions.begin(server, "revertResize", origin)
        self._compute.set_task(server, "resize_reverting")
        self._migrations.change(row, "reverting")
        self._compute.work.send(self._compute.timings.cold_step, row.destination, "cold_revert", row.id)

    def _begin(
        self, server: Server, origin: Origin, kind: str, host: str | None, flavor_id: str | None
    ) -> None:
        self._compute.actions.begin(server, "migrate" if kind == COLD else "resize", origin)
        self._compute.set_task(server, "resize_prep")
        who = (origin.request_id, origin.user_id, origin.project_id)
        rpc = self._compute.timings.rpc
        self._compute.work.send(rpc, None, "cold_schedule", server.id, kind, host, flavor_id, *who)

    def _must_be_up(self, server: Server) -> None:
        if not self._compute.hosts.is_up(self._tables.host(server.host or "")):
            raise Conflict("Service is unavailable at this time.")

    def _finished(self, server: Server, asked: str) -> Migration:
        check(server, asked)
        rows = [row for row in self._tables.migrations_of(server.id) if row.status == "finished"]
        if not rows:
            raise Invalid(f"Instance {server.id} has not been resized.")
        return rows[-1]

    # --- on the way -----------------------------------------------------------------------------------------

    def _schedule(
        self, server_id: str, kind: str, host: str | None, flavor_id: str | None, *who: str
    ) -> None:
        server = self._tables.servers[server_id]
        if server.deleted or server.task_state != "resize_prep":
            return
        flavor = self._tables.flavors[flavor_id] if flavor_id else server.flavor
        origin = Origin(*who)
        for event in ("conductor_migrate_server", _SCHEDULING):
            self._compute.actions.started(server.id, origin.request_id, event, self._compute.controller)
        source = server.host or ""
        without = () if kind == RESIZE else (source,)
        try:
            place = self._compute.scheduler.choose(server, wanted=host, without=without, flavor=flavor)
        except NoValidHost as problem:
            for event in (_SCHEDULING, "conductor_migrate_server"):
                self._compute.actions.ended(server.id, origin.request_id, event, str(problem))
            row = self._migrations.begin(server, kind, "error", origin, destination=host)
            self._migrations.change(row, "error")
            self._compute.set_task(server, None)
            return
        for event in (_SCHEDULING, "conductor_migrate_server"):
            self._compute.actions.ended(server.id, origin.request_id, event)
        self._compute.actions.ended(server.id, origin.request_id, "compute_prep_resize", host=place.name)
        row = self._migrations.begin(server, kind, "pre-migrating", origin)
        self._migrations.claim(row, server, place.name, flavor)
        server.before = {"vm_state": server.vm_state, "flavor": server.flavor.id}
        self._compute.work.send(self._compute.timings.cold_step, source, "cold_state", row.id, flavor.id)

    def _state(self, number: int, flavor_id: str) -> None:
        """The source stops the guest."""
        row, server = self._row(number)
        if server.deleted:
            return
        source = row.source or ""
        self._migrations.change(row, "migrating")
        self._compute.set_task(server, "resize_migrating")
        self._compute.hosts.put_guest(source, server.id, SHUTDOWN)
        server.power_state = SHUTDOWN
        self._compute.work.go_on(self._compute.timings.cold_step, source, "cold_carry", number, flavor_id)

    def _carry(self, number: int, flavor_id: str) -> None:
        """The disk is over; from now on the record says the destination."""
        row, server = self._row(number)
        if server.deleted:
            return
        self._migrations.change(row, "post-migrating")
        row.claimed = claim_of(server)  # from now on it is the source's room that is held besides
        self._compute.place(server, row.destination)
        self._compute.set_task(server, "resize_migrated")
        self._compute.actions.ended(server.id, row.request_id, "compute_resize_instance", host=row.source)
        self._compute.work.send(
            self._compute.timings.cold_step, row.destination, "cold_finish", number, flavor_id
        )

    def _finish(self, number: int, flavor_id: str) -> None:
        row, server = self._row(number)
        if server.deleted:
            return
        host = row.destination or ""
        if server.task_state == "resize_migrated":
            self._compute.set_task(server, "resize_finish")
            self._compute.work.go_on(self._compute.timings.cold_step, host, "cold_finish", number, flavor_id)
            return
        if fault := self._compute.faults.strike("cold_migration", host, server.id):
            self._compute.actions.ended(server.id, row.request_id, _EVENT, fault.message, host)
            row.claimed = {}
            self._migrations.change(row, "error")
            self._compute.fail(server, fault.message)
            return
        if flavor_id in self._tables.flavors and row.type == RESIZE:
            server.flavor = self._tables.flavors[flavor_id]
        was_stopped = server.before.get("vm_state") == "stopped"
        self._power_up(host, server, was_stopped=was_stopped)
        server.vm_state = "resized"
        self._compute.set_task(server, None)
        self._migrations.change(row, "finished")
        self._compute.actions.ended(server.id, row.request_id, _EVENT, host=host)

    def _confirmed(self, number: int) -> None:
        row, server = self._row(number)
        row.claimed = {}
        self._migrations.change(row, "confirmed")
        if server.deleted:
            return
        if row.source != row.destination:
            self._compute.hosts.drop_guest(row.source, server.id)
        self._settle(server)

    def _reverted(self, number: int) -> None:
        row, server = self._row(number)
        row.claimed = {}
        self._migrations.change(row, "reverted")
        if server.deleted:
            return
        if row.source != row.destination:
            self._compute.hosts.drop_guest(row.destination, server.id)
        server.flavor = self._tables.flavors.get(server.before.get("flavor", ""), server.flavor)
        self._compute.place(server, row.source)
        self._power_up(row.source or "", server, was_stopped=server.before.get("vm_state") == "stopped")
        self._settle(server)

    def _power_up(self, host: str, server: Server, *, was_stopped: bool) -> None:
        server.power_state = SHUTDOWN if was_stopped else RUNNING
        self._compute.hosts.put_guest(host, server.id, server.power_state)

    def _settle(self, server: Server) -> None:
        server.vm_state = server.before.pop("vm_state", "active")
        server.before.pop("flavor", None)
        self._compute.set_task(server, None)

    def _row(self, number: int) -> tuple[Migration, Server]:
        row = self._tables.migrations[number]
        return row, self._tables.servers[row.server_id]
