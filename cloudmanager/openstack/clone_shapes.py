"""From the JSON of Nova, Cinder and Glance to what a copy of a server is made of, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudmanager.openstack.definitions import (
    Attachment,
    Image,
    ServerDefinition,
    Snapshot,
    StoragePool,
    Volume,
)
from cloudmanager.openstack.shapes import moment, names_of_groups

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cloudmanager.openstack.definitions import NewAttachment, NewServer

    Json = Mapping[str, Any]

_LVM = "LVMVolumeDriver"


def definition_from(
    server: Json, flavor_id: str, interfaces: Iterable[Json], attachments: Iterable[Json]
) -> ServerDefinition:
    """A server, its flavor, and what `os-interface` and `os-volume_attachments` say of it."""
    image = server.get("image")
    root = server.get("OS-EXT-SRV-ATTR:root_device_name") if not image else None
    return ServerDefinition(
        id=server["id"],
        name=server["name"],
        project_id=server["tenant_id"],
        user_id=server["user_id"],
        flavor_id=flavor_id,
        image_id=image["id"] if image else None,
        networks=_networks(server, list(interfaces)),
        security_groups=names_of_groups(server),
        key_name=server.get("key_name"),
        metadata=server.get("metadata") or {},
        user_data=server.get("OS-EXT-SRV-ATTR:user_data"),
        attachments=_attachments(attachments, root),
        config_drive=str(server.get("config_drive")) == "True",
        zone=server.get("pinned_availability_zone"),
        description=server.get("description"),
    )


def _networks(server: Json, interfaces: Sequence[Json]) -> tuple[str, ...]:
    """The network of each interface: Neutron lists ports in any order, the server's addresses keep theirs."""
    macs = [
        address.get("OS-EXT-IPS-MAC:mac_addr")
        for addresses in (server.get("addresses") or {}).values()
        for address in addresses
    ]
    order = {mac: place for place, mac in reversed(list(enumerate(macs)))}
    ordered = sorted(interfaces, key=lambda interface: order.get(interface.get("mac_addr"), len(order)))
    return tuple(interface["net_id"] for interface in ordered)


def _attachments(attachments: Iterable[Json], root: str | None) -> tuple[Attachment, ...]:
    """In the order of their devices, where vdb is before vdaa."""
    found = [
        Attachment(
            volume_id=attachment["volumeId"],
            device=attachment.get("device"),
            boot_index=0 if root and attachment.get("device") == root else None,
            delete_on_termination=bool(attachment.get("delete_on_termination")),
            tag=attachment.get("tag"),
        )
        for attachment in attachments
    ]
    return tuple(sorted(found, key=_place))


def _place(attachment: Attachment) -> tuple[bool, int, str]:
    device = attachment.device or ""
    return attachment.boot_index != 0, len(device), device


def tags_of(marker: Mapping[str, str]) -> list[str]:
    """A marker as tags of a server: Nova finds no servers by metadata."""
    return [f"{name}={value}" for name, value in marker.items()]


def server_body(new: NewServer) -> dict[str, Any]:
    """What `POST /servers` takes."""
    body: dict[str, Any] = {
        "name": new.name,
        "flavorRef": new.flavor_id,
        "metadata": dict(new.metadata),
        "networks": [{"uuid": network} for network in new.networks] or "none",
    }
    wishes = {
        "imageRef": new.image_id,
        "security_groups": [{"name": name} for name in new.security_groups],
        "key_name": new.key_name,
        "user_data": new.user_data,
        "block_device_mapping_v2": _devices(new),
        "config_drive": new.config_drive,
        "tags": tags_of(new.marker),
        "availability_zone": new.zone,
        "description": new.description,
    }
    return {"server": {**body, **{name: wish for name, wish in wishes.items() if wish}}}


def _devices(new: NewServer) -> list[dict[str, Any]]:
    """Once there are volumes, an image that is booted has to be named among them."""
    devices = [_device(attachment) for attachment in new.attachments]
    if devices and new.image_id:
        devices.insert(
            0,
            {
                "uuid": new.image_id,
                "source_type": "image",
                "destination_type": "local",
                "boot_index": 0,
                "delete_on_termination": True,
            },
        )
    return devices


def _device(attachment: NewAttachment) -> dict[str, Any]:
    device: dict[str, Any] = {
        "uuid": attachment.volume_id,
        "source_type": "volume",
        "destination_type": "volume",
        "boot_index": attachment.boot_index,
        "delete_on_termination": attachment.delete_on_termination,
    }
    return {**device, "device_name": attachment.device} if attachment.device else device


def volume_from(body: Json) -> Volume:
    """A volume, as Cinder says it."""
    return Volume(
        id=body["id"],
        name=body.get("name"),
        status=body["status"],
        size_gb=body["size"],
        type=body.get("volume_type"),
        bootable=str(body.get("bootable")).lower() == "true",
        zone=body.get("availability_zone"),
        project_id=body.get("os-vol-tenant-attr:tenant_id"),
        snapshot_id=body.get("snapshot_id"),
        servers=tuple(one["server_id"] for one in body.get("attachments") or () if one.get("server_id")),
        metadata=body.get("metadata") or {},
        created_at=moment(body.get("created_at")),
        pool=body.get("os-vol-host-attr:host"),
        stored_as=body.get("os-vol-mig-status-attr:name_id") or body["id"],
    )


def pool_from(body: Json) -> StoragePool:
    """A pool, as Cinder's scheduler says it; LVM's driver tells its location as name:host:group and more."""
    told = body.get("capabilities") or {}
    driver, *place = str(told.get("location_info") or "").split(":")
    protocols = told.get("storage_protocol")
    return StoragePool(
        name=body["name"],
        host=body["name"].partition("@")[0],
        backend=told.get("volume_backend_name"),
        protocol=str(protocols[0] if isinstance(protocols, list) else protocols) if protocols else None,
        total_gb=_gigabytes(told.get("total_capacity_gb")),
        free_gb=_gigabytes(told.get("free_capacity_gb")),
        volume_group=place[1] if driver == _LVM and len(place) > 1 else None,
    )


def _gigabytes(told: object) -> float | None:
    """A capacity; None for `unknown` and `infinite`."""
    return float(told) if isinstance(told, int | float) else None


def snapshot_from(body: Json) -> Snapshot:
    """A snapshot, as Cinder says it."""
    return Snapshot(
        id=body["id"],
        name=body.get("name"),
        status=body["status"],
        volume_id=body["volume_id"],
        size_gb=body["size"],
        metadata=body.get("metadata") or {},
        created_at=moment(body.get("created_at")),
    )


def image_from(body: Json) -> Image:
    """An image, as Glance says it: its own properties stand among the others, as text."""
    return Image(
        id=body["id"],
        name=body.get("name"),
        status=body["status"],
        size=body.get("size"),
        properties={name: value for name, value in body.items() if isinstance(value, str)},
        created_at=moment(body.get("created_at")),
    )
