"""How Nova shows a server, as of the microversion that is asked for."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from cloudmanager.simulators.openstack.compute.states import status_of
from cloudmanager.simulators.openstack.nova.versions import has
from cloudmanager.simulators.openstack.rest import moment

if TYPE_CHECKING:
    from cloudmanager.simulators.openstack.compute import Compute
    from cloudmanager.simulators.openstack.compute.rows import Flavor, Server
    from cloudmanager.simulators.openstack.rest import Call

_WITH_PROGRESS = ("ACTIVE", "BUILD", "REBUILD", "RESIZE", "VERIFY_RESIZE", "MIGRATING")
_WITH_FAULT = ("ERROR", "DELETED")


def base_of(call: Call) -> str:
    """The address under which the caller found this service."""
    return f"http://{call.request.headers.get('host', '')}"


def links(call: Call, collection: str, key: str) -> list[dict[str, str]]:
    """Where something can be found."""
    base = base_of(call)
    return [
        {"rel": "self", "href": f"{base}/v2.1/{collection}/{key}"},
        {"rel": "bookmark", "href": f"{base}/{collection}/{key}"},
    ]


def brief(call: Call, server: Server) -> dict[str, Any]:
    """A server in a list without details."""
    return {"id": server.id, "name": server.name, "links": links(call, "servers", server.id)}


def full(call: Call, compute: Compute, server: Server, *, one: bool = True) -> dict[str, Any]:
    """A server with everything that the caller may see; `one`: alone, not in a list."""
    status = status_of(server)
    shown: dict[str, Any] = {
        "id": server.id,
        "name": server.name,
        "status": status,
        "tenant_id": server.project_id,
        "user_id": server.user_id,
        "metadata": {} if server.deleted else server.metadata,
        "hostId": host_id(server.project_id, server.host),
        "image": {"id": server.image_id, "links": links(call, "images", server.image_id)[1:]}
        if server.image_id
        else "",
        "flavor": _flavor(call, server.flavor),
        "created": moment(server.created_at, "Z"),
        "updated": moment(server.updated_at, "Z"),
        "addresses": {} if server.vm_state == "building" else compute.plugs.addresses(server),
        "accessIPv4": "",
        "accessIPv6": "",
        "links": links(call, "servers", server.id),
        "OS-DCF:diskConfig": "MANUAL",
        "OS-EXT-AZ:availability_zone": _zone(compute, server),
        "config_drive": server.config_drive,
        "key_name": server.key_name,
        "OS-SRV-USG:launched_at": moment(server.launched_at),
        "OS-SRV-USG:terminated_at": moment(server.deleted_at),
        "OS-EXT-STS:task_state": server.task_state,
        "OS-EXT-STS:vm_state": server.vm_state,
        "OS-EXT-STS:power_state": server.power_state,
        "os-extended-volumes:volumes_attached": [_volume(call, row) for row in server.volumes],
    }
    if groups := compute.plugs.groups(server):
        shown["security_groups"] = [{"name": name} for name in groups]
    if status in _WITH_PROGRESS:
        shown["progress"] = server.progress
    if status in _WITH_FAULT and server.fault is not None:
        shown["fault"] = {**server.fault, "created": moment(server.fault["created"], "Z")}
    if call.caller.is_admin:
        shown |= _for_administrators(call, server)
    return shown | _newer(call, compute, server, one=one)


def host_id(project_id: str, host: str | None) -> str:
    """What users of a project see instead of a host's name."""
    return hashlib.sha224(f"{project_id}{host}".encode()).hexdigest() if host else ""


def _newer(call: Call, compute: Compute, server: Server, *, one: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    if has(call, 9):
        shown["locked"] = server.locked
    if has(call, 16) and call.caller.is_admin:
        shown["host_status"] = _host_status(compute, server)
    if has(call, 19):
        shown["description"] = server.description
    if has(call, 26):
        shown["tags"] = server.tags
    if has(call, 63):
        shown["trusted_image_certificates"] = None
    if has(call, 71) and one:
        shown["server_groups"] = [server.group_id] if server.group_id else []
    if has(call, 73):
        shown["locked_reason"] = server.locked_reason
    if has(call, 90):
        shown["OS-EXT-SRV-ATTR:hostname"] = hostname(server)
    if has(call, 96):
        shown["pinned_availability_zone"] = server.zone
    return shown


def _for_administrators(call: Call, server: Server) -> dict[str, Any]:
    prefix = "OS-EXT-SRV-ATTR:"
    shown: dict[str, Any] = {
        f"{prefix}host": server.host,
        f"{prefix}instance_name": f"instance-{server.number:08x}",
        f"{prefix}hypervisor_hostname": server.host,
    }
    if has(call, 3):
        shown |= {
            f"{prefix}hostname": hostname(server),
            f"{prefix}kernel_id": "",
            f"{prefix}launch_index": server.launch_index,
            f"{prefix}ramdisk_id": "",
            f"{prefix}reservation_id": server.reservation_id,
            f"{prefix}root_device_name": "/dev/vda",
            f"{prefix}user_data": server.user_data,
        }
    return shown


def hostname(server: Server) -> str:
    """The name of the guest in its own eyes."""
    kept = "".join(letter if letter.isalnum() or letter == "-" else "-" for letter in server.name.lower())
    return kept.strip("-") or f"server-{server.id}"


def _flavor(call: Call, flavor: Flavor) -> dict[str, Any]:
    if not has(call, 47):
        return {"id": flavor.id, "links": links(call, "flavors", flavor.id)[1:]}
    return {
        "vcpus": flavor.vcpus,
        "ram": flavor.ram,
        "disk": flavor.disk,
        "ephemeral": flavor.ephemeral,
        "swap": flavor.swap,
        "original_name": flavor.name,
        "extra_specs": flavor.extra_specs,
    }


def _volume(call: Call, row: dict[str, Any]) -> dict[str, Any]:
    shown = {"id": row["volume_id"]}
    if has(call, 3):
        shown["delete_on_termination"] = row["delete_on_termination"]
    return shown


def _zone(compute: Compute, server: Server) -> str:
    return compute.hosts.zone_of(server.host) if server.host else server.zone or ""


def _host_status(compute: Compute, server: Server) -> str:
    if server.host is None:
        return ""
    host = compute.tables.hosts[server.host]
    if host.service_id is None:
        return ""
    if host.forced_down:
        return "DOWN"
    if not host.enabled:
        return "MAINTENANCE"
    return "UP" if compute.hosts.is_up(host) else "UNKNOWN"
