"""A cloud in memory for flows: it answers at once, moves servers in its own time, and fails on request.

Its machines are those of `FakePower`: a host without power stops reporting, and its guests are dead.
"""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from cloudmanager.errors import CloudRefused, CloudUnreachable, NotFound
from cloudmanager.openstack.records import (
    FAILED,
    Accepted,
    AllocationRatios,
    CpuModel,
    Diagnostics,
    Domain,
    Flavor,
    Hypervisor,
    LiveMigrationProgress,
    Migration,
    Server,
    Service,
    Stock,
)

from .fake_copies import Copies

NO_RATIOS = AllocationRatios(cpu=None, ram=None)
STOCKS = {"VCPU": Stock(16, 0, 4.0), "MEMORY_MB": Stock(65536, 512, 1.0), "DISK_GB": Stock(1000, 0, 1.0)}
"""What Placement has of each host, unless a test says otherwise."""

DOWN_AFTER = 12.0
"""Seconds without a report after which a nova-compute counts as down."""


@dataclass
class Host:
    machine: object
    enabled: bool = True
    reason: str | None = None
    forced_down: bool = False
    reported: float = 0.0
    started: float = 0.0
    was_on: bool = True
    boot: float = 3.0
    zone: str | None = None


@dataclass
class Guest:
    """A server, with what Nova does to it: how it fails, and where it really runs."""

    record: Server
    moves: int = 0
    moving: Migration | None = None
    due: float = 0.0
    fails: dict[str, list[str]] = field(default_factory=dict)
    never_converges: bool = False
    treated: Counter[str] = field(default_factory=Counter)
    """How often Nova began each task that makes it run."""
    cured_at: float | None = None
    incurable: bool = False
    died: bool = False
    """Its host has lost power under it; who gets power again starts no guests by itself."""

    @property
    def stalls(self):
        return self.never_converges and self.moving.type == "live-migration"


