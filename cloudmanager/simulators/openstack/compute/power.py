"""What its users do with a server: start, stop, reboot, pause, suspend, shelve, rescue, and their way back.

Each is accepted, given a task, and done by the nova-compute of its host when that takes the message.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudmanager.simulators.openstack.compute.rows import PAUSED, RUNNING, SHUTDOWN, SUSPENDED
from cloudmanager.simulators.openstack.compute.scheduler import NoValidHost
from cloudmanager.simulators.openstack.compute.states import check
from cloudmanager.simulators.openstack.problems import Conflict, Invalid

if TYPE_CHECKING:
    from cloudmanager.simulators.openstack.compute.compute import Compute
    from cloudmanager.simulators.openstack.compute.rows import Origin, Server


@dataclass(frozen=True, slots=True)
class Change:
    """One verb: the task meanwhile, state and power of the guest afterwards, Nova's name of the event."""

    task: str
    state: str
    power: int
    event: str
    action: str


CHANGES = {
    "start": Change("powering-on", "active", RUNNING, "compute_start_instance", "start"),
    "stop": Change("powering-off", "stopped", SHUTDOWN, "compute_stop_instance", "stop"),
    "reboot": Change("rebooting", "active", RUNNING, "compute_reboot_instance", "reboot"),
    "reboot hard": Change("rebooting_hard", "active", RUNNING, "compute_reboot_instance", "reboot"),
    "pause": Change("pausing", "paused", PAUSED, "compute_pause_instance", "pause"),
    "unpause": Change("unpausing", "active", RUNNING, "compute_unpause_instance", "unpause"),
    "suspend": Change("suspending", "suspended", SUSPENDED, "compute_suspend_instance", "suspend"),
    "resume": Change("resuming", "active", RUNNING, "compute_resume_instance", "resume"),
    "rescue": Change("rescuing", "rescued", RUNNING, "compute_rescue_instance", "rescue"),
    "unrescue": Change("unrescuing", "active", RUNNING, "compute_unrescue_instance", "unrescue"),
}
_REBOOTABLE = (
    None,
    "rebooting",
    "reboot_pending",
    "reboot_started",
    "resuming",
    "rebooting_hard",
    "unpausing",
    "pausing",
    "suspending",
)
"""The tasks in which a hard reboot is taken."""


