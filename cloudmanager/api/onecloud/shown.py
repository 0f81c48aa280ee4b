"""From what OpenStack and the inventory say of a server to the fields that OneCloud documents."""

from __future__ import annotations

from datetime import UTC
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from cloudmanager.api.onecloud.server_shapes import (
    OneCloudDiskShape,
    OneCloudNicShape,
    OneCloudServerShape,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from cloudmanager.api.onecloud.around import Around, Place
    from cloudmanager.openstack.plugs import Plug
    from cloudmanager.openstack.records import Server

_FIELDS = tuple(OneCloudServerShape().fields)
_DISK_FIELDS = tuple(OneCloudDiskShape().fields)
_NIC_FIELDS = tuple(OneCloudNicShape().fields)
_MIB = 1024
_CLOUD = "OpenStack"

_DOING = {
    "deleting": "deleting",
    "soft-deleting": "deleting",
    "powering-off": "stopping",
    "powering-on": "starting",
    "suspending": "suspending",
    "resuming": "resuming",
    "migrating": "live_migrating",
    "rebuilding": "rebuild_root",
}
"""OneCloud's words for what Nova does with a server; what is not here shows as the state itself."""

_STATES = {
    "active": "running",
    "rescued": "running",
    "resized": "running",
    "stopped": "ready",
    "shelved": "ready",
    "shelved_offloaded": "ready",
    "soft-delete": "ready",
    "paused": "suspend",
    "suspended": "suspend",
    "building": "deploying",
    "deleted": "deleting",
}
"""OneCloud's words for states; what is not here is `unknown`."""


def status(server: Server) -> str:
    """What a server does, in OneCloud's words."""
    return _DOING.get(server.task_state or "") or _STATES.get(server.vm_state, "unknown")


def brief(server: Server, *, hosts: bool, region: str | None) -> dict[str, Any]:
    """What Nova's list says of a server, with every documented field; of its host only with `hosts`."""
    flavor = server.flavor
    return dict.fromkeys(_FIELDS) | {
        "brand": _CLOUD,
        "provider": _CLOUD,
        "cloud_env": "private",
        "can_delete": not server.locked,
        "can_update": not server.locked,
        "disable_delete": server.locked,
        "cloudregion": region,
        "cloudregion_id": region,
        "region": region,
        "region_id": region,
        "created_at": _time(server.created_at),
        "updated_at": _time(server.updated_at),
        "deleted": server.vm_state == "deleted",
        "pending_deleted": server.vm_state == "soft-delete",
        "description": server.description,
        "external_id": server.id,
        "host": server.host if hosts else None,
        "host_type": "hypervisor" if hosts and server.host else None,
        "id": server.id,
        "instance_type": flavor.name if flavor else None,
        "ips": _joined(address for network in server.addresses.values() for address in network),
        "is_emulated": False,
        "keypair": server.key_name,
        "keypair_id": server.key_name,
        "name": server.name,
        "networks": _joined(server.addresses),
        "project_id": server.project_id,
        "project_src": "local",
        "secgroup": next(iter(server.security_groups), None),
        "status": status(server),
        "tenant_id": server.project_id,
        "vcpu_count": flavor.vcpus if flavor else None,
        "vmem_size": flavor.ram_mb if flavor else None,
        "zone": server.zone,
        "zone_id": server.zone,
    }


def details(server: Server, around: Around, places: Mapping[str, Place]) -> dict[str, Any]:
    """What is added by those who know more than Nova's list."""
    project = around.projects.get(server.project_id or "")
    return {
        "flavor_id": around.flavors.get(server.flavor.name) if server.flavor else None,
        "project": project and project.name,
        "tenant": project and project.name,
        "project_domain": project and project.domain,
        "domain_id": project and project.domain_id,
        **_storage(server, around),
        **_network(server, around),
        **_host(server.host, around, places),
    }


def _storage(server: Server, around: Around) -> dict[str, Any]:
    disks = _disks(server, around)
    image = around.images.get(server.image_id or "")
    sizes = [disk["size"] for disk in disks]
    short = [f"disk{number}:{size}M" for number, size in enumerate(sizes) if size is not None]
    return {
        "disk": None if None in sizes else sum(sizes),
        "disk_count": len(disks),
        "disks": _joined(short),
        "disks_info": disks,
        "os_name": image and image.properties.get("os_distro"),
        "os_type": image and image.properties.get("os_type"),
    }


def _disks(server: Server, around: Around) -> list[dict[str, Any]]:
    """The local disk of one that was made of an image, then its volumes; a bootable one comes first."""
    found: list[dict[str, Any]] = []
    if server.image_id:
        image = around.images.get(server.image_id)
        size = server.flavor.disk_gb * _MIB if server.flavor else None
        found.append(
            {
                "image": image and image.name,
                "image_id": server.image_id,
                "size": size,
                "storage_type": "local",
                "disk_type": "sys",
            }
        )
    known = [(attached.id, around.volumes.get(attached.id)) for attached in server.volumes]
    for key, volume in sorted(known, key=lambda pair: not (pair[1] and pair[1].bootable)):
        found.append(
            {
                "id": key,
                "name": volume and volume.name,
                "size": volume and volume.size_gb * _MIB,
                "storage_type": volume and volume.type,
                "disk_type": "data" if found else "sys",
            }
        )
    return [dict.fromkeys(_DISK_FIELDS) | disk | {"index": index} for index, disk in enumerate(found)]


def _network(server: Server, around: Around) -> dict[str, Any]:
    plugs = around.plugs.get(server.id)
    if plugs is None:
        return {}
    public = [around.public[plug.id] for plug in plugs if plug.id in around.public]
    groups = dict.fromkeys(group for plug in plugs for group in plug.group_ids)
    guarded = _all([plug.guarded for plug in plugs])
    return {
        "eip": next(iter(public), None),
        "eip_mode": "elastic_ip" if public else None,
        "nics": [_nic(plug, around) for plug in plugs],
        "networks": _joined(dict.fromkeys(around.networks.get(plug.network_id, "") for plug in plugs)),
        "secgroups": [{"id": group, "name": around.groups.get(group)} for group in groups],
        "secgroup": around.groups.get(next(iter(groups), "")),
        "secgrp_id": next(iter(groups), None),
        "src_ip_check": guarded,
        "src_mac_check": guarded,
    }


def _nic(plug: Plug, around: Around) -> dict[str, Any]:
    by_version = {ip_address(address).version: address for address in reversed(plug.addresses)}
    return dict.fromkeys(_NIC_FIELDS) | {
        "ip_addr": by_version.get(4),
        "ip6_addr": by_version.get(6),
        "is_exit": plug.id in around.public,
        "mac": plug.mac,
        "network_id": plug.network_id,
    }


def _host(host: str | None, around: Around, places: Mapping[str, Place]) -> dict[str, Any]:
    service, hypervisor = around.services.get(host or ""), around.hypervisors.get(host or "")
    place = places.get(host or "")
    return {
        "host_id": str(place.node_id) if place else None,
        "host_sn": place and place.code,
        "host_service_status": ("online" if service.up else "offline") if service else None,
        "host_status": ("running" if service.up else "unknown") if service else None,
        "hypervisor": hypervisor.type.lower() if hypervisor and hypervisor.type else None,
        "rack": place and place.rack,
    }


def _all(answers: Sequence[bool | None]) -> bool | None:
    """Whether all are; None when that is not known, or there are none."""
    return all(answers) if answers and None not in answers else None


def _joined(texts: Iterable[str]) -> str:
    return ",".join(text for text in texts if text)


def _time(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None
