"""What is looked at before clones are begun: whether their project is open to us, and has room for them.

Nova and Cinder check quotas themselves, but when disks may have been copied for hours.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cloudmanager.errors import Conflict, Forbidden, NotFound
from cloudmanager.openstack.tenant_records import lacking

if TYPE_CHECKING:
    from cloudmanager.openstack.records import Server
    from cloudmanager.openstack.tenant_port import TenantCloud, TenantClouds


async def check_project(clouds: TenantClouds, server: Server, count: int) -> None:
    """Raise `Conflict` when so many clones of a server cannot be made in its project."""
    if server.project_id is None:
        return
    project = clouds.of(server.project_id)
    try:
        await project.log_in()
        short = await _short_of_compute(project, server, count)
        short += await _short_of_storage(project, server, count)
    except (Forbidden, NotFound) as refused:  # it may have a volume of another project
        raise Conflict(refused.message) from None
    if short:
        raise Conflict(
            f"the quota of project {server.project_id} has no room for {count} clones: {'; '.join(short)}; "
            "raise it, or make fewer"
        )


async def _short_of_compute(project: TenantCloud, server: Server, count: int) -> list[str]:
    wanted = {"instances": count}
    if server.flavor is not None:
        wanted |= {"cores": count * server.flavor.vcpus, "ram_mb": count * server.flavor.ram_mb}
    return lacking(await project.compute_allowances(), wanted)


async def _short_of_storage(project: TenantCloud, server: Server, count: int) -> list[str]:
    """Gigabytes of snapshots are left out: Cinder may be told not to count them."""
    if not server.volumes:
        return []
    volumes = await asyncio.gather(*(project.volume(volume.id) for volume in server.volumes))
    wanted = {
        "volumes": count * len(volumes),
        "gigabytes": count * sum(volume.size_gb for volume in volumes),
        "volume_snapshots": len(volumes),
    }
    return lacking(await project.storage_allowances(), wanted)