class Power:
    """Verbs for one server."""

    def __init__(self, compute: Compute) -> None:
        self._compute = compute
        self._tables = compute.tables
        compute.work.teach(
            power_done=self._done,
            shelve_done=self._shelved,
            offload_done=self._offloaded,
            unshelve_place=self._unshelve_place,
            unshelve_done=self._unshelved,
            snapshot_done=self._snapshot_done,
        )

    def ask(self, server: Server, verb: str, origin: Origin) -> None:
        """Accept one of `CHANGES`."""
        if verb == "reboot hard" and server.task_state in _REBOOTABLE:
            task, server.task_state = server.task_state, None
            try:
                check(server, verb, called="reboot")
            finally:
                server.task_state = task
        else:
            check(server, verb, called=verb.removesuffix(" hard"))
        if server.host is None:
            raise Conflict(f"Instance {server.id} is not ready")
        change = CHANGES[verb]
        self._compute.actions.begin(server, change.action, origin)
        self._compute.set_task(server, change.task)
        timings = self._compute.timings
        seconds = timings.reboot if verb.startswith("reboot") else timings.power
        self._compute.work.send(seconds, server.host, "power_done", server.id, verb, origin.request_id)

    def shelve(self, server: Server, origin: Origin) -> None:
        """Keep a server as an image, and free its host (shelved_offload_time = 0)."""
        check(server, "shelve")
        self._compute.actions.begin(server, "shelve", origin)
        self._compute.set_task(server, "shelving")
        seconds = self._compute.timings.snapshot
        self._compute.work.send(seconds, server.host, "shelve_done", server.id, origin.request_id)

    def offload(self, server: Server, origin: Origin) -> None:
        """Free the host of a server that is shelved."""
        check(server, "shelveOffload")
        self._compute.actions.begin(server, "shelveOffload", origin)
        self._compute.set_task(server, "shelving_offloading")
        seconds = self._compute.timings.power
        self._compute.work.send(seconds, server.host, "offload_done", server.id, origin.request_id)

    def unshelve(self, server: Server, origin: Origin, host: str | None) -> None:
        """Bring a shelved server back, where the scheduler or the caller wants."""
        check(server, "unshelve")
        if host is not None and host not in self._tables.hosts:
            raise Invalid(f"Compute host {host} could not be found.")
        self._compute.actions.begin(server, "unshelve", origin)
        self._compute.set_task(server, "unshelving")
        rpc = self._compute.timings.rpc
        self._compute.work.send(rpc, None, "unshelve_place", server.id, origin.request_id, host)

    def snapshot(self, server: Server, origin: Origin) -> None:
        """Make an image of a server; the image's row is the caller's, and becomes active by itself."""
        check(server, "createImage")
        self._compute.actions.begin(server, "createImage", origin)
        self._compute.set_task(server, "image_uploading")
        seconds = self._compute.timings.snapshot
        self._compute.work.send(seconds, server.host, "snapshot_done", server.id, origin.request_id)

    def reset_state(self, server: Server, state: str, origin: Origin) -> None:
        """Change the record alone: the guest does not notice."""
        self._compute.actions.begin(server, "resetState", origin)
        server.vm_state = state
        if state == "active":
            server.fault = None
        self._compute.set_task(server, None)

    # --- by the nova-compute --------------------------------------------------------------------------------

    def _done(self, server_id: str, verb: str, request_id: str) -> None:
        server = self._tables.servers[server_id]
        change = CHANGES[verb]
        if server.deleted or server.task_state != change.task:
            return
        if verb == "rescue":
            server.before["vm_state"] = server.vm_state
        self._compute.hosts.put_guest(server.host or "", server.id, change.power)
        server.vm_state, server.power_state = change.state, change.power
        if verb == "reboot hard":
            server.fault = None
        self._compute.set_task(server, None)
        self._compute.actions.ended(server.id, request_id, change.event, host=server.host)

    def _shelved(self, server_id: str, request_id: str) -> None:
        server = self._tables.servers[server_id]
        if not server.deleted and server.task_state == "shelving":
            server.before["image"] = "shelved"
            server.vm_state, server.power_state = "shelved", SHUTDOWN
            self._compute.hosts.put_guest(server.host or "", server.id, SHUTDOWN)
            self._compute.set_task(server, "shelving_offloading")
            self._compute.actions.ended(server.id, request_id, "compute_shelve_instance")
            seconds = self._compute.timings.power
            self._compute.work.go_on(seconds, server.host or "", "offload_done", server.id, request_id)

    def _offloaded(self, server_id: str, request_id: str) -> None:
        server = self._tables.servers[server_id]
        if not server.deleted and server.task_state == "shelving_offloading":
            self._compute.hosts.drop_guest(server.host, server.id)
            self._compute.place(server, None)
            server.vm_state, server.power_state = "shelved_offloaded", 0
            self._compute.set_task(server, None)
            self._compute.actions.ended(server.id, request_id, "compute_shelve_offload_instance")

    def _unshelve_place(self, server_id: str, request_id: str, host: str | None) -> None:
        server = self._tables.servers[server_id]
        if server.deleted or server.task_state != "unshelving":
            return
        if server.host is None:
            try:
                place = self._compute.scheduler.choose(server, wanted=host).name
            except NoValidHost as problem:
                self._compute.actions.ended(
                    server.id, request_id, "conductor_unshelve_instance", str(problem)
                )
                self._compute.set_task(server, None)
                return
            self._compute.place(server, place)
        self._compute.set_task(server, "spawning")
        seconds = self._compute.timings.spawn
        self._compute.work.send(seconds, server.host, "unshelve_done", server.id, request_id)

    def _unshelved(self, server_id: str, request_id: str) -> None:
        server = self._tables.servers[server_id]
        if not server.deleted and server.task_state == "spawning":
            self._compute.hosts.put_guest(server.host or "", server.id, RUNNING)
            server.vm_state, server.power_state = "active", RUNNING
            self._compute.set_task(server, None)
            self._compute.actions.ended(server.id, request_id, "compute_unshelve_instance")

    def _snapshot_done(self, server_id: str, request_id: str) -> None:
        server = self._tables.servers[server_id]
        if not server.deleted and server.task_state == "image_uploading":
            self._compute.set_task(server, None)
            self._compute.actions.ended(server.id, request_id, "compute_snapshot_instance")
