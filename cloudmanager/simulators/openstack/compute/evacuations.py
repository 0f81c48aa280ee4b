"""Evacuation: a server of a host that Nova holds for dead is started elsewhere, from its disk.

Nova does not look whether the host is dead. If it is not, the guest runs twice: see `split_brains`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.simulators.openstack.compute.migrations import EVACUATION
from cloudmanager.simulators.openstack.compute.rows import RUNNING, SHUTDOWN
from cloudmanager.simulators.openstack.compute.scheduler import NoValidHost
from cloudmanager.simulators.openstack.compute.states import check
from cloudmanager.simulators.openstack.problems import Invalid, NotThere

if TYPE_CHECKING:
    from cloudmanager.simulators.openstack.compute.compute import Compute
    from cloudmanager.simulators.openstack.compute.rows import Host, Migration, Origin, Server

_SCHEDULING, _EVENT = "conductor_rebuild_instance", "compute_rebuild_instance"
_TOMBSTONES = ("accepted", "pre-migrating", "done")
"""Records for which a source that returns drops its guest."""


class Evacuations:
    """From the request to the source's return."""

    def __init__(self, compute: Compute) -> None:
        self._compute = compute
        self._tables = compute.tables
        self._migrations = compute.migrations
        compute.work.teach(
            evacuate_schedule=self._schedule,
            evacuate_take=self._take,
            evacuate_task=self._task,
            evacuate_spawn=self._spawn,
            evacuate_arrive=self._arrive,
        )

    def ask(self, server: Server, origin: Origin, host: str | None, *, stopped: bool) -> None:
        """Accept an evacuation; with `stopped` (2.95) the guest is not left running."""
        if host is not None and host not in self._tables.hosts:
            raise NotThere(f"Compute host {host} not found.")
        if host is not None and host == server.host:
            raise Invalid("The target host can't be the same one.")
        check(server, "evacuate")
        if server.host is None or self._compute.hosts.is_up(self._tables.host(server.host)):
            raise Invalid(f"Compute service of {server.host} is still in use.")
        self._compute.set_task(server, "rebuilding")
        self._compute.actions.begin(server, "evacuate", origin)
        row = self._migrations.begin(server, EVACUATION, "accepted", origin, destination=host)
        self._compute.work.send(self._compute.timings.rpc, None, "evacuate_schedule", row.id, host, stopped)

    def left_behind(self, host: str) -> list[Migration]:
        """The evacuations from a host that it has not tidied up after."""
        return [row for row in self._migrations.open_from(host, EVACUATION) if row.status == "done"]

    def tidy(self, host: Host) -> None:
        """A source is back: it drops the guests that are elsewhere now, and those that are on their way."""
        for row in self._migrations.open_from(host.name, EVACUATION):
            if row.status in _TOMBSTONES:
                self._compute.hosts.drop_guest(host.name, row.server_id)
                row.claimed = {}
                self._migrations.change(row, "completed")

    # --- the control plane ----------------------------------------------------------------------------------

    def _schedule(self, number: int, wanted: str | None, stopped: bool) -> None:
        row = self._tables.migrations[number]
        server = self._tables.servers[row.server_id]
        self._compute.actions.started(server.id, row.request_id, _SCHEDULING, self._compute.controller)
        try:
            place = self._compute.scheduler.choose(server, wanted=wanted, without=(row.source or "",))
        except NoValidHost as problem:
            self._compute.actions.ended(server.id, row.request_id, _SCHEDULING, str(problem))
            self._fail(row, "error", str(problem))
            return
        self._compute.actions.ended(server.id, row.request_id, _SCHEDULING)
        self._migrations.claim(row, server, place.name)
        rpc = self._compute.timings.rpc
        self._compute.work.send(rpc, place.name, "evacuate_take", number, stopped)

    # --- the destination's nova-compute ---------------------------------------------------------------------

    def _take(self, number: int, stopped: bool) -> None:
        row = self._tables.migrations[number]
        server = self._tables.servers[row.server_id]
        if server.deleted:
            return
        host = row.destination or ""
        self._compute.actions.started(server.id, row.request_id, _EVENT, host)
        self._migrations.change(row, "pre-migrating")
        step = self._compute.timings.rebuild_step
        go_on = self._compute.work.go_on
        go_on(step, host, "evacuate_task", number, "rebuild_block_device_mapping")
        go_on(2 * step, host, "evacuate_task", number, "rebuild_spawning")
        go_on(3 * step, host, "evacuate_spawn", number, stopped)

    def _task(self, number: int, task: str) -> None:
        server = self._tables.servers[self._tables.migrations[number].server_id]
        if (server.task_state or "").startswith("rebuild"):
            self._compute.set_task(server, task)

    def _spawn(self, number: int, stopped: bool) -> None:
        """The guest starts on the destination; the record goes on saying the source for a moment."""
        row = self._tables.migrations[number]
        server = self._tables.servers[row.server_id]
        if server.deleted:
            self._migrations.change(row, "failed")
            return
        faults = self._compute.faults
        fault = faults.strike("evacuate", row.destination, server.id) or faults.strike(
            "spawn", row.destination, server.id
        )
        if fault:
            self._compute.actions.ended(server.id, row.request_id, _EVENT, fault.message)
            self._fail(row, "failed", fault.message)
            return
        was_stopped = server.vm_state == "stopped"
        host = row.destination or ""
        self._compute.hosts.put_guest(host, server.id, RUNNING)
        server.vm_state, server.fault = "active", None
        self._compute.set_task(server, None)
        after = self._compute.timings.evacuation_gap
        if stopped or was_stopped:
            self._compute.set_task(server, "powering-off")
            after += self._compute.timings.power
        self._compute.work.go_on(after, host, "evacuate_arrive", number, stopped or was_stopped)

    def _arrive(self, number: int, stopped: bool) -> None:
        row = self._tables.migrations[number]
        server = self._tables.servers[row.server_id]
        if stopped:
            self._compute.hosts.put_guest(row.destination or "", server.id, SHUTDOWN)
            server.vm_state = "stopped"
        self._compute.set_task(server, None)
        self._compute.place(server, row.destination)
        self._migrations.change(row, "done")
        self._compute.actions.ended(server.id, row.request_id, _EVENT)

    def _fail(self, row: Migration, status: str, message: str) -> None:
        self._migrations.change(row, status)
        self._compute.fail(self._tables.servers[row.server_id], message)
