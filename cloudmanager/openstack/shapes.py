"""From Nova's JSON to our records. What Nova leaves out is None."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cloudmanager.openstack.records import (
    Aggregate,
    AttachedVolume,
    CpuModel,
    Diagnostics,
    Flavor,
    Hypervisor,
    LiveMigrationProgress,
    Migration,
    Server,
    ServerGroup,
    Service,
    Stock,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Json = Mapping[str, Any]


def moment(text: str | None) -> datetime | None:
    """A time of OpenStack, which is UTC whether it says so or not."""
    if not text:
        return None
    found = datetime.fromisoformat(text)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def service_from(body: Json) -> Service:
    """An entry of `os-services`."""
    return Service(
        id=str(body["id"]),
        host=body["host"],
        enabled=body["status"] == "enabled",
        disabled_reason=body.get("disabled_reason"),
        up=body["state"] == "up",
        forced_down=bool(body.get("forced_down")),
        reported_at=moment(body.get("updated_at")),
        zone=body.get("zone"),
    )


def hypervisor_from(body: Json) -> Hypervisor:
    """An entry of `os-hypervisors/detail`, before 2.88."""
    return Hypervisor(
        id=str(body["id"]),
        name=body["hypervisor_hostname"],
        host=body["service"]["host"],
        type=body.get("hypervisor_type"),
        up=body["state"] == "up",
        enabled=body["status"] == "enabled",
        ip=body.get("host_ip"),
        vcpus=body.get("vcpus"),
        vcpus_used=body.get("vcpus_used"),
        ram_mb=body.get("memory_mb"),
        ram_used_mb=body.get("memory_mb_used"),
        disk_gb=body.get("local_gb"),
        disk_used_gb=body.get("local_gb_used"),
        running_servers=body.get("running_vms"),
        cpu=_cpu_from(body.get("cpu_info")),
    )


def _cpu_from(info: Any) -> CpuModel | None:
    """Drivers that know nothing of their processor say an empty object, or an empty text."""
    if not isinstance(info, dict) or not info:
        return None
    return CpuModel(info.get("arch"), info.get("vendor"), info.get("model"))


def stock_from(body: Json) -> Stock:
    """An entry of `inventories` of a resource provider."""
    return Stock(
        float(body["total"]), float(body.get("reserved") or 0), float(body.get("allocation_ratio") or 1)
    )


def aggregate_from(body: Json) -> Aggregate:
    """An entry of `os-aggregates`."""
    return Aggregate(
        id=body["id"],
        name=body["name"],
        zone=body.get("availability_zone"),
        hosts=frozenset(body.get("hosts") or ()),
        metadata=body.get("metadata") or {},
    )


def server_from(body: Json) -> Server:
    """An entry of `servers/detail`, as an admin sees it."""
    image = body.get("image")
    return Server(
        id=body["id"],
        name=body["name"],
        status=body["status"],
        vm_state=body["OS-EXT-STS:vm_state"],
        task_state=body.get("OS-EXT-STS:task_state"),
        host=body.get("OS-EXT-SRV-ATTR:host"),
        instance_name=body.get("OS-EXT-SRV-ATTR:instance_name"),
        project_id=body.get("tenant_id"),
        user_id=body.get("user_id"),
        zone=body.get("OS-EXT-AZ:availability_zone") or None,
        locked=bool(body.get("locked")),
        locked_reason=body.get("locked_reason"),
        flavor=_flavor_from(body.get("flavor") or {}),
        image_id=image["id"] if image else None,
        key_name=body.get("key_name"),
        metadata=body.get("metadata") or {},
        volumes=tuple(
            AttachedVolume(volume["id"], bool(volume.get("delete_on_termination")))
            for volume in body.get("os-extended-volumes:volumes_attached") or ()
        ),
        security_groups=names_of_groups(body),
        addresses={
            network: tuple(address["addr"] for address in addresses)
            for network, addresses in (body.get("addresses") or {}).items()
        },
        fault=(body.get("fault") or {}).get("message"),
        created_at=moment(body.get("created")),
        updated_at=moment(body.get("updated")),
        description=body.get("description"),
    )


def names_of_groups(body: Json) -> tuple[str, ...]:
    """The security groups of a server, each once: Nova names them again for every port."""
    return tuple(dict.fromkeys(group["name"] for group in body.get("security_groups") or ()))


def _flavor_from(body: Json) -> Flavor | None:
    if "original_name" not in body:
        return None
    return Flavor(
        name=body["original_name"],
        vcpus=body["vcpus"],
        ram_mb=body["ram"],
        disk_gb=body["disk"],
        ephemeral_gb=body.get("ephemeral") or 0,
        swap_mb=body.get("swap") or 0,
        extra_specs=body.get("extra_specs") or {},
    )


def migration_from(body: Json) -> Migration:
    """An entry of `os-migrations`."""
    return Migration(
        id=body["id"],
        server_id=body["instance_uuid"],
        type=body["migration_type"],
        status=body["status"],
        source=body.get("source_compute"),
        destination=body.get("dest_compute"),
        created_at=moment(body.get("created_at")),
        updated_at=moment(body.get("updated_at")),
    )


def progress_from(body: Json) -> LiveMigrationProgress:
    """An entry of `servers/ID/migrations`; a driver that does not count says zeroes, which is unknown."""
    total = body.get("memory_total_bytes") or None
    return LiveMigrationProgress(
        migration_id=body["id"],
        status=body["status"],
        memory_total=total,
        memory_remaining=body.get("memory_remaining_bytes") if total else None,
    )


def diagnostics_from(body: Json, at: float) -> Diagnostics:
    """What `servers/ID/diagnostics` says since 2.48. A sum of which one part is missing is not known."""
    memory = body.get("memory_details") or {}
    nanoseconds = _sum(body.get("cpu_details"), "time")
    return Diagnostics(
        at=at,
        cpu_seconds=None if nanoseconds is None else nanoseconds / 1e9,
        received_octets=_sum(body.get("nic_details"), "rx_octets"),
        sent_octets=_sum(body.get("nic_details"), "tx_octets"),
        memory=memory.get("maximum"),
        memory_used=memory.get("used"),
    )


def _sum(parts: Sequence[Json] | None, name: str) -> int | None:
    counts = [part.get(name) for part in parts or ()]
    known = [count for count in counts if count is not None]
    return sum(known) if known and len(known) == len(counts) else None


def group_from(body: Json) -> ServerGroup:
    """An entry of `os-server-groups`, since 2.64."""
    limit = (body.get("rules") or {}).get("max_server_per_host") or 1
    return ServerGroup(
        body["id"], body["name"], body["policy"], frozenset(body.get("members") or ()), int(limit)
    )
