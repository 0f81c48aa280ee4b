"""Servers come and go: built where the scheduler says, or in ERROR; deleted, but still remembered."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING

from cloudmanager.simulators.openstack.compute.rows import RUNNING, new_id
from cloudmanager.simulators.openstack.compute.scheduler import NoValidHost
from cloudmanager.simulators.openstack.problems import Conflict, Invalid, Problem

if TYPE_CHECKING:
    from cloudmanager.simulators.openstack.compute.compute import Compute
    from cloudmanager.simulators.openstack.compute.rows import Origin, Server

_EVENT = "compute__do_build_and_run_instance"
_LOOK_AGAIN = 0.2  # seconds between looks at a volume that is being made


class Building:
    """From the request to ACTIVE, and from the deletion to nothing."""

    def __init__(self, compute: Compute) -> None:
        self._compute = compute
        self._tables = compute.tables
        compute.work.teach(build_schedule=self._schedule, build_spawn=self._spawn, delete_end=self._gone)

    def create(
        self, wish: Server, origin: Origin, *, count: int = 1, host: str | None = None
    ) -> list[Server]:
        """Begin to build servers like `wish`, each with an id of its own, wherever or only on `host`."""
        if host is not None and host not in self._tables.hosts:
            raise Invalid(f"Compute host {host} could not be found.")
        group = self._tables.group_of(wish)
        reservation = f"r-{secrets.token_hex(4)}"
        made = []
        for index in range(count):
            now = self._compute.clock.now()
            server = replace(
                wish,
                id=new_id(),
                number=self._tables.next_number("server"),
                name=wish.name if count == 1 else f"{wish.name}-{index + 1}",
                reservation_id=reservation,
                launch_index=index,
                created_at=now,
                updated_at=now,
                metadata=dict(wish.metadata),
                hints=dict(wish.hints),
                tags=list(wish.tags),
                volumes=[dict(row) for row in wish.volumes],
                ports=[dict(row) for row in wish.ports],
                security_groups=list(wish.security_groups),
                before={},
            )
            self._tables.add_server(server)
            if group is not None:
                group.members.append(server.id)
            self._compute.actions.begin(server, "create", origin)
            self._compute.metadata.write_new(server)
            args = (server.id, origin.request_id, host)
            self._compute.work.send(self._compute.timings.rpc, None, "build_schedule", *args)
            made.append(server)
        return made

    def delete(self, server: Server, origin: Origin) -> None:
        """Begin to delete a server; one whose host does not answer is deleted in the records alone."""
        self._compute.actions.begin(server, "delete", origin)
        self._compute.set_task(server, "deleting")
        host = server.host
        is_there = host is not None and self._compute.hosts.is_up(self._tables.hosts[host])
        seconds = self._compute.timings.delete
        self._compute.work.send(seconds, host if is_there else None, "delete_end", server.id)

    # --- building -------------------------------------------------------------------------------------------

    def _schedule(self, server_id: str, request_id: str, host: str | None) -> None:
        server = self._tables.servers[server_id]
        if server.deleted or server.task_state == "deleting":
            return
        actions = self._compute.actions
        try:
            place = self._compute.scheduler.choose(server, wanted=host)
        except NoValidHost as problem:
            actions.ended(server.id, request_id, "conductor_schedule_and_build_instances", str(problem))
            self._compute.fail(server, str(problem))
            return
        actions.ended(server.id, request_id, "conductor_schedule_and_build_instances")
        actions.started(server.id, request_id, _EVENT, place.name)
        self._compute.place(server, place.name)
        self._compute.set_task(server, "spawning")
        self._compute.work.send(self._compute.timings.spawn, place.name, "build_spawn", server.id, request_id)

    def _spawn(self, server_id: str, request_id: str) -> None:
        server = self._tables.servers[server_id]
        if server.deleted or server.task_state != "spawning":
            return
        host = server.host or ""
        try:
            if not self._compute.attachments.are_ready(server):
                self._compute.work.go_on(_LOOK_AGAIN, host, "build_spawn", server_id, request_id)
                return
            if fault := self._compute.faults.strike("spawn", host, server.id):
                raise Conflict(fault.message)
            self._compute.attachments.attach_all(server)
            self._compute.plugs.plug_in(server)
        except Problem as problem:
            self._compute.actions.ended(server.id, request_id, _EVENT, str(problem))
            self._compute.place(server, None)
            self._compute.fail(server, f"Build of instance {server.id} aborted: {problem}")
            return
        self._compute.hosts.put_guest(host, server.id, RUNNING)
        server.vm_state, server.power_state = "active", RUNNING
        server.launched_at = self._compute.clock.now()
        self._compute.set_task(server, None)
        self._compute.actions.ended(server.id, request_id, _EVENT)

    # --- deleting -------------------------------------------------------------------------------------------

    def _gone(self, server_id: str) -> None:
        server = self._tables.servers[server_id]
        if server.deleted:
            return
        if server.host is not None and self._compute.hosts.reach(server.host) is not None:
            self._compute.hosts.drop_guest(server.host, server.id)
        self._compute.attachments.release_all(server)
        self._compute.plugs.unplug(server)
        server.vm_state, server.power_state = "deleted", 0
        server.deleted_at = self._compute.clock.now()
        self._tables.place(server, server.host)  # the record keeps its host, the host has the server no more
        self._compute.set_task(server, None)
        for group in self._tables.groups.values():
            if server.id in group.members:
                group.members.remove(server.id)
        if (row := self._compute.migrations.open_of(server.id)) is not None:
            row.claimed = {}
            self._compute.migrations.change(row, "error" if row.type == "live-migration" else "confirmed")
        self._compute.metadata.mark_deleted(server)


def must_be_free(server: Server, caller_is_admin: bool) -> None:
    """`Conflict` when a server is locked and somebody else than an administrator asks."""
    if server.locked and not caller_is_admin:
        raise Conflict(f"Instance {server.id} is locked")