class FakeCloud(Copies):
    """Keeps the promise of the Cloud port. `calls` of it go through the line, where the worker may die."""

    def __init__(self, line, clock):
        self.line, self.clock = line, clock
        self.hosts: dict[str, Host] = {}
        self.guests: dict[str, Guest] = {}
        self.records: dict[int, Migration] = {}
        self.groups = []
        self.ratios = {}
        self.stock_of: dict[str, dict[str, Stock]] = {}
        self.traits_of: dict[str, frozenset[str]] = {}
        self.closed = 0
        self.domains: dict[str, str] = {}
        self.domain_options: dict[str, dict] = {}
        self.host_aggregates = []
        self.live_takes, self.cold_takes, self.evacuation_takes = 4.0, 6.0, 3.0
        self.split_brains: list[str] = []
        self.asked: list[str] = []
        self.cure_takes = 2.0
        self._ids = itertools.count(1)
        self._prepare_copies()

    async def close(self):
        self.closed += 1

    # --- building -------------------------------------------------------------------------------------------

    def add_host(self, name, machine, **state):
        self.hosts[name] = Host(machine, reported=self.clock.now(), was_on=machine.on, **state)
        if not machine.on:
            self.hosts[name].reported -= 2 * DOWN_AFTER

    def add_server(self, server_id, host, *, vm_state="active", **record):
        status = {"active": "ACTIVE", "stopped": "SHUTOFF", "error": "ERROR"}.get(vm_state, vm_state.upper())
        flavor = record.pop("flavor", Flavor("m1", 1, 1024, 0))
        server = Server(server_id, f"vm-{server_id}", status, vm_state, None, host, flavor=flavor, **record)
        self.guests[server_id] = Guest(server)
        return self.guests[server_id]

    def host_of(self, server_id):
        self._settle()
        return self.guests[server_id].record.host

    # --- hosts ----------------------------------------------------------------------------------------------

    async def services(self, *, max_age=0.0):
        return self._call("services", lambda: [self._service(name) for name in self.hosts])

    async def service(self, host):
        return self._call(f"service {host}", lambda: self._service(host))

    async def hypervisors(self, *, max_age=0.0):
        return self._call("hypervisors", lambda: [self._hypervisor(name) for name in self.hosts])

    async def hypervisor_record(self, hypervisor_id):
        def found():
            if hypervisor_id not in (records := self._records()):
                raise NotFound(f"Nova: there is no hypervisor {hypervisor_id}")
            return records[hypervisor_id]

        return self._call(f"record {hypervisor_id}", found)

    async def hypervisor_records(self):
        return self._call("records", self._records)

    async def allocation_ratios(self, hypervisor_id):
        return self._call(f"ratios {hypervisor_id}", lambda: self.ratios.get(hypervisor_id, NO_RATIOS))

    async def stocks(self, hypervisor_id):
        return self._call(f"stocks of {hypervisor_id}", lambda: self.stock_of.get(hypervisor_id, STOCKS))

    async def traits(self, hypervisor_id):
        return self._call(
            f"traits of {hypervisor_id}", lambda: self.traits_of.get(hypervisor_id, frozenset())
        )

    def _records(self):
        found = map(self._hypervisor, self.hosts)
        return {one.id: {"id": one.id, "hypervisor_hostname": one.name, "cpu_info": {}} for one in found}

    async def aggregates(self):
        return self._call("aggregates", lambda: list(self.host_aggregates))

    async def join_aggregate(self, aggregate_id, host):
        return self._do(f"join {aggregate_id} {host}", lambda: self._member(aggregate_id, {host}, set()))

    async def leave_aggregate(self, aggregate_id, host):
        return self._do(f"leave {aggregate_id} {host}", lambda: self._member(aggregate_id, set(), {host}))

    def _member(self, aggregate_id, more, less):
        self._service(next(iter(more | less)))
        self.host_aggregates = [
            replace(row, hosts=(row.hosts | more) - less) if row.id == aggregate_id else row
            for row in self.host_aggregates
        ]

    async def server_groups(self):
        return self._call("groups", lambda: list(self.groups))

    async def cordon(self, host, reason):
        return self._do(f"cordon {host}", lambda: self._set(host, enabled=False, reason=reason))

    async def uncordon(self, host):
        return self._do(f"uncordon {host}", lambda: self._set(host, enabled=True, reason=None))

    async def force_down(self, host):
        return self._do(f"force_down {host}", lambda: self._set(host, forced_down=True))

    async def release_force_down(self, host):
        def release():
            if any(record.status == "done" and record.source == host for record in self.records.values()):
                raise CloudRefused("`done` evacuation migration records remain", status=400)
            self._set(host, forced_down=False)

        return self._do(f"release {host}", release)

    # --- domains --------------------------------------------------------------------------------------------

    async def domain(self, domain_id):
        def found():
            if domain_id not in self.domains:
                raise NotFound(f"Keystone: Could not find domain: {domain_id}.")
            return Domain(domain_id, self.domains[domain_id])

        return self._call(f"domain {domain_id}", found)

    async def configure_domain(self, domain_id, options):
        return self._do(f"configure {domain_id}", lambda: self.domain_options.update({domain_id: options}))

    # --- servers --------------------------------------------------------------------------------------------

    async def servers_on(self, host, *, max_age=0.0):
        return self._call(
            f"servers of {host}", lambda: [g.record for g in self.guests.values() if g.record.host == host]
        )

    async def server(self, server_id):
        return self._call(f"server {server_id}", lambda: self._guest(server_id).record)

    async def diagnostics(self, server_id):
        """Counters of a guest that keeps one core busy."""

        def counted():
            if self._guest(server_id).record.vm_state != "active":
                raise CloudRefused("Cannot 'get_diagnostics'", status=409)
            now = self.clock.now()
            return Diagnostics(now, now, None, None, None, None)

        return self._call(f"diagnostics of {server_id}", counted)

    async def migrations_of_host(self, host, *, max_age=0.0):
        def found():
            return [r for r in self.records.values() if host in (r.source, r.destination)][::-1]

        return self._call(f"migrations of host {host}", found)

    async def migrations_of(self, server_id):
        def found():
            return [r for r in self.records.values() if r.server_id == server_id][::-1]

        return self._call(f"migrations of {server_id}", found)

    async def live_migration(self, server_id, migration_id):
        return self._call("progress", lambda: LiveMigrationProgress(migration_id, "running", 1024, 512))

    async def why(self, server_id, request_id):
        return self._call("why", lambda: "as the test wishes")

    async def live_migrate(self, server_id, destination=None, *, block_migration=None):
        return self._do(
            f"live {server_id}",
            lambda: self._begin(server_id, "live-migration", "migrating", self.live_takes, destination),
        )

    async def cold_migrate(self, server_id, destination=None):
        return self._do(
            f"cold {server_id}",
            lambda: self._begin(server_id, "migration", "resize_migrating", self.cold_takes, destination),
        )

    async def confirm_resize(self, server_id):
        return self._do(f"confirm {server_id}", lambda: self._confirm(self._guest(server_id)))

    async def evacuate(self, server_id, destination=None):
        return self._do(f"evacuate {server_id}", lambda: self._evacuate(server_id, destination))

    async def abort_migration(self, server_id, migration_id):
        return self._do(f"abort {server_id}", lambda: self._end(self._guest(server_id), "cancelled"))

    async def force_complete(self, server_id, migration_id):
        def force():
            guest = self._guest(server_id)
            guest.never_converges, guest.due = False, self.clock.now() + 1

        return self._do(f"force {server_id}", force)

    async def reset_state(self, server_id, state):
        def reset():
            guest = self._guest(server_id)
            guest.cured_at = guest.moving = None
            self._change(guest, vm_state=state, status=state.upper(), task_state=None)

        return self._do(f"reset_state {server_id} {state}", reset)

    async def reboot(self, server_id, *, hard):
        states = ("active", "stopped", "paused", "suspended", "error")
        return self._do(
            f"reboot {server_id}", lambda: self._begin_to_cure(server_id, "rebooting_hard", states, ())
        )

    async def start(self, server_id):
        return self._do(
            f"start {server_id}", lambda: self._begin_to_cure(server_id, "powering-on", ("stopped",))
        )

    async def stop(self, server_id):
        return self._do(
            f"stop {server_id}",
            lambda: self._begin_to_cure(server_id, "powering-off", ("active",), ("stopped",)),
        )

    async def lock(self, server_id, reason):
        return self._do(f"lock {server_id}", lambda: self._lock(server_id, reason))

    async def unlock(self, server_id):
        return self._do(f"unlock {server_id}", lambda: self._lock(server_id, None))

    def _lock(self, server_id, reason):
        self._change(self._guest(server_id), locked=reason is not None, locked_reason=reason)

    async def resume(self, server_id):
        return self._do(
            f"resume {server_id}", lambda: self._begin_to_cure(server_id, "resuming", ("suspended",))
        )

    async def unpause(self, server_id):
        return self._do(
            f"unpause {server_id}", lambda: self._begin_to_cure(server_id, "unpausing", ("paused",))
        )

    async def unshelve(self, server_id):
        states = ("shelved", "shelved_offloaded")
        return self._do(f"unshelve {server_id}", lambda: self._begin_to_cure(server_id, "unshelving", states))

    # --- how it works ---------------------------------------------------------------------------------------

    def _call(self, what, answer, *, changes=False):
        self._settle()
        return self.line.call(what, answer, lost=CloudUnreachable, changes=changes)

    def _do(self, what, act):
        def asked():
            self.asked.append(what)
            act()
            return Accepted(f"req-{what}")

        return self._call(what, asked, changes=True)

    def _settle(self):
        for host in self.hosts.values():
            self._settle_host(host)
        for guest in self.guests.values():
            if guest.moving and self.clock.now() >= guest.due and not guest.stalls:
                self._come_to_an_end(guest)
            if guest.cured_at is not None and self.clock.now() >= guest.cured_at:
                self._cure(guest)
        self._settle_copies()

    def _settle_host(self, host):
        now = self.clock.now()
        host.machine.settle()
        if not host.machine.on:
            self._lose_guests(host)
        if host.machine.on and not host.was_on:
            host.started = now
            self._clean_up(host)
        host.was_on = host.machine.on
        if host.machine.on and now >= host.started + host.boot:
            host.reported = now
            if not host.forced_down:
                self._start_guests(host)

    def _lose_guests(self, host):
        for guest in self.guests.values():
            guest.died |= self.hosts.get(guest.record.host) is host

    def _start_guests(self, host):
        """Their owners start those that are still its own."""
        for guest in self.guests.values():
            if guest.moving is None and self.hosts.get(guest.record.host) is host:
                guest.died = False

    def _clean_up(self, host):
        """A nova-compute that starts deletes what was evacuated from it."""
        name = next(name for name, other in self.hosts.items() if other is host)
        for record in self.records.values():
            if record.type == "evacuation" and record.source == name and record.status == "done":
                self.records[record.id] = replace(record, status="completed")

    def _service(self, name):
        if name not in self.hosts:
            raise NotFound(f"Nova knows no host {name}")
        host = self.hosts[name]
        up = not host.forced_down and self.clock.now() - host.reported < DOWN_AFTER
        reported = datetime.fromtimestamp(host.reported, UTC).replace(tzinfo=None)
        return Service(
            f"id-{name}", name, host.enabled, host.reason, up, host.forced_down, reported, host.zone
        )

    def _hypervisor(self, name):
        up = self._service(name).up
        cpu = CpuModel("x86_64", "Intel", "Skylake")
        enabled = self.hosts[name].enabled
        used = sum(1024 for guest in self.guests.values() if guest.record.host == name)
        return Hypervisor(
            f"hv-{name}", name, name, "QEMU", up, enabled, ram_mb=65536, ram_used_mb=used, cpu=cpu
        )

    def _set(self, host, **changes):
        for name, value in changes.items():
            setattr(self.hosts[host], name, value)

    def _guest(self, server_id):
        if server_id not in self.guests:
            raise NotFound(f"there is no server {server_id}")
        return self.guests[server_id]

    def _guest_of(self, record):
        return Guest(record)

    def _change(self, guest, **changes):
        now = datetime.fromtimestamp(int(self.clock.now()), UTC).replace(tzinfo=None)
        guest.record = replace(guest.record, **changes, updated_at=now)

    def _begin(self, server_id, kind, task_state, takes, destination):
        guest = self._guest(server_id)
        if guest.record.task_state == task_state:
            return  # asked for already
        if guest.record.task_state or guest.record.vm_state not in ("active", "paused", "stopped", "error"):
            raise CloudRefused(f"it is {guest.record.task_state or guest.record.vm_state}", status=409)
        guest.moving = Migration(
            next(self._ids), server_id, kind, "running", guest.record.host, destination or self._choose(guest)
        )
        self.records[guest.moving.id] = guest.moving
        guest.due = self.clock.now() + takes
        self._change(guest, task_state=task_state)

    def _choose(self, guest):
        free = [
            name
            for name in self.hosts
            if name != guest.record.host and self._service(name).up and self.hosts[name].enabled
        ]
        crowd = {name: sum(g.record.host == name for g in self.guests.values()) for name in free}
        return min(free, key=crowd.__getitem__, default=None)

    def _evacuate(self, server_id, destination):
        source = self._guest(server_id).record.host
        if self._service(source).up:
            raise CloudRefused(f"Compute service of {source} is still in use.", status=400)
        self._begin(server_id, "evacuation", "rebuilding", self.evacuation_takes, destination)

    def _come_to_an_end(self, guest):
        kind = guest.moving.type
        if why := guest.fails.get(kind) and guest.fails[kind].pop(0):
            self._change(guest, fault=why)
            self._end(guest, "error")
        elif guest.moving.destination is None:
            self._end(guest, "error")
        elif kind == "migration":
            self._arrive(guest)
            self._end(guest, "finished", keep_moving=False)
            self._change(guest, vm_state="resized", status="VERIFY_RESIZE")
        else:
            if kind == "evacuation" and self.hosts[guest.record.host].machine.on and not guest.died:
                self.split_brains.append(guest.record.id)
            self._arrive(guest)
            self._end(guest, "done" if kind == "evacuation" else "completed")
            if kind == "evacuation":
                self._change(guest, vm_state="active", status="ACTIVE")

    def _arrive(self, guest):
        guest.moves += 1
        guest.died = False
        self._change(guest, host=guest.moving.destination)

    def _end(self, guest, status, *, keep_moving=False):
        if guest.moving is None:
            return
        self.records[guest.moving.id] = replace(self.records[guest.moving.id], status=status)
        guest.moving = None
        self._change(guest, task_state=None)
        if status in FAILED and self.records and guest.record.vm_state == "resized":
            self._change(guest, vm_state="error")

    def _confirm(self, guest):
        if guest.record.vm_state != "resized":
            return
        newest = max(record.id for record in self.records.values() if record.server_id == guest.record.id)
        self.records[newest] = replace(self.records[newest], status="confirmed")
        self._change(guest, vm_state="active", status="ACTIVE")

    def _begin_to_cure(self, server_id, task, states, done=("active",)):
        guest = self._guest(server_id)
        record = guest.record
        if record.task_state == task or (record.task_state is None and record.vm_state in done):
            return  # asked for already
        if record.task_state or record.vm_state not in states:
            raise CloudRefused(f"it is {record.task_state or record.vm_state}", status=409)
        guest.treated[task] += 1
        guest.cured_at = self.clock.now() + self.cure_takes
        self._change(guest, task_state=task)

    def _cure(self, guest):
        guest.cured_at = None
        if guest.incurable:
            self._change(guest, vm_state="error", status="ERROR", task_state=None, fault="no bootable disk")
        elif guest.record.task_state == "powering-off":
            self._change(guest, vm_state="stopped", status="SHUTOFF", task_state=None)
        else:
            self._change(guest, vm_state="active", status="ACTIVE", task_state=None)
