"""What Cinder and Glance say and are told in a tenant's project."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.errors import NotFound
from cloudmanager.openstack.calls import segment
from cloudmanager.openstack.cinder import VERSION, EachVolume
from cloudmanager.openstack.clone_shapes import image_from
from cloudmanager.openstack.glance import Images
from cloudmanager.openstack.shapes import moment
from cloudmanager.openstack.tenant_records import Allowance, Backup
from cloudmanager.openstack.tenant_servers import TenantServers, allowances

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from cloudmanager.openstack.definitions import Image, Made, Volume
    from cloudmanager.openstack.records import Accepted

_FOR_ALL = ("public", "community")
_LIMITS = {
    "volumes": ("maxTotalVolumes", "totalVolumesUsed"),
    "gigabytes": ("maxTotalVolumeGigabytes", "totalGigabytesUsed"),
    "volume_snapshots": ("maxTotalSnapshots", "totalSnapshotsUsed"),
    "backups": ("maxTotalBackups", "totalBackupsUsed"),
}


class TenantStorage(TenantServers, EachVolume, Images):
    """Volumes, images and backups of one project."""

    # --- volumes --------------------------------------------------------------------------------------------

    async def volume(self, volume_id: str) -> Volume:
        """One volume."""
        return self._own(await super().volume(volume_id))

    async def create_volume(self, name: str, size_gb: int, marker: Mapping[str, str]) -> Made:
        """Begin an empty volume. Asked twice it makes two: look for the marker."""
        return await self._make(
            "create_volume", "volume", {"name": name, "size": size_gb, "metadata": dict(marker)}
        )

    def _own(self, volume: Volume) -> Volume:
        if volume.project_id not in (None, self.project_id):
            raise NotFound(f"project {self.project_id} has no volume {volume.id}")
        return volume

    async def storage_allowances(self) -> Mapping[str, Allowance]:
        """Of `volumes`, `gigabytes`, `volume_snapshots` and `backups`."""
        answer = await self._cinder.get("storage_allowances", "limits", speech=VERSION)
        return allowances(answer.part("limits")["absolute"], _LIMITS)

    # --- images ---------------------------------------------------------------------------------------------

    async def image(self, image_id: str) -> Image:
        """One image that the project may use: its own, one for all, or one that is shared with it."""
        path = f"images/{segment(image_id)}"
        body = (await self._glance.get("image", path)).body
        if body.get("owner") != self.project_id and body.get("visibility") not in _FOR_ALL:
            try:
                await self._glance.get("image", f"{path}/members/{segment(self.project_id)}")
            except NotFound:
                raise NotFound(f"there is no image {image_id}") from None
        return image_from(body)

    async def snapshots(self) -> Sequence[Image]:
        """The images of the project's own servers."""
        query = {"owner": self.project_id}
        found = await self._glance.pages("snapshots", "images", "images", query)
        return tuple(image_from(body) for body in found if self._is_snapshot(body))

    def _is_snapshot(self, body: Mapping[str, Any]) -> bool:
        """Nova says of what an image was made; of a server that boots from a volume only its volumes."""
        is_one = body.get("image_type") == "snapshot" or "block_device_mapping" in body
        return is_one and body.get("owner") == self.project_id

    # --- backups --------------------------------------------------------------------------------------------

    async def backups(self) -> Sequence[Backup]:
        """All backups of the project; without `all_tenants` nobody gets those of others."""
        found = await self._cinder.pages("backups", "backups/detail", "backups", {}, speech=VERSION)
        return tuple(_backup_from(body) for body in found)

    async def create_backup(self, volume_id: str, name: str, mark: str) -> Made:
        """Begin a backup of a volume, in use or not. Asked twice it makes two: look for the mark."""
        wish = {"volume_id": volume_id, "name": name, "description": mark, "force": True}
        return await self._make("create_backup", "backup", wish)

    async def delete_backup(self, backup_id: str) -> Accepted:
        """Begin to delete a backup; one that is gone is deleted."""
        return await self._delete("delete_backup", "backups", segment(backup_id))


def _backup_from(body: Mapping[str, Any]) -> Backup:
    return Backup(
        id=body["id"],
        name=body.get("name"),
        status=body["status"],
        volume_id=body["volume_id"],
        size_gb=body["size"],
        description=body.get("description"),
        created_at=moment(body.get("created_at")),
    )
