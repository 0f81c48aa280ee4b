"""Volumes and their snapshots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudmanager.errors import CloudRefused, NotFound
from cloudmanager.openstack.calls import segment
from cloudmanager.openstack.clone_shapes import pool_from, snapshot_from, volume_from
from cloudmanager.openstack.clones import carries
from cloudmanager.openstack.definitions import Made
from cloudmanager.openstack.part import Part
from cloudmanager.openstack.records import Accepted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloudmanager.openstack.definitions import Snapshot, StoragePool, Volume

VERSION = "3.27"
"""3.22 finds snapshots by metadata; before 3.66 one says that a volume may be in use while it is copied."""


class EachVolume(Part):
    """Volumes and snapshots, in whichever project we are logged in.

    What is made is that project's: a snapshot too, although an administrator may take one of others' volumes.
    """

    async def volume(self, volume_id: str) -> Volume:
        """One volume."""
        return volume_from(await self._one("volume", "volumes", volume_id))

    async def delete_volume(self, volume_id: str) -> Accepted:
        """Begin to delete a volume; one that is gone is deleted."""
        return await self._delete("delete_volume", "volumes", volume_id)

    async def find_volumes(self, marker: Mapping[str, str]) -> Sequence[Volume]:
        """The volumes whose metadata has all of the marker."""
        found = await self._marked("find_volumes", "volumes", marker)
        return tuple(volume_from(body) for body in found)

    async def find_snapshots(self, marker: Mapping[str, str]) -> Sequence[Snapshot]:
        """The snapshots whose metadata has all of the marker."""
        found = await self._marked("find_snapshots", "snapshots", marker)
        return tuple(snapshot_from(body) for body in found)

    async def snapshot_volume(self, volume_id: str, name: str, marker: Mapping[str, str]) -> Made:
        """Begin a snapshot of a volume, in use or not. Asked twice it makes two: look for the marker."""
        wish = {"volume_id": volume_id, "name": name, "force": True, "metadata": dict(marker)}
        return await self._make("snapshot_volume", "snapshot", wish)

    async def create_volume_from_snapshot(
        self, snapshot_id: str, name: str, marker: Mapping[str, str]
    ) -> Made:
        """Begin a volume with what a snapshot holds. Asked twice it makes two: look for the marker."""
        wish = {"snapshot_id": snapshot_id, "name": name, "metadata": dict(marker)}
        return await self._make("create_volume_from_snapshot", "volume", wish)

    async def delete_snapshot(self, snapshot_id: str) -> Accepted:
        """Begin to delete a snapshot; one that is gone is deleted."""
        return await self._delete("delete_snapshot", "snapshots", snapshot_id)

    async def _marked(self, verb: str, kind: str, marker: Mapping[str, str]) -> list[Any]:
        query = {"metadata": str(dict(marker))}
        found = await self._cinder.pages(verb, f"{kind}/detail", kind, query, speech=VERSION)
        return [body for body in found if carries(marker, body.get("metadata") or {})]

    async def _one(self, verb: str, kind: str, name: str) -> Any:
        answer = await self._cinder.get(verb, f"{kind}/{segment(name)}", speech=VERSION)
        return answer.part(kind.removesuffix("s"))

    async def _make(self, verb: str, kind: str, wish: Mapping[str, Any]) -> Made:
        answer = await self._cinder.call(verb, "POST", f"{kind}s", body={kind: wish}, speech=VERSION)
        return Made(answer.part(kind)["id"], answer.request_id)

    async def _delete(self, verb: str, kind: str, name: str) -> Accepted:
        path = f"{kind}/{segment(name)}"
        try:
            return (await self._cinder.call(verb, "DELETE", path, speech=VERSION, repeat=True)).accepted
        except NotFound:
            return Accepted(None)
        except CloudRefused as refused:
            try:
                status = (await self._one(verb, kind, name))["status"]
            except NotFound:
                return Accepted(refused.request_id)
            if status != "deleting":
                raise
            return Accepted(refused.request_id)


class Volumes(EachVolume):
    """What Cinder says of all projects."""

    async def all_volumes(self) -> Sequence[Volume]:
        """All volumes of all projects."""
        query = {"all_tenants": "1"}
        found = await self._cinder.pages("all_volumes", "volumes/detail", "volumes", query, speech=VERSION)
        return tuple(volume_from(body) for body in found)

    async def storage_pools(self) -> Sequence[StoragePool]:
        """All pools that Cinder's scheduler knows."""
        path = "scheduler-stats/get_pools"
        answer = await self._cinder.get("storage_pools", path, {"detail": "true"}, speech=VERSION)
        return tuple(pool_from(body) for body in answer.part("pools"))
