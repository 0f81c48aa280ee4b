"""The LVM backends of Cinder, the nodes that serve them, and what lies in their volume groups.

A backend is served by the node of the inventory that has the name in Cinder's `host@backend#pool`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from sqlalchemy import select

from cloudmanager.errors import HostError, HostRefused, NotFound
from cloudmanager.host.lvm import read_report
from cloudmanager.host.sanlock import Lock, read_leases
from cloudmanager.models import Node

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy.orm import Session

    from cloudmanager.host.lvm import LogicalVolume, VolumeGroup
    from cloudmanager.host.port import HostPort
    from cloudmanager.openstack.definitions import StoragePool, Volume
    from cloudmanager.openstack.port import CloudPort

AT_ONCE: Final = 16
"""Storage nodes that are asked at once."""

SANLOCK: Final = "sanlock"
"""The lock type of a group whose leases we can read."""


@dataclass(frozen=True)
class Backend:
    """A backend. `node_id` is None without such a node; `error` is why `group` could not be looked at."""

    pool: StoragePool
    node_id: int | None
    group: VolumeGroup | None = None
    error: str | None = None

    @property
    def group_name(self) -> str:
        """Its volume group."""
        return self.pool.volume_group or ""


@dataclass(frozen=True)
class Place:
    """A volume of Cinder on its backend; `logical` is what holds it, when that could be looked at."""

    volume: Volume
    backend: Backend
    logical: LogicalVolume | None = None

    @property
    def lv_name(self) -> str:
        """What Cinder calls its logical volume, unless `volume_name_template` says otherwise."""
        return lv_name(self.volume)


def lv_name(volume: Volume) -> str:
    """The name of the logical volume that holds a volume."""
    return f"volume-{volume.stored_as or volume.id}"


async def lvm_pools(cloud: CloudPort) -> list[StoragePool]:
    """The pools of Cinder that are volume groups, by name."""
    pools = [pool for pool in await cloud.storage_pools() if pool.volume_group]
    return sorted(pools, key=lambda pool: pool.name)


def with_nodes(session: Session, pools: Iterable[StoragePool]) -> list[Backend]:
    """The pools with the nodes that serve them."""
    pools = list(pools)
    query = select(Node.name, Node.id).where(Node.name.in_([pool.host for pool in pools]))
    nodes: Mapping[str | None, int] = dict(session.execute(query).all())
    return [_backend(pool, nodes.get(pool.host)) for pool in pools]


def _backend(pool: StoragePool, node_id: int | None) -> Backend:
    lacks = None if node_id else f"no node of the inventory has the name {pool.host}"
    return Backend(pool, node_id, error=lacks)


async def looked_at(host: HostPort, backends: Sequence[Backend]) -> list[Backend]:
    """The backends with their volume groups; where that cannot be found out, with the reason."""
    free = asyncio.Semaphore(AT_ONCE)

    async def look(backend: Backend) -> Backend:
        if backend.node_id is None:
            return backend
        async with free:
            try:
                return replace(backend, group=await group_on(host, backend.node_id, backend.group_name))
            except (HostError, NotFound) as problem:
                return replace(backend, error=problem.message)

    return list(await asyncio.gather(*(look(backend) for backend in backends)))


async def group_on(host: HostPort, node_id: int, name: str) -> VolumeGroup:
    """A volume group as a storage node sees it."""
    found = read_report((await host.run(node_id, "lvm-report", {"group": name})).out)
    for group in found:
        if group.name == name:
            return group
    raise HostRefused(f"LVM on node {node_id} tells nothing of the volume group {name}")


async def lock_on(host: HostPort, node_id: int, group: VolumeGroup, volume: LogicalVolume) -> Lock:
    """Who holds a logical volume of a shared group; nobody does in one that is not shared."""
    if group.lock_type != SANLOCK:
        return Lock()
    area = await host.run(node_id, "sanlock-leases", {"area": f"/dev/mapper/{_mapped(group.name)}-lvmlock"})
    return read_leases(area.out).get(volume.uuid, Lock())


def placed(volumes: Iterable[Volume], backends: Iterable[Backend]) -> list[Place]:
    """The volumes that lie on these backends, by id."""
    of = {backend.pool.name: backend for backend in backends}
    found = [_place(volume, of[volume.pool]) for volume in volumes if volume.pool in of]
    return sorted(found, key=lambda place: place.volume.id)


def _place(volume: Volume, backend: Backend) -> Place:
    logical = backend.group.volumes.get(lv_name(volume)) if backend.group else None
    return Place(volume, backend, logical)


def pool_of(volume: Volume, pools: Sequence[StoragePool]) -> StoragePool:
    """The pool of a volume; `NotFound` when it does not lie on LVM."""
    for pool in pools:
        if pool.name == volume.pool:
            return pool
    raise NotFound(f"volume {volume.id} lies on {volume.pool or 'nothing yet'}: no LVM backend that reports")


def _mapped(name: str) -> str:
    """As device-mapper writes the name of a group, which ends at a single hyphen."""
    return name.replace("-", "--")
