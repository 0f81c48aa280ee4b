"""Servers that change their host; each is asked for twice."""

import pytest

from cloudmanager.errors import CloudRefused, NotFound
from tests.contract.cloud.sites import eventually


async def test_a_live_migration_asked_twice_is_one(site):
    source, destination = site.hosts[:2]
    server = await site.boot(source)
    first = await site.cloud.live_migrate(server.id, destination)
    await eventually(lambda: site.cloud.server(server.id), lambda now: now.task_state == "migrating", 5)
    second = await site.cloud.live_migrate(server.id, destination)
    assert first.request_id.startswith("req-")
    assert second.request_id.startswith("req-")
    running = await eventually(site.cloud.running_migrations, bool, 5)
    assert server.id in {one.server_id for one in running}
    migration = await site.moved(server.id, "completed")
    assert (migration.type, migration.source, migration.destination) == (
        "live-migration",
        source,
        destination,
    )
    assert migration.ended
    assert not migration.failed
    assert (await site.settled(server.id, "active")).host == destination
    assert len(await site.cloud.migrations_of(server.id)) == 1
    assert migration.id in {one.id for one in await site.cloud.migrations_of_host(source)}
    assert migration.id in {one.id for one in await site.cloud.migrations_of_host(destination)}
    assert await site.cloud.live_migration(server.id, migration.id) is None
    await site.cloud.abort_migration(server.id, migration.id)
    await site.cloud.force_complete(server.id, migration.id)
    assert server.id in {one.id for one in await site.cloud.servers_on(destination)}
    assert server.id not in {one.id for one in await site.cloud.servers_on(source)}


async def test_a_live_migration_shows_its_progress_and_is_aborted_twice(site):
    server = await site.boot(site.hosts[0])
    await site.cloud.live_migrate(server.id, site.hosts[1])
    migration = await site.moved(server.id, "running")
    progress = await site.cloud.live_migration(server.id, migration.id)
    assert progress.migration_id == migration.id
    await site.cloud.abort_migration(server.id, migration.id)
    migration = await site.moved(server.id, "cancelled")
    assert migration.failed
    await site.cloud.abort_migration(server.id, migration.id)
    assert (await site.settled(server.id, "active")).host == site.hosts[0]
    with pytest.raises((CloudRefused, NotFound)):
        await site.cloud.force_complete(server.id, migration.id)


async def test_why_a_live_migration_failed_is_told(site):
    server = await site.boot(site.hosts[0])
    await site.cloud.cordon(site.hosts[1], "contract")
    accepted = await site.cloud.live_migrate(server.id, site.hosts[1])
    assert (await site.moved(server.id, "error")).failed
    why = await eventually(lambda: site.cloud.why(server.id, accepted.request_id), bool, 10)
    assert len(why) > len("Error")
    assert await site.cloud.why(server.id, None) is None
    assert await site.cloud.why(server.id, "req-00000000-0000-0000-0000-000000000000") is None


async def test_a_cold_migration_is_confirmed_twice(site):
    server = await site.boot(site.hosts[0])
    await site.cloud.cold_migrate(server.id, site.hosts[1])
    await site.moved(server.id, "finished")
    await site.settled(server.id, "resized")
    await site.cloud.confirm_resize(server.id)
    await site.moved(server.id, "confirmed")
    await site.cloud.confirm_resize(server.id)
    assert (await site.settled(server.id, "active")).host == site.hosts[1]


async def test_a_cold_migration_asked_twice_is_taken_back_twice(site):
    server = await site.boot(site.hosts[0])
    for _ in range(2):
        await site.cloud.cold_migrate(server.id, site.hosts[1])
    await site.settled(server.id, "resized")
    await site.cloud.revert_resize(server.id)
    await site.moved(server.id, "reverted")
    await site.cloud.revert_resize(server.id)
    assert (await site.settled(server.id, "active")).host == site.hosts[0]
    assert len(await site.cloud.migrations_of(server.id)) == 1


async def test_only_what_runs_is_migrated_live(site):
    server = await site.boot()
    await site.cloud.stop(server.id)
    await site.settled(server.id, "stopped")
    with pytest.raises(CloudRefused) as refused:
        await site.cloud.live_migrate(server.id)
    assert refused.value.status == 409
    assert refused.value.request_id in refused.value.message


async def test_a_host_that_lives_is_not_evacuated(site):
    server = await site.boot()
    with pytest.raises(CloudRefused, match="still in use") as refused:
        await site.cloud.evacuate(server.id)
    assert refused.value.status == 400


async def test_an_evacuated_server_runs_again(site, place):
    source = site.hosts[0]
    server = await site.boot(source)
    await place.kill(source)
    try:
        await site.cloud.force_down(source)
        await site.cloud.evacuate(server.id)
        await site.cloud.evacuate(server.id)
        await site.moved(server.id, "done")
        found = await eventually(
            lambda: site.cloud.server(server.id), lambda now: now.task_state is None and now.host != source
        )
        assert found.vm_state == "active"
        assert len(await site.cloud.migrations_of(server.id)) == 1
        with pytest.raises(CloudRefused, match="evacuation"):
            await site.cloud.release_force_down(source)
    finally:
        await place.revive(source)
        await eventually(lambda: _released(site, source), bool)
    await eventually(lambda: site.cloud.service(source), lambda service: service.up)


async def _released(site, host):
    try:
        await site.cloud.release_force_down(host)
    except CloudRefused:
        return False
    return True
