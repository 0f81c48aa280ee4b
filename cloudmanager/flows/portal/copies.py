"""`snapshot-instance` and `backup-volume`: copies that a tenant keeps.

Parameters: `project_id`, `name`, and `server_id` or `volume_id`. What ends in an error is deleted again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.flows.base import Done, Flow, Outcome
from cloudmanager.flows.portal.marks import QUEUE, cloud_of, mark, marker
from cloudmanager.flows.servers.clone import await_all, first_id
from cloudmanager.flows.servers.clone_undo import deletable, delete_all

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudmanager.flows.run import Run
    from cloudmanager.openstack.definitions import Image
    from cloudmanager.openstack.tenant_records import Backup

# --- snapshots ---------------------------------------------------------------------------------------------


async def make_snapshot(run: Run) -> Outcome:
    """Begin an image of its disk."""
    cloud = cloud_of(run)
    known = await cloud.find_images(marker(run)) if run.attempt > 1 else ()
    image_id = first_id(known)
    if image_id is None:
        image_id = (await cloud.create_image(run.params["server_id"], run.params["name"], marker(run))).id
    run.memo["image_id"] = image_id
    run.result = {"snapshot_id": image_id}
    return Done("the image is begun")


async def await_snapshot(run: Run) -> Outcome:
    """Watch until the image is there."""
    found: Sequence[Image] = await cloud_of(run).find_images(marker(run))
    return await await_all(run, "snapshot", [run.memo["image_id"]], found)


async def delete_snapshot(run: Run) -> Outcome:
    """Undo: the image."""
    found = await cloud_of(run).find_images(marker(run))
    return await delete_all(run, "snapshot", found, found, cloud_of(run).delete_image)


# --- backups -----------------------------------------------------------------------------------------------


async def make_backup(run: Run) -> Outcome:
    """Begin the backup."""
    known = await _own(run) if run.attempt > 1 else ()
    backup_id = first_id(known)
    if backup_id is None:
        made = await cloud_of(run).create_backup(run.params["volume_id"], run.params["name"], mark(run))
        backup_id = made.id
    run.memo["backup_id"] = backup_id
    run.result = {"backup_id": backup_id}
    return Done("the backup is begun")


async def await_backup(run: Run) -> Outcome:
    """Watch until the backup is there."""
    return await await_all(run, "backup", [run.memo["backup_id"]], await _own(run))


async def delete_backup(run: Run) -> Outcome:
    """Undo: the backup."""
    found = await _own(run)
    return await delete_all(run, "backup", found, deletable(found), cloud_of(run).delete_backup)


async def _own(run: Run) -> Sequence[Backup]:
    return [one for one in await cloud_of(run).backups() if one.description == mark(run)]


SNAPSHOT_INSTANCE = Flow(
    kind="snapshot-instance",
    summary="Make an image of an instance's disk",
    queue=QUEUE,
    steps=(make_snapshot, await_snapshot),
    undo=(delete_snapshot,),
)
BACKUP_VOLUME = Flow(
    kind="backup-volume",
    summary="Make a backup of a volume",
    queue=QUEUE,
    steps=(make_backup, await_backup),
    undo=(delete_backup,),
)
