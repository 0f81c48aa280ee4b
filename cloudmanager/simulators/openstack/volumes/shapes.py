"""How Cinder 28 (API 3.71) shows what it keeps, by the version that is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudmanager.simulators.openstack.rest import moment

if TYPE_CHECKING:
    from cloudmanager.simulators.openstack.rest import Call
    from cloudmanager.simulators.openstack.volumes.lvm import VolumeGroup
    from cloudmanager.simulators.openstack.volumes.rows import (
        Attachment,
        Backup,
        Row,
        Service,
        Snapshot,
        Volume,
        VolumeType,
    )
    from cloudmanager.simulators.openstack.volumes.volumes import Volumes

OLDEST, NEWEST = (3, 0), (3, 71)


def version(base: str) -> dict[str, Any]:
    """The only version that there is."""
    media_type = {"base": "application/json", "type": "application/vnd.openstack.volume+json;version=3"}
    return {
        "id": "v3.0",
        "status": "CURRENT",
        "version": f"{NEWEST[0]}.{NEWEST[1]}",
        "min_version": f"{OLDEST[0]}.{OLDEST[1]}",
        "updated": "2023-08-31T00:00:00Z",
        "links": [
            {"rel": "describedby", "type": "text/html", "href": "https://docs.openstack.org/"},
            {"rel": "self", "href": f"{base}/v3/"},
        ],
        "media-types": [media_type],
    }


def summary(shown: Row, base: str, kind: str) -> dict[str, Any]:
    """A row of a list without details."""
    return {"id": shown.id, "name": shown.name, "links": _links(shown, base, kind)}


def volume(volumes: Volumes, shown: Volume, call: Call, base: str) -> dict[str, Any]:
    """A volume; administrators see where it lies."""
    type_name = volumes.types[shown.type_id].name if shown.type_id else None
    document: dict[str, Any] = {
        **summary(shown, base, "volumes"),
        "status": shown.status,
        "size": shown.size,
        "availability_zone": shown.zone,
        "created_at": moment(shown.created_at),
        "updated_at": moment(shown.updated_at),
        "description": shown.description,
        "volume_type": type_name,
        "snapshot_id": shown.snapshot_id,
        "source_volid": shown.source_volid,
        "metadata": shown.metadata,
        "user_id": shown.user_id,
        "bootable": str(shown.bootable).lower(),
        "encrypted": False,
        "replication_status": None,
        "consistencygroup_id": None,
        "multiattach": shown.multiattach,
        "attachments": _attachments(volumes, shown, call),
        "os-vol-tenant-attr:tenant_id": shown.project_id,
    }
    if shown.image:
        document["volume_image_metadata"] = shown.image
    document |= _since(
        call, {(3, 13): {"group_id": None}, (3, 63): {"volume_type_id": shown.type_id or None}}
    )
    document |= _since(call, {(3, 48): {"shared_targets": False, "service_uuid": _service(volumes, shown)}})
    document |= _since(call, {(3, 65): {"consumes_quota": True}})
    if call.caller.is_admin:
        document |= {
            "migration_status": None,
            "os-vol-host-attr:host": shown.host,
            "os-vol-mig-status-attr:migstat": None,
            "os-vol-mig-status-attr:name_id": None,
        }
        document |= _since(call, {(3, 21): {"provider_id": None}, (3, 61): {"cluster_name": None}})
    return document


def snapshot(shown: Snapshot, call: Call) -> dict[str, Any]:
    """A snapshot."""
    progress = "100%" if shown.status == "available" else "0%"
    return {
        **_described(shown),
        "volume_id": shown.volume_id,
        "size": shown.size,
        "metadata": shown.metadata,
        "os-extended-snapshot-attributes:progress": progress,
        "os-extended-snapshot-attributes:project_id": shown.project_id,
        **_since(call, {(3, 14): {"group_snapshot_id": None}, (3, 41): {"user_id": shown.user_id}}),
        **_since(call, {(3, 65): {"consumes_quota": True}}),
    }


def backup(shown: Backup, call: Call, base: str) -> dict[str, Any]:
    """A backup."""
    return {
        **_described(shown),
        "links": _links(shown, base, "backups"),
        "size": shown.size,
        "object_count": 0,
        "availability_zone": "nova",
        "container": shown.container,
        "fail_reason": "the storage failed" if shown.status == "error" else None,
        "volume_id": shown.volume_id,
        "is_incremental": False,
        "has_dependent_backups": False,
        "snapshot_id": shown.snapshot_id,
        "data_timestamp": moment(shown.created_at),
        **_since(call, {(3, 43): {"metadata": shown.metadata}}),
    }


def attachment(shown: Attachment, *, detail: bool) -> dict[str, Any]:
    """An attachment."""
    document: dict[str, Any] = {
        "id": shown.id,
        "status": shown.status,
        "instance": shown.server_id,
        "volume_id": shown.volume_id,
    }
    if detail:
        document |= {
            "attached_at": moment(shown.attached_at) or "",
            "detached_at": "",
            "attach_mode": shown.mode,
            "connection_info": _connection(shown) if shown.connector else {},
        }
    return document


def volume_type(shown: VolumeType, call: Call) -> dict[str, Any]:
    """A type; what chooses the backend is for administrators."""
    document: dict[str, Any] = {
        "id": shown.id,
        "name": shown.name,
        "is_public": shown.is_public,
        "description": shown.description,
        "extra_specs": shown.specs if call.caller.is_admin else {},
        "os-volume-type-access:is_public": shown.is_public,
    }
    return document | ({"qos_specs_id": None} if call.caller.is_admin else {})


def service(shown: Service, now: float, call: Call) -> dict[str, Any]:
    """A daemon; one that is up has just reported."""
    is_volume = shown.binary == "cinder-volume"
    document: dict[str, Any] = {
        "binary": shown.binary,
        "host": shown.host,
        "zone": shown.zone,
        "status": "disabled" if shown.disabled else "enabled",
        "state": "up" if shown.up else "down",
        "updated_at": moment(now if shown.up else shown.seen_at),
        "disabled_reason": shown.disabled_reason,
        **_since(call, {(3, 7): {"cluster": None}}),
    }
    if is_volume:
        document |= {"replication_status": "disabled", "active_backend_id": None, "frozen": False}
        document |= _since(call, {(3, 49): {"backend_state": "up" if shown.up else "down"}})
    return document


def pool(name: str, group: VolumeGroup, now: float, *, detail: bool) -> dict[str, Any]:
    """A pool, with what the LVM driver tells the scheduler of it."""
    if not detail:
        return {"name": name}
    backend = name.partition("#")[2]
    total, free = round(group.total_gib, 2), round(group.free_gib, 2)
    return {
        "name": name,
        "capabilities": {
            "pool_name": backend,
            "volume_backend_name": backend,
            "vendor_name": "Open Source",
            "driver_version": "3.0.0",
            "storage_protocol": "iSCSI",
            "total_capacity_gb": total,
            "free_capacity_gb": free,
            "provisioned_capacity_gb": round(total - free, 2),
            "allocated_capacity_gb": round(total - free),
            "reserved_percentage": 0,
            "max_over_subscription_ratio": "20.0",
            "thin_provisioning_support": False,
            "thick_provisioning_support": True,
            "multiattach": True,
            "QoS_support": False,
            "filter_function": None,
            "goodness_function": None,
            "location_info": f"LVMVolumeDriver:{group.host}:{group.name}:default:0",
            "total_volumes": len(group.logical),
            "backend_state": "up",
            "replication_enabled": False,
            "timestamp": moment(now),
        },
    }


def _described(shown: Snapshot | Backup) -> dict[str, Any]:
    return {
        "id": shown.id,
        "name": shown.name,
        "description": shown.description,
        "status": shown.status,
        "created_at": moment(shown.created_at),
        "updated_at": moment(shown.updated_at),
    }


def _attachments(volumes: Volumes, shown: Volume, call: Call) -> list[dict[str, Any]]:
    return [
        {
            "id": shown.id,
            "attachment_id": found.id,
            "volume_id": shown.id,
            "server_id": found.server_id,
            "host_name": found.host if call.caller.is_admin else None,
            "device": found.device,
            "attached_at": moment(found.attached_at),
        }
        for found in volumes.attachments_of(shown.id)
        if found.status == "attached"
    ]


def _connection(shown: Attachment) -> dict[str, Any]:
    return {
        "driver_volume_type": "iscsi",
        "target_iqn": f"iqn.2010-10.org.openstack:volume-{shown.volume_id}",
        "target_lun": 0,
        "volume_id": shown.volume_id,
        "attachment_id": shown.id,
        "access_mode": shown.mode,
    }


def _service(volumes: Volumes, shown: Volume) -> str | None:
    host = (shown.host or "").partition("#")[0]
    return next((found.uuid for found in volumes.services if found.host == host), None)


def _links(shown: Row, base: str, kind: str) -> list[dict[str, str]]:
    return [
        {"rel": "self", "href": f"{base}/v3/{kind}/{shown.id}"},
        {"rel": "bookmark", "href": f"{base}/{kind}/{shown.id}"},
    ]


def _since(call: Call, fields: dict[tuple[int, int], dict[str, Any]]) -> dict[str, Any]:
    """Those fields that the version of the call has."""
    found: dict[str, Any] = {}
    for first, more in fields.items():
        if call.version >= first:
            found |= more
    return found
