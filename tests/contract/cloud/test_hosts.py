"""Hosts: what the Cloud port says of them, and cordons and forced ends that are asked for twice."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from cloudmanager.errors import NotFound


async def test_a_service_is_the_one_of_its_host(site):
    service = await site.cloud.service(site.hosts[0])
    assert (service.host, service.up, service.enabled, service.forced_down) == (
        site.hosts[0],
        True,
        True,
        False,
    )
    assert abs(datetime.now(UTC) - service.reported_at) < timedelta(minutes=1)
    assert service.id in {one.id for one in await site.cloud.services()}


async def test_a_host_that_is_not_known_is_not_found(site):
    with pytest.raises(NotFound, match="no-such-host"):
        await site.cloud.service("no-such-host")


async def test_hypervisors_say_what_they_have(site):
    hypervisors = {one.host: one for one in await site.cloud.hypervisors()}
    found = hypervisors[site.hosts[0]]
    assert found.up
    assert found.enabled
    assert found.name
    assert found.vcpus > 0
    assert found.ram_mb > 0
    assert found.running_servers >= 0
    assert found.cpu.arch == "x86_64"
    assert found.cpu.model
    record = await site.cloud.hypervisor_record(found.id)
    assert record["cpu_info"]["model"] == found.cpu.model
    assert record["service"]["host"] == site.hosts[0]
    records = await site.cloud.hypervisor_records()
    assert set(records) == {one.id for one in hypervisors.values()}
    assert records[found.id]["cpu_info"] == record["cpu_info"]


async def test_ratios_come_from_placement(site):
    hypervisor = (await site.cloud.hypervisors())[0]
    ratios = await site.cloud.allocation_ratios(hypervisor.id)
    assert ratios.cpu > 0
    assert ratios.ram > 0
    with pytest.raises(NotFound):
        await site.cloud.allocation_ratios("00000000-0000-0000-0000-000000000000")


async def test_stocks_and_traits_come_from_placement(site):
    hypervisor = (await site.cloud.hypervisors())[0]
    stocks = await site.cloud.stocks(hypervisor.id)
    assert stocks["VCPU"].total == hypervisor.vcpus
    assert stocks["MEMORY_MB"].total == hypervisor.ram_mb
    assert stocks["MEMORY_MB"].reserved >= 0
    assert stocks["VCPU"].ratio == (await site.cloud.allocation_ratios(hypervisor.id)).cpu
    traits = await site.cloud.traits(hypervisor.id)
    assert traits
    assert all(trait == trait.upper() for trait in traits)
    for question in (site.cloud.stocks, site.cloud.traits):
        with pytest.raises(NotFound):
            await question("00000000-0000-0000-0000-000000000000")


async def test_a_cordon_twice_keeps_its_last_reason(site):
    host = site.hosts[0]
    assert (await site.cloud.cordon(host, "first")).request_id.startswith("req-")
    await site.cloud.cordon(host, "second")
    service = await site.cloud.service(host)
    assert (service.enabled, service.disabled_reason, service.up) == (False, "second", True)
    await site.cloud.uncordon(host)
    await site.cloud.uncordon(host)
    service = await site.cloud.service(host)
    assert (service.enabled, service.disabled_reason) == (True, None)


async def test_a_host_forced_down_twice_is_released_twice(site):
    host = site.hosts[0]
    await site.cloud.force_down(host)
    await site.cloud.force_down(host)
    service = await site.cloud.service(host)
    assert (service.forced_down, service.up) == (True, False)
    await site.cloud.release_force_down(host)
    await site.cloud.release_force_down(host)
    assert not (await site.cloud.service(host)).forced_down


async def test_aggregates_and_groups_name_their_members(site):
    sdk = site.sdk.compute
    aggregate = await site.ask(sdk.create_aggregate, name="contract")
    group = await site.ask(sdk.create_server_group, name="contract", policy="anti-affinity")
    try:
        await site.ask(sdk.add_host_to_aggregate, aggregate, site.hosts[0])
        server = await site.boot(scheduler_hints={"group": group.id})
        found = next(one for one in await site.cloud.aggregates() if one.name == "contract")
        assert found.hosts == {site.hosts[0]}
        found = next(one for one in await site.cloud.server_groups() if one.id == group.id)
        assert (found.policy, found.members) == ("anti-affinity", {server.id})
    finally:
        await site.ask(sdk.remove_host_from_aggregate, aggregate, site.hosts[0])
        await site.ask(sdk.delete_aggregate, aggregate)
        await site.ask(sdk.delete_server_group, group)


async def test_a_host_joins_an_aggregate_twice_and_leaves_it_twice(site):
    sdk, host = site.sdk.compute, site.hosts[0]
    aggregate = await site.ask(sdk.create_aggregate, name="contract-members")

    async def members():
        return next(one.hosts for one in await site.cloud.aggregates() if one.id == aggregate.id)

    try:
        assert (await site.cloud.join_aggregate(aggregate.id, host)).request_id.startswith("req-")
        assert (await site.cloud.join_aggregate(aggregate.id, host)).request_id is None
        assert await members() == {host}
        with pytest.raises(NotFound):
            await site.cloud.join_aggregate(aggregate.id, "no-such-host")
        await site.cloud.leave_aggregate(aggregate.id, host)
        await site.cloud.leave_aggregate(aggregate.id, host)
        assert await members() == set()
    finally:
        await site.ask(sdk.delete_aggregate, aggregate)
    with pytest.raises(NotFound):
        await site.cloud.join_aggregate(aggregate.id, host)


async def test_an_answer_is_shared_and_a_new_one_is_not_old(site):
    first, same = await asyncio.gather(site.cloud.services(), site.cloud.services())
    assert first is same
    assert await site.cloud.services(max_age=60) is first
    assert await site.cloud.services() is not first
