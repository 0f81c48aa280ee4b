"""Cinder's LVM backends: their volume groups, and what lies in those."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask_smorest import Blueprint
from marshmallow import Schema, fields

from cloudmanager.api.answers import answer
from cloudmanager.api.document.answers import Answer
from cloudmanager.api.listing import next_link
from cloudmanager.api.operation import operation
from cloudmanager.api.rows import RowQuery
from cloudmanager.api.services import services
from cloudmanager.host.lvm import gibibytes
from cloudmanager.tokens import Role
from cloudmanager.volumes.backends import looked_at, lvm_pools, with_nodes

if TYPE_CHECKING:
    from flask import Response

    from cloudmanager.api.rows import Picked
    from cloudmanager.host.lvm import LogicalVolume, VolumeGroup
    from cloudmanager.volumes.backends import Backend

blueprint = Blueprint(
    "volume-backends",
    __name__,
    url_prefix="/v1",
    description="Cinder's LVM backends, with their volume groups",
)

FILTERS = ("volume_backend_name", "host", "vg_name")
ERRORS = (501, 502, 504)

# --- shapes ------------------------------------------------------------------------------------------------


class DeviceShape(Schema):
    """How much of a logical volume lies on a physical volume."""

    pv = fields.String()
    seg_size = fields.String()


class LogicalVolumeShape(Schema):
    """A logical volume, in the words of lvs(8)."""

    lv_name = fields.String()
    vg_name = fields.String()
    lv_attr = fields.String()
    lv_size = fields.String()
    lv_uuid = fields.String()
    mirror_count = fields.String()
    lv_status = fields.String(allow_none=True)
    devices = fields.List(fields.Nested(DeviceShape))


class PhysicalVolumeShape(Schema):
    """A physical volume, in the words of pvs(8)."""

    pv_name = fields.String()
    vg_name = fields.String()
    pv_attr = fields.String()
    pv_size = fields.String()
    pv_free = fields.String()


class BackendShape(Schema):
    """A backend with its volume group."""

    volume_backend_name = fields.String(allow_none=True)
    host = fields.String()
    vg_name = fields.String()
    protocol = fields.String(allow_none=True)
    free_size = fields.String(allow_none=True)
    total_size = fields.String(allow_none=True)
    logical_volumes = fields.List(fields.Nested(LogicalVolumeShape), allow_none=True)
    physical_volumes = fields.List(fields.Nested(PhysicalVolumeShape), allow_none=True)
    error = fields.String(allow_none=True)


# --- reading -----------------------------------------------------------------------------------------------


@operation(
    blueprint,
    "GET",
    "/volume-backends/",
    role=Role.READER,
    name="list_volume_backends",
    summary="List Cinder's LVM backends with their volume groups",
    query=RowQuery(FILTERS),
    answers={200: Answer({"type": "array", "items": BackendShape()}, headers=("Link",))},
    errors=ERRORS,
)
def list_volume_backends(query: Picked) -> Response:
    """A bare list, by host. Where LVM cannot be asked, the volumes are null and `error` says why."""
    pools = services().cloud.ask(lvm_pools)
    with services().database.reading() as session:
        backends, found = query.of(with_nodes(session, pools), text_of)
    shown = services().host.ask(lambda host: looked_at(host, backends))
    return answer([_shown(backend) for backend in shown], headers=next_link(query.window, found))


def text_of(backend: Backend, name: str) -> str | None:
    """What a filter of backends compares."""
    texts = {
        "volume_backend_name": backend.pool.backend,
        "host": backend.pool.host,
        "vg_name": backend.group_name,
    }
    return texts[name]


def _shown(backend: Backend) -> dict[str, Any]:
    pool, group = backend.pool, backend.group
    return {
        "volume_backend_name": pool.backend,
        "host": pool.host,
        "vg_name": backend.group_name,
        "protocol": pool.protocol.lower() if pool.protocol else None,
        "free_size": _gigabytes(pool.free_gb),
        "total_size": _gigabytes(pool.total_gb),
        "logical_volumes": [shown_volume(group, one) for one in group.volumes.values()] if group else None,
        "physical_volumes": _disks(group) if group else None,
        "error": backend.error,
    }


def shown_volume(group: VolumeGroup, volume: LogicalVolume) -> dict[str, Any]:
    """A logical volume as the API shows it."""
    return {
        "lv_name": volume.name,
        "vg_name": group.name,
        "lv_attr": volume.attr,
        "lv_size": gibibytes(volume.size),
        "lv_uuid": volume.uuid,
        "mirror_count": str(max(1, len(volume.images))),
        "lv_status": _status(volume),
        "devices": [
            {"pv": piece.disk, "seg_size": gibibytes(piece.extents * group.extent)} for piece in volume.pieces
        ],
    }


def _status(volume: LogicalVolume) -> str | None:
    """What LVM does with it now, or what it lacks; None when all is well."""
    if volume.move is not None:
        return "moving"
    if volume.health:
        return volume.health
    return "filling" if volume.active and not volume.synchronised else None


def _disks(group: VolumeGroup) -> list[dict[str, Any]]:
    return [
        {
            "pv_name": disk.name,
            "vg_name": group.name,
            "pv_attr": disk.attr,
            "pv_size": gibibytes(disk.size),
            "pv_free": gibibytes(disk.free),
        }
        for disk in group.disks.values()
    ]


def _gigabytes(size: float | None) -> str | None:
    """As 136.75 or 138."""
    return None if size is None else f"{size:.2f}".rstrip("0").rstrip(".")
