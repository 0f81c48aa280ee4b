"""Compute nodes: their nova-computes that report or do not, and the guests that really run on them.

A nova-compute lives in the operating system of a node of the world: it dies with the power and starts some
time after it came back.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from cloudmanager.simulators.openstack.compute.rows import PAUSED, RUNNING, SHUTDOWN, Host, SplitBrain, new_id
from cloudmanager.simulators.openstack.problems import Conflict, Invalid, NotThere

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cloudmanager.simulators.openstack.compute.compute import Compute
    from cloudmanager.simulators.world import Event

CPU = {
    "arch": "x86_64",
    "vendor": "Intel",
    "model": "Cascadelake-Server",
    "topology": {"cells": 2, "sockets": 1, "cores": 16, "threads": 2},
    "features": ["aes", "avx", "avx2", "avx512f", "fma", "pge", "sse4.2", "vmx"],
}
_POWER_EVENTS = ("power on", "reset", "power off", "shutdown")


class Hosts:
    """What happens to compute nodes."""

    def __init__(self, compute: Compute) -> None:
        self._compute = compute
        self._tables = compute.tables
        self._clock = compute.clock
        self.stop_watching: Callable[[], None] = compute.world.watch(self._on_event)

    def add(
        self,
        name: str,
        *,
        vcpus: int = 64,
        memory_mb: int = 262_144,
        disk_gb: int = 4096,
        ip: str = "",
        cpu: Mapping[str, Any] = CPU,
    ) -> Host:
        """Make a node of the world a compute node; it reports at once if it is on."""
        node = self._compute.world.node(name)
        number = self._tables.next_number("host")
        host = Host(
            name=name,
            number=number,
            vcpus=vcpus,
            memory_mb=memory_mb,
            disk_gb=disk_gb,
            ip=ip or f"10.20.{number // 256}.{number % 256}",
            cpu=dict(cpu),
            service_number=self._tables.next_number("service"),
        )
        self._tables.hosts[name] = host
        if node.on:
            host.booted_at = self._clock.now()
            self.start_service(name)
        return host

    # --- asking ---------------------------------------------------------------------------------------------

    def find_service(self, service_id: str) -> Host:
        """The host whose service has that id, or `NotThere`."""
        for host in self._tables.hosts.values():
            if host.service_id == service_id:
                return host
        raise NotThere(f"Service {service_id} could not be found.")

    def registered(self) -> list[Host]:
        """The hosts whose service is known."""
        return [host for host in self._tables.hosts.values() if host.service_id is not None]

    def last_report(self, host: Host) -> float | None:
        """When the nova-compute reported last; None if it never did."""
        if host.reports_since is None:
            return host.reported_at
        interval = self._compute.timings.report_interval
        reports = math.floor((self._clock.now() - host.reports_since) / interval)
        return host.reports_since + reports * interval

    def is_up(self, host: Host) -> bool:
        """What Nova believes of a nova-compute."""
        last = self.last_report(host)
        if host.forced_down or last is None or host.service_id is None:
            return False
        return self._clock.now() - last <= self._compute.timings.service_down_time

    def reach(self, name: str) -> int | None:
        """Which run of the nova-compute takes messages now; None when none does."""
        host = self._tables.hosts[name]
        works = host.running and not host.hung and not self._compute.faults.bus_broken
        return host.starts if works else None

    def zone_of(self, name: str) -> str:
        """The availability zone of a host."""
        for aggregate in self._tables.aggregates.values():
            if name in aggregate.hosts and "availability_zone" in aggregate.metadata:
                return aggregate.metadata["availability_zone"]
        return "nova"

    def uptime(self, host: Host) -> str | None:
        """The uptime of the node as its nova-compute tells it; None when it cannot be asked."""
        if self.reach(host.name) is None:
            return None
        seconds = int(self._clock.now() - host.booted_at)
        return f" up {seconds // 86_400} days, {seconds // 3600 % 24:02}:{seconds // 60 % 60:02}"

    def runs(self, server_id: str) -> list[str]:
        """The hosts on which a guest really runs."""
        hosts = self._tables.hosts.values()
        return [host.name for host in hosts if host.guests.get(server_id) in (RUNNING, PAUSED)]

    # --- guests ---------------------------------------------------------------------------------------------

    def put_guest(self, name: str, server_id: str, power: int) -> None:
        """Define a guest in a hypervisor and let it be in a power state."""
        self._tables.hosts[name].guests[server_id] = power
        if power == RUNNING and len(running := self.runs(server_id)) > 1:
            self._tables.split_brains.append(SplitBrain(self._clock.now(), server_id, tuple(running)))

    def drop_guest(self, name: str | None, server_id: str) -> None:
        """Let a guest be no more in a hypervisor."""
        if name is not None:
            self._tables.hosts[name].guests.pop(server_id, None)

    def hand_over(self, server_id: str, source: str, destination: str) -> None:
        """The moment of a live migration in which a guest goes on elsewhere."""
        power = self._tables.hosts[source].guests.pop(server_id, SHUTDOWN)
        self.put_guest(destination, server_id, power)

    # --- nova-computes --------------------------------------------------------------------------------------

    def start_service(self, name: str) -> None:
        """Start a nova-compute: it registers, tidies up and takes the messages that waited."""
        host = self._tables.hosts[name]
        if host.running:
            return
        host.running, host.hung = True, False
        host.starts += 1
        host.node_boot_id = self._compute.world.node(name).boot_id
        if host.service_id is None:
            host.service_id, host.service_number = new_id(), self._tables.next_number("service")
            host.enabled, host.disabled_reason, host.forced_down = True, None, False
        self._report_again(host)
        self._compute.returns.tidy(host)
        self._compute.work.take_up(name)

    def kill_service(self, name: str) -> None:
        """Let a nova-compute die; its guests run on."""
        host = self._tables.hosts[name]
        self._report_no_more(host)
        host.running = False

    def hang(self, name: str, hung: bool) -> None:
        """Let a nova-compute do nothing any more, or go on with what came meanwhile."""
        host = self._tables.hosts[name]
        host.hung = hung
        if hung:
            self._report_no_more(host)
        elif host.running:
            self._report_again(host)
            self._compute.work.take_up(name)

    def break_bus(self, broken: bool) -> None:
        """Let no message and no report through, or again all."""
        self._compute.faults.bus_broken = broken
        for host in self._tables.hosts.values():
            if broken:
                self._report_no_more(host)
            elif host.running and not host.hung:
                self._report_again(host)
                self._compute.work.take_up(host.name)

    def _report_again(self, host: Host) -> None:
        if host.reports_since is None and host.service_id is not None and not self._compute.faults.bus_broken:
            host.reports_since = self._clock.now()

    def _report_no_more(self, host: Host) -> None:
        host.reported_at, host.reports_since = self.last_report(host), None

    # --- what an administrator does to a service ------------------------------------------------------------

    def enable(self, host: Host) -> None:
        """Let servers be put on the host again; the reason is gone."""
        host.enabled, host.disabled_reason = True, None
        host.changed_at = self._clock.now()

    def disable(self, host: Host, reason: str | None) -> None:
        """Let no more servers be put on the host."""
        host.enabled, host.disabled_reason = False, reason
        host.changed_at = self._clock.now()

    def force_down(self, host: Host, forced: bool) -> None:
        """Say that a nova-compute is down whatever it reports; taken back only after it has tidied up."""
        if not forced and self._compute.evacuations.left_behind(host.name):
            raise Invalid(
                f"Unable to force up host {host.name} as `done` evacuation migration records remain "
                "associated with the host. Ensure the compute service has been restarted, allowing these "
                "records to move to `completed` before retrying this request."
            )
        host.forced_down = forced
        host.changed_at = self._clock.now()

    def delete_service(self, host: Host) -> None:
        """Forget a nova-compute; one that lives registers again only when it is restarted."""
        if self._tables.servers_on(host.name):
            raise Conflict(
                "Unable to delete compute service that is hosting instances. Migrate or delete the instances "
                "first."
            )
        if any(host.name in (row.source, row.destination) for row in self._compute.migrations.in_progress()):
            raise Conflict(
                "Unable to delete compute service that has in-progress migrations. Complete the migrations "
                "or delete the instances first."
            )
        self._report_no_more(host)
        host.service_id, host.reported_at = None, None
        for aggregate in self._tables.aggregates.values():
            if host.name in aggregate.hosts:
                aggregate.hosts.remove(host.name)

    # --- the node -------------------------------------------------------------------------------------------

    def resume(self) -> None:
        """Go on with the boots that were under way when the simulator was stopped."""
        for host in self._tables.hosts.values():
            node = self._compute.world.node(host.name)
            if node.on and node.boot_id != host.node_boot_id:
                left = max(0.0, host.booted_at + self._compute.timings.boot - self._clock.now())
                self._clock.call_later(left, self._booted, host.name, node.boot_id)

    def _on_event(self, event: Event) -> None:
        host = self._tables.hosts.get(event.subject)
        if host is None or event.what not in _POWER_EVENTS:
            return
        self.kill_service(host.name)
        host.guests = dict.fromkeys(host.guests, SHUTDOWN)
        if event.what in ("power on", "reset"):
            node = self._compute.world.node(host.name)
            host.booted_at = self._clock.now()
            self._clock.call_later(self._compute.timings.boot, self._booted, host.name, node.boot_id)

    def _booted(self, name: str, boot_id: str) -> None:
        node = self._compute.world.node(name)
        if node.on and node.boot_id == boot_id:  # else it was switched off or reset meanwhile
            self.start_service(name)
