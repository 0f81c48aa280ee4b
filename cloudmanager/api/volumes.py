"""Volumes on Cinder's LVM backends: where they lie, who holds their locks; mirroring and moving them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from flask_smorest import Blueprint
from marshmallow import Schema, fields

from cloudmanager.api.answers import accepted, answer
from cloudmanager.api.body import Body
from cloudmanager.api.document.answers import Answer
from cloudmanager.api.fields import Flag, text, whole
from cloudmanager.api.hosts import LONGEST
from cloudmanager.api.idempotency import keep
from cloudmanager.api.listing import next_link
from cloudmanager.api.node_power import start_flow
from cloudmanager.api.operation import listed, operation, wrapped
from cloudmanager.api.rows import RowQuery
from cloudmanager.api.services import services
from cloudmanager.api.volume_backends import (
    ERRORS,
    FILTERS,
    LogicalVolumeShape,
    shown_volume,
    text_of,
)
from cloudmanager.errors import Conflict, InvalidInput
from cloudmanager.flows.volumes.mirror import plan_to_mirror
from cloudmanager.flows.volumes.pv_migrate import plan_to_move
from cloudmanager.tokens import Role
from cloudmanager.volumes.backends import (
    Place,
    group_on,
    lock_on,
    looked_at,
    lv_name,
    lvm_pools,
    placed,
    pool_of,
    with_nodes,
)
from cloudmanager.volumes.rules import MOST_COPIES, why_held, why_not_mirror, why_not_move

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from flask import Response

    from cloudmanager.api.rows import Picked
    from cloudmanager.flows.volumes.plan import VolumePlan
    from cloudmanager.host.lvm import LogicalVolume, VolumeGroup
    from cloudmanager.host.port import HostPort
    from cloudmanager.host.sanlock import Lock
    from cloudmanager.openstack.definitions import StoragePool, Volume
    from cloudmanager.openstack.port import CloudPort

blueprint = Blueprint("volumes", __name__, url_prefix="/v1", description="Volumes on Cinder's LVM backends")

# --- shapes ------------------------------------------------------------------------------------------------


class VolumeSummary(Schema):
    """A volume of Cinder, and the logical volume that holds it."""

    volume_id = fields.String()
    volume_backend_name = fields.String(allow_none=True)
    host = fields.String()
    thin_enabled = fields.Boolean(allow_none=True)
    logical_volume = fields.Nested(LogicalVolumeShape, allow_none=True)
    error = fields.String(allow_none=True)


class VolumeShape(VolumeSummary):
    """The same, with the locks of a shared volume group."""

    lock_hosts = fields.List(fields.String())
    lock_exclusive = fields.Boolean()


class VolumePlanShape(Schema):
    """What would be done with a volume; nothing has been started."""

    action = fields.String()
    volume_id = fields.String()
    host = fields.String()
    vg_name = fields.String()
    lv_name = fields.String()
    acts = fields.List(fields.String())
    reason = fields.String(allow_none=True)


class VolumeAction(Body):
    """An action on a volume; with `dry_run` it is only said what would be done."""

    deadline = whole(1, LONGEST)
    dry_run = Flag()


class MirrorVolume(VolumeAction):
    """How many copies of a volume to keep besides the first."""

    mirror_count = whole(0, MOST_COPIES, required=True)


class MigrateVolume(VolumeAction):
    """Which physical volume to empty of a volume, and where to."""

    source_pv = text(255, min_length=1, required=True)
    dest_pv = text(255, min_length=1, allow_none=True)


PLAN = Answer(wrapped(VolumePlanShape(), "plan"), "The plan, for `dry_run`.")


# --- reading -----------------------------------------------------------------------------------------------


@operation(
    blueprint,
    "GET",
    "/volumes/",
    role=Role.READER,
    name="list_volumes",
    summary="List volumes that lie on LVM backends",
    query=RowQuery(FILTERS),
    answers={200: Answer(listed(VolumeSummary(), "volumes"), headers=("Link",))},
    errors=ERRORS,
)
def list_volumes(query: Picked) -> Response:
    """Of all projects, by id. Where LVM cannot be asked, `logical_volume` is null and `error` says why."""
    volumes, pools = services().cloud.ask(_all_volumes)
    with services().database.reading() as session:
        backends = with_nodes(session, pools)
    places, found = query.of(placed(volumes, backends), lambda place, name: text_of(place.backend, name))
    wanted = {place.backend.pool.name: place.backend for place in places}
    known = services().host.ask(lambda host: looked_at(host, list(wanted.values())))
    shown = [_summary(place) for place in placed([place.volume for place in places], known)]
    return answer({"volumes": shown}, headers=next_link(query.window, found))


@operation(
    blueprint,
    "GET",
    "/volumes/<uuid:volume_id>",
    role=Role.READER,
    name="get_volume",
    summary="Show a volume with where it lies and its locks",
    answers={200: Answer(wrapped(VolumeShape(), "volume"))},
    errors=(409, *ERRORS),
)
def get_volume(volume_id: UUID) -> Response:
    """As Cinder, LVM and sanlock know it now."""
    seen = _look(str(volume_id))
    locked = {"lock_hosts": list(seen.lock.hosts), "lock_exclusive": seen.lock.exclusive}
    return answer({"volume": {**_summary(seen.place), **locked}})


async def _all_volumes(cloud: CloudPort) -> tuple[Sequence[Volume], list[StoragePool]]:
    return await cloud.all_volumes(), await lvm_pools(cloud)


@dataclass(frozen=True)
class _Seen:
    """One volume as it is now."""

    place: Place
    group: VolumeGroup
    logical: LogicalVolume
    lock: Lock


def _look(volume_id: str) -> _Seen:
    """Ask Cinder, LVM and sanlock for a volume; `Conflict` when there is no logical volume to ask for."""

    async def found(cloud: CloudPort) -> tuple[Volume, list[StoragePool]]:
        return await cloud.volume(volume_id), await lvm_pools(cloud)

    volume, pools = services().cloud.ask(found)
    with services().database.reading() as session:
        [backend] = with_nodes(session, [pool_of(volume, pools)])
    if backend.node_id is None:
        raise Conflict(f"{backend.error}, so LVM there cannot be asked: create the node")
    node_id = backend.node_id

    async def look(host: HostPort) -> _Seen:
        group = await group_on(host, node_id, backend.group_name)
        logical = group.volumes.get(lv_name(volume))
        if logical is None:
            raise Conflict(f"volume group {group.name} on {backend.pool.host} has no {lv_name(volume)}")
        place = Place(volume, replace(backend, group=group), logical)
        return _Seen(place, group, logical, await lock_on(host, node_id, group, logical))

    return services().host.ask(look)


def _summary(place: Place) -> dict[str, Any]:
    backend, logical, error = place.backend, place.logical, place.backend.error
    if backend.group and logical is None:
        error = f"volume group {backend.group.name} has no {place.lv_name}"
    return {
        "volume_id": place.volume.id,
        "volume_backend_name": backend.pool.backend,
        "host": backend.pool.host,
        "thin_enabled": logical.thin if logical else None,
        "logical_volume": shown_volume(backend.group, logical) if backend.group and logical else None,
        "error": error,
    }


# --- actions -----------------------------------------------------------------------------------------------


@operation(
    blueprint,
    "POST",
    "/volumes/<uuid:volume_id>/actions/mirror",
    role=Role.ADMIN,
    name="mirror_volume",
    summary="Keep so many copies of a volume besides the first",
    body=MirrorVolume(),
    answers={202: None, 200: PLAN},
    errors=(409, *ERRORS),
)
def mirror_volume(volume_id: UUID, body: dict[str, Any]) -> Response:
    """Each copy lies on physical volumes of its own; 0 ends mirroring. The task is in `Location`."""
    seen = _look(str(volume_id))
    if body.pop("dry_run", False):
        return _planned("mirror", seen, plan_to_mirror(seen.group, seen.logical, body["mirror_count"]))
    _refuse_held(seen)
    if why := why_not_mirror(seen.group, seen.logical, body["mirror_count"]):
        raise Conflict(why, {"mirror_count": [why]})
    return _started("mirror-volume", seen.place, body)


@operation(
    blueprint,
    "POST",
    "/volumes/<uuid:volume_id>/actions/pv-migrate",
    role=Role.ADMIN,
    name="pv_migrate_volume",
    summary="Move what a volume has on one physical volume to others",
    body=MigrateVolume(),
    answers={202: None, 200: PLAN},
    errors=(409, *ERRORS),
)
def pv_migrate_volume(volume_id: UUID, body: dict[str, Any]) -> Response:
    """While the volume is used. Without `dest_pv` LVM chooses. The task is in `Location`."""
    seen = _look(str(volume_id))
    source, destination = body["source_pv"], body.get("dest_pv")
    _refuse_strange(seen.group, {"source_pv": source, "dest_pv": destination})
    if body.pop("dry_run", False):
        return _planned("pv-migrate", seen, plan_to_move(seen.group, seen.logical, source, destination))
    _refuse_held(seen)
    logical = seen.logical
    if logical.move is None and (why := why_not_move(seen.group, logical, source, destination)):
        raise Conflict(why, {"dest_pv" if destination and source in logical.disks else "source_pv": [why]})
    return _started("pv-migrate-volume", seen.place, body)


def _planned(action: str, seen: _Seen, plan: VolumePlan) -> Response:
    """What would be done; a lock that is held elsewhere keeps us from all of it."""
    held = _why_held(seen)
    what = {
        "action": action,
        "volume_id": seen.place.volume.id,
        "host": seen.place.backend.pool.host,
        "vg_name": seen.group.name,
        "lv_name": seen.logical.name,
        "acts": [] if held else list(plan.acts),
        "reason": held or plan.reason,
    }
    return answer({"plan": what})


def _why_held(seen: _Seen) -> str | None:
    return why_held(seen.lock, seen.place.backend.pool.host)


def _refuse_held(seen: _Seen) -> None:
    if why := _why_held(seen):
        raise Conflict(f"volume {seen.place.volume.id}: {why}")


def _refuse_strange(group: VolumeGroup, disks: dict[str, str | None]) -> None:
    text = f"Not a physical volume of {group.name}, which has {', '.join(group.disks)}."
    wrong = {name: [text] for name, disk in disks.items() if disk is not None and disk not in group.disks}
    if disks["source_pv"] == disks["dest_pv"]:
        wrong["dest_pv"] = ["The same as source_pv."]
    if wrong:
        raise InvalidInput(f"wrong physical volumes: {', '.join(wrong)}", wrong)


def _started(kind: str, place: Place, body: dict[str, Any]) -> Response:
    deadline = body.pop("deadline", None)
    where = {
        "volume_id": place.volume.id,
        "node_id": place.backend.node_id,
        "host": place.backend.pool.host,
        "group": place.backend.group_name,
        "volume": place.lv_name,
    }
    with services().database.transaction() as session:
        subject = f"volume:{place.volume.id}"
        task_id = start_flow(session, kind, subject, {**where, **body}, timeout=deadline)
        return keep(session, accepted(task_id))
