"""From the records of a tenant's cloud to what the portal shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudmanager.flows.portal.marks import domain_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from cloudmanager.openstack.definitions import Image
    from cloudmanager.openstack.records import Server
    from cloudmanager.openstack.tenant_records import Backup, Deed, Size


def present_instance(server: Server) -> dict[str, Any]:
    """An instance; the project's id before the name of its keypair is not the tenant's business."""
    prefix = f"{server.project_id} "
    return {
        "id": server.id,
        "name": server.name,
        "status": server.status,
        "task_state": server.task_state,
        "flavor": server.flavor.name if server.flavor else None,
        "image_id": server.image_id,
        "image_name": server.metadata.get("image_name"),
        "key_name": server.key_name.removeprefix(prefix) if server.key_name else None,
        "security_groups": list(server.security_groups),
        "addresses": [one for addresses in server.addresses.values() for one in addresses],
        "domain_name": domain_of(server),
        "volumes": [volume.id for volume in server.volumes],
        "fault": server.fault,
        "created_at": _shown(server.created_at),
    }


def present_size(size: Size, prices: Mapping[str, float]) -> dict[str, Any]:
    """A flavor with its price."""
    return {
        "id": size.id,
        "name": size.name,
        "vcpus": size.vcpus,
        "ram_mb": size.ram_mb,
        "disk_gb": size.disk_gb,
        "price_per_hour": prices.get(size.name),
    }


def present_deed(deed: Deed) -> dict[str, Any]:
    """Something that was done."""
    return {
        "action": deed.action,
        "request_id": deed.request_id,
        "started_at": _shown(deed.started_at),
        "message": deed.message,
    }


def present_snapshot(image: Image) -> dict[str, Any]:
    """An image of an instance's disk."""
    return {
        "id": image.id,
        "name": image.name,
        "status": image.status,
        "size": image.size,
        "instance_id": image.properties.get("instance_uuid"),
        "created_at": _shown(image.created_at),
    }


def present_backup(backup: Backup) -> dict[str, Any]:
    """A backup."""
    return {
        "id": backup.id,
        "name": backup.name,
        "status": backup.status,
        "volume_id": backup.volume_id,
        "size_gb": backup.size_gb,
        "created_at": _shown(backup.created_at),
    }


def _shown(time: datetime | None) -> datetime | None:
    """Times have no zone in the API; all of them are UTC."""
    return time.replace(tzinfo=None) if time else None
