"""Volumes, snapshots and images: made with a marker, found by it, deleted twice."""

import uuid

import pytest

from cloudmanager.errors import NotFound
from tests.contract.cloud.sites import eventually

NOBODY = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
def marker():
    return {"cloudmanager_contract": uuid.uuid4().hex}


async def new_volume(site):
    volume = await site.ask(site.sdk.block_storage.create_volume, size=1, name="contract")
    site.volumes.append(volume.id)
    return await eventually(lambda: site.cloud.volume(volume.id), lambda now: now.status == "available")


async def test_a_volume_is_copied(site, marker):
    volume = await new_volume(site)
    assert (volume.size_gb, volume.servers, volume.bootable) == (1, (), False)
    snapshot = await site.project.snapshot_volume(volume.id, "contract", marker)
    [found] = await eventually(
        lambda: site.project.find_snapshots(marker), lambda now: now and now[0].status == "available"
    )
    assert (found.id, found.volume_id, found.metadata) == (snapshot.id, volume.id, marker)
    copy = await site.project.create_volume_from_snapshot(snapshot.id, "copy", marker)
    site.volumes.append(copy.id)
    found = await eventually(lambda: site.cloud.volume(copy.id), lambda now: now.status == "available")
    assert (found.snapshot_id, found.name, found.metadata) == (snapshot.id, "copy", marker)
    assert [one.id for one in await site.project.find_volumes(marker)] == [copy.id]
    assert not await site.project.find_volumes({"cloudmanager_contract": "nothing"})
    for _ in range(2):
        await site.project.delete_volume(copy.id)
    for _ in range(2):
        await site.project.delete_snapshot(snapshot.id)
    await eventually(lambda: site.project.find_snapshots(marker), lambda found: not found)
    await eventually(lambda: site.project.find_volumes(marker), lambda found: not found)
    await site.project.delete_snapshot(snapshot.id)
    await site.project.delete_volume(copy.id)


async def test_where_a_volume_lies(site):
    volume = await new_volume(site)
    assert volume.stored_as == volume.id
    pools = {pool.name: pool for pool in await site.cloud.storage_pools()}
    pool = pools[volume.pool]
    assert volume.pool.startswith(f"{pool.host}@")
    assert pool.backend
    assert pool.protocol
    assert (pool.free_gb is None) == (pool.total_gb is None)
    if pool.total_gb is not None:  # a backend may say "infinite" or "unknown"
        assert 0 <= pool.free_gb < pool.total_gb
    found = {one.id: one for one in await site.cloud.all_volumes()}
    assert found[volume.id] == await site.cloud.volume(volume.id)


async def test_a_volume_group_is_told(simulated):
    cloud = simulated.cloud()
    (pool,) = await cloud.storage_pools()
    await cloud.close()
    assert (pool.name, pool.host, pool.backend) == ("storage1@lvm#lvm", "storage1", "lvm")
    assert (pool.protocol, pool.total_gb, pool.volume_group) == ("iSCSI", 40.0, "cinder-volumes")


async def test_a_volume_is_attached_twice(site):
    server, volume = await site.boot(), await new_volume(site)
    await site.cloud.attach_volume(server.id, volume.id)
    await site.cloud.attach_volume(server.id, volume.id)
    found = await eventually(lambda: site.cloud.volume(volume.id), lambda now: now.status == "in-use")
    assert found.servers == (server.id,)
    definition = await site.cloud.server_definition(server.id)
    assert [(one.volume_id, one.boot_index) for one in definition.attachments] == [(volume.id, None)]
    assert definition.attachments[0].device
    assert [one.id for one in (await site.cloud.server(server.id)).volumes] == [volume.id]
    await site.ask(site.sdk.compute.delete_volume_attachment, server.id, volume.id)
    await eventually(lambda: site.cloud.volume(volume.id), lambda now: now.status == "available")


async def test_an_image_of_a_server(site, marker):
    server = await site.boot()
    made = await site.project.create_image(server.id, "contract", marker)
    found = await site.cloud.image(made.id)
    assert (found.id, found.name) == (made.id, "contract")
    assert found.status in {"queued", "saving", "active"}
    assert [one.id for one in await site.project.find_images(marker)] == [made.id]
    await site.settled(server.id, "active")
    for _ in range(2):
        await site.project.delete_image(made.id)
    assert not await site.project.find_images(marker)


async def test_what_is_not_there_is_not_found(site):
    for look in (site.cloud.volume, site.cloud.image, site.cloud.server_definition):
        with pytest.raises(NotFound):
            await look(NOBODY)
    for end in (site.project.delete_volume, site.project.delete_snapshot, site.project.delete_image):
        assert await end(NOBODY)
