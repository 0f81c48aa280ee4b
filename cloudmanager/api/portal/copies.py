"""Snapshots of instances, and backups of volumes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudmanager.api.answers import answer, nothing
from cloudmanager.api.portal.door import STARTED, ask, begin, blueprint, tenant_operation
from cloudmanager.api.portal.presenting import present_backup, present_snapshot
from cloudmanager.api.portal.quotas import check_room
from cloudmanager.api.portal.shapes import BackupShape, BackupVolume, SnapshotInstance, SnapshotShape, every
from cloudmanager.errors import Conflict, NotFound
from cloudmanager.flows.servers.clone import why_not_copied

if TYPE_CHECKING:
    from uuid import UUID

    from flask import Response

    from cloudmanager.openstack.tenant_port import TenantCloud

__all__ = ["blueprint"]

_WHOLE = ("available", "in-use")
_AT_REST = ("available", "error")


@tenant_operation(
    "GET",
    "/snapshots",
    name="list_portal_snapshots",
    summary="List the snapshots of the project",
    answers={200: every(SnapshotShape())},
)
def list_snapshots() -> Response:
    """Images of instances of the project."""
    return answer([present_snapshot(image) for image in ask(lambda cloud: cloud.snapshots())])


@tenant_operation(
    "POST",
    "/snapshot",
    name="snapshot_portal_instance",
    summary="Make a snapshot of an instance",
    body=SnapshotInstance(),
    answers={200: STARTED},
    errors=(404, 409),
)
def snapshot_instance(body: dict[str, Any]) -> Response:
    """It must run, or be stopped or asleep, and Nova do nothing else with it."""
    server = ask(lambda cloud: cloud.server(str(body["instance_id"])))
    if why := why_not_copied(server):
        raise Conflict(why)
    params = {"server_id": server.id, "name": body["snapshot_name"]}
    return begin("snapshot-instance", f"server:{server.id}", params, "Snapshot creation started")


@tenant_operation(
    "DELETE",
    "/snapshot/<uuid:snapshot_id>",
    name="delete_portal_snapshot",
    summary="Delete a snapshot",
    answers={204: None},
    errors=(409,),
)
def delete_snapshot(snapshot_id: UUID) -> Response:
    """Other images of the project are none, and stay."""

    async def deleted(cloud: TenantCloud) -> None:
        if str(snapshot_id) not in {image.id for image in await cloud.snapshots()}:
            raise NotFound(f"there is no snapshot {snapshot_id}")
        await cloud.delete_image(str(snapshot_id))

    ask(deleted)
    return nothing()


@tenant_operation(
    "GET",
    "/backups",
    name="list_portal_backups",
    summary="List the backups of the project",
    answers={200: every(BackupShape())},
)
def list_backups() -> Response:
    """Of all its volumes."""
    return answer([present_backup(one) for one in ask(lambda cloud: cloud.backups())])


@tenant_operation(
    "POST",
    "/backup",
    name="backup_portal_volume",
    summary="Make a backup of a volume",
    body=BackupVolume(),
    answers={200: STARTED},
    errors=(404, 409),
)
def backup_volume(body: dict[str, Any]) -> Response:
    """Also of one that an instance uses: what its guest has not written is not in it."""

    async def looked(cloud: TenantCloud) -> str:
        volume = await cloud.volume(str(body["volume_id"]))
        if volume.status not in _WHOLE:
            raise Conflict(f"volume {volume.id} is {volume.status}: it has to be available or in use")
        check_room(await cloud.storage_allowances(), {"backups": 1})
        return volume.id

    volume_id = ask(looked)
    params = {"volume_id": volume_id, "name": body["backup_name"]}
    return begin("backup-volume", f"volume:{volume_id}", params, "Backup creation started")


@tenant_operation(
    "DELETE",
    "/backup/<uuid:backup_id>",
    name="delete_portal_backup",
    summary="Delete a backup",
    answers={204: None},
    errors=(409,),
)
def delete_backup(backup_id: UUID) -> Response:
    """Cinder deletes it in its own time."""

    async def deleted(cloud: TenantCloud) -> None:
        found = [one for one in await cloud.backups() if one.id == str(backup_id)]
        if not found:
            raise NotFound(f"there is no backup {backup_id}")
        if found[0].status not in _AT_REST:
            raise Conflict(f"backup {backup_id} is {found[0].status}: wait until it is available")
        await cloud.delete_backup(found[0].id)

    ask(deleted)
    return nothing()
