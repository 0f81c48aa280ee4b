"""How Nova shows services, hypervisors, aggregates, migrations and actions, as of a microversion."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cloudmanager.simulators.openstack.compute.rows import SHUTDOWN
from cloudmanager.simulators.openstack.compute.scheduler import RESERVED
from cloudmanager.simulators.openstack.nova.server_shapes import host_id, links
from cloudmanager.simulators.openstack.nova.versions import has
from cloudmanager.simulators.openstack.rest import moment

if TYPE_CHECKING:
    from cloudmanager.simulators.openstack.compute import Compute
    from cloudmanager.simulators.openstack.compute.rows import (
        Action,
        ActionEvent,
        Aggregate,
        Host,
        Migration,
    )
    from cloudmanager.simulators.openstack.rest import Call

_CONTROL_PLANE = ("nova-scheduler", "nova-conductor")


def service(call: Call, compute: Compute, host: Host) -> dict[str, Any]:
    """A nova-compute."""
    reported = compute.hosts.last_report(host)
    shown = {
        "binary": "nova-compute",
        "host": host.name,
        "id": host.service_id if has(call, 53) else host.service_number,
        "zone": compute.hosts.zone_of(host.name),
        "status": "enabled" if host.enabled else "disabled",
        "state": "up" if compute.hosts.is_up(host) else "down",
        "updated_at": moment(max(reported or 0.0, host.changed_at or 0.0) or None),
        "disabled_reason": host.disabled_reason,
    }
    return {**shown, "forced_down": host.forced_down} if has(call, 11) else shown


def control_plane(call: Call, compute: Compute) -> list[dict[str, Any]]:
    """The services that are on no compute node; nothing ails them."""
    shown = [
        {
            "binary": binary,
            "host": compute.controller,
            "id": f"00000000-0000-4000-8000-{number:012x}" if has(call, 53) else 1_000_000 + number,
            "zone": "internal",
            "status": "enabled",
            "state": "up",
            "updated_at": moment(compute.clock.now()),
            "disabled_reason": None,
        }
        for number, binary in enumerate(_CONTROL_PLANE, 1)
    ]
    return [{**row, "forced_down": False} if has(call, 11) else row for row in shown]


def hypervisor(call: Call, compute: Compute, host: Host, *, detail: bool, servers: bool) -> dict[str, Any]:
    """A compute node."""
    shown: dict[str, Any] = {
        "id": host.hypervisor_id if has(call, 53) else host.number,
        "hypervisor_hostname": host.name,
        "state": "up" if compute.hosts.is_up(host) else "down",
        "status": "enabled" if host.enabled else "disabled",
    }
    if detail:
        shown |= {
            "hypervisor_type": "QEMU",
            "hypervisor_version": 8_002_002,
            "host_ip": host.ip,
            "service": {
                "id": host.service_id if has(call, 53) else host.service_number,
                "host": host.name,
                "disabled_reason": host.disabled_reason,
            },
        }
        shown |= {"uptime": compute.hosts.uptime(host)} if has(call, 88) else _capacity(call, compute, host)
    if servers:
        there = [{"name": row.name, "uuid": row.id} for row in compute.tables.servers_on(host.name)]
        if there or has(call, 75):
            shown["servers"] = there
    return shown


def _capacity(call: Call, compute: Compute, host: Host) -> dict[str, Any]:
    cpu: Any = host.cpu if has(call, 28) else json.dumps(host.cpu)
    return {**_amounts(compute, host), "cpu_info": cpu}


def statistics(compute: Compute) -> dict[str, int]:
    """All hypervisors together (until 2.87)."""
    hosts = compute.hosts.registered()
    each = [_amounts(compute, host) for host in hosts]
    names = each[0] if each else {}
    return {"count": len(hosts), **{name: sum(one[name] for one in each) for name in names}}


def _amounts(compute: Compute, host: Host) -> dict[str, int]:
    used, servers = compute.scheduler.used(host), compute.tables.servers_on(host.name)
    memory_used, disk_used = used["MEMORY_MB"] + RESERVED["MEMORY_MB"], used["DISK_GB"]
    return {
        "vcpus": host.vcpus,
        "memory_mb": host.memory_mb,
        "local_gb": host.disk_gb,
        "vcpus_used": used["VCPU"],
        "memory_mb_used": memory_used,
        "local_gb_used": disk_used,
        "free_ram_mb": host.memory_mb - memory_used,
        "free_disk_gb": host.disk_gb - disk_used,
        "disk_available_least": host.disk_gb - disk_used,
        "current_workload": sum(server.task_state is not None for server in servers),
        "running_vms": sum(power != SHUTDOWN for power in host.guests.values()),
    }


def aggregate(call: Call, row: Aggregate) -> dict[str, Any]:
    """An aggregate."""
    shown: dict[str, Any] = {
        "id": row.id,
        "name": row.name,
        "hosts": row.hosts,
        "availability_zone": row.metadata.get("availability_zone"),
        "metadata": row.metadata,
        "created_at": moment(row.created_at),
        "updated_at": moment(row.updated_at),
        "deleted": False,
        "deleted_at": None,
    }
    return {**shown, "uuid": row.uuid} if has(call, 41) else shown


def migration(call: Call, compute: Compute, row: Migration) -> dict[str, Any]:
    """A row of os-migrations."""
    destination = compute.tables.hosts.get(row.destination or "")
    shown: dict[str, Any] = {
        "id": row.id,
        "instance_uuid": row.server_id,
        "status": row.status,
        "source_compute": row.source,
        "source_node": row.source if row.destination or row.type != "live-migration" else None,
        "dest_compute": row.destination,
        "dest_node": row.destination,
        "dest_host": destination.ip if destination and row.type != "live-migration" else None,
        "old_instance_type_id": row.old_flavor_id,
        "new_instance_type_id": row.new_flavor_id,
        "created_at": moment(row.created_at),
        "updated_at": moment(row.updated_at),
    }
    if has(call, 23):
        shown["migration_type"] = row.type
        if row.type == "live-migration" and row.status in ("queued", "preparing", "running"):
            shown["links"] = links(call, f"servers/{row.server_id}/migrations", str(row.id))
    return shown | _of_users(call, row)


def running_migration(call: Call, compute: Compute, row: Migration) -> dict[str, Any]:
    """A live migration in progress, under its server."""
    processed, remaining = compute.migrations.memory(row)
    shown = migration(call, compute, row)
    known = ("id", "status", "source_compute", "source_node", "dest_compute", "dest_node", "dest_host")
    return {
        **{name: shown[name] for name in (*known, "created_at", "updated_at")},
        "server_uuid": row.server_id,
        "memory_total_bytes": row.memory_bytes if row.started_at is not None else None,
        "memory_processed_bytes": processed if row.started_at is not None else None,
        "memory_remaining_bytes": remaining if row.started_at is not None else None,
        "disk_total_bytes": 0 if row.started_at is not None else None,
        "disk_processed_bytes": 0 if row.started_at is not None else None,
        "disk_remaining_bytes": 0 if row.started_at is not None else None,
        **_of_users(call, row),
    }


def _of_users(call: Call, row: Migration) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    if has(call, 59):
        shown["uuid"] = row.uuid
    if has(call, 80):
        shown |= {"user_id": row.user_id, "project_id": row.project_id}
    return shown


def action(call: Call, row: Action, *, events: bool = False) -> dict[str, Any]:
    """Something that was asked of a server, with how it went."""
    shown: dict[str, Any] = {
        "instance_uuid": row.server_id,
        "request_id": row.request_id,
        "action": row.name,
        "user_id": row.user_id,
        "project_id": row.project_id,
        "start_time": moment(row.started_at),
        "message": row.message,
    }
    if has(call, 58):
        shown["updated_at"] = moment(row.updated_at)
    if events and (has(call, 51) or call.caller.is_admin):
        shown["events"] = [_event(call, row, event) for event in reversed(row.events)]
    return shown


def _event(call: Call, row: Action, event: ActionEvent) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "event": event.name,
        "start_time": moment(event.started_at),
        "finish_time": moment(event.finished_at),
        "result": event.result,
    }
    if call.caller.is_admin:
        shown["traceback"] = event.details
    if has(call, 62):
        shown["hostId"] = host_id(row.project_id, event.host)
        if call.caller.is_admin:
            shown["host"] = event.host
    if has(call, 84) and call.caller.is_admin:
        shown["details"] = event.details
    return shown
