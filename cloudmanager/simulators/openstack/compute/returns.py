"""What a nova-compute does when it starts: it tidies up after evacuations and looks at its guests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.simulators.openstack.compute.rows import PAUSED, RUNNING, SHUTDOWN, SUSPENDED

if TYPE_CHECKING:
    from cloudmanager.simulators.openstack.compute.compute import Compute
    from cloudmanager.simulators.openstack.compute.rows import Host, Server

_EXPECTED = {"active": RUNNING, "paused": PAUSED, "suspended": SUSPENDED, "rescued": RUNNING}
_BUILDING = ("scheduling", "networking", "block_device_mapping", "spawning")
_REBUILDING = ("rebuilding", "rebuild_block_device_mapping", "rebuild_spawning")
_FORGOTTEN = (
    "image_uploading",
    "resize_prep",
    "resize_migrating",
    "pausing",
    "unpausing",
    "suspending",
    "resuming",
)
_RETRIED = {
    "powering-off": "stop",
    "powering-on": "start",
    "rebooting": "reboot",
    "rebooting_hard": "reboot hard",
}


class Returns:
    """The start of a nova-compute, and its look at the guests afterwards (sync_power_state_interval)."""

    def __init__(self, compute: Compute) -> None:
        self._compute = compute
        self._tables = compute.tables
        compute.work.teach(sync_power=self._sync)

    def tidy(self, host: Host) -> None:
        """Drop evacuated guests, end what was interrupted, and look at the guests."""
        self._compute.evacuations.tidy(host)
        self._compute.live.interrupted(host.name)
        for server in self._tables.servers_on(host.name):
            self._take_up(server, host)
        seconds = self._compute.timings.sync_power_state_interval
        self._compute.work.go_on(seconds, host.name, "sync_power", host.name)

    def _take_up(self, server: Server, host: Host) -> None:
        task = server.task_state
        if server.vm_state == "building" or task in _BUILDING:
            self._compute.fail(server, "the nova-compute was restarted while it built the server")
        elif task in _REBUILDING and server.vm_state in ("active", "stopped"):
            self._compute.fail(server, "the nova-compute was restarted while the server was rebuilt")
        elif task == "deleting":
            self._compute.work.send(self._compute.timings.delete, host.name, "delete_end", server.id)
        elif task in _RETRIED:
            request_id = self._compute.actions.of(server.id)[0].request_id
            seconds = self._compute.timings.power
            self._compute.work.send(seconds, host.name, "power_done", server.id, _RETRIED[task], request_id)
        elif task in _FORGOTTEN or task == "migrating":
            self._compute.set_task(server, None)
        if self._compute.resume_guests_state_on_host_boot and server.vm_state == "active":
            self._compute.hosts.put_guest(host.name, server.id, RUNNING)

    def _sync(self, name: str) -> None:
        """Drop guests of deleted servers; where a guest stopped by itself, stop the server."""
        host = self._tables.hosts[name]
        for server_id in list(host.guests):
            if self._tables.servers[server_id].deleted:
                self._compute.hosts.drop_guest(name, server_id)
        for server in self._tables.servers_on(name):
            real = host.guests.get(server.id, SHUTDOWN)
            if server.task_state is not None or real == server.power_state:
                continue
            server.power_state = real
            if real == SHUTDOWN and server.vm_state in _EXPECTED:
                server.vm_state = "stopped"
                server.updated_at = self._compute.clock.now()
