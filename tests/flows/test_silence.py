"""Between the fence and the first server elsewhere: what a host still writes to its storages."""

from __future__ import annotations

import os

import pytest

from .test_tracker import Site
from .world import PromptStorages

STALE_AFTER = 60.0
EVERY = 10.0


@pytest.fixture
def site(cloud, tmp_path, monkeypatch):
    """h1 hangs: its nova-compute reports no more. Agents write whenever somebody is about to read."""
    site = Site(cloud, tmp_path)
    site.share_storage("h1")
    site.ahead, site.silent, site.beaten = 0.0, False, -EVERY
    site.lose_management("h1")
    cloud.nova.hosts["h1"].reported -= 100
    look = PromptStorages.look

    async def look_after_agents(self, *given):
        beat(site)
        return await look(self, *given)

    monkeypatch.setattr(PromptStorages, "look", look_after_agents)
    beat(site)
    return site


def machine(site):
    return site.cloud.nova.hosts["h1"].machine


def beat(site):
    """The agent of h1 writes every ten seconds, as long as its machine has power."""
    machine(site).settle()
    now = site.cloud.clock.now()
    if site.silent or not machine(site).on or now < site.beaten + EVERY:
        return
    site.beaten = now
    site.beat("h1", ["a", "b"], age=-site.ahead)
    os.utime(site.directory / "h1.json", (now, now))


async def evacuate(site, **params):
    flow_id = site.cloud.start_flow("evacuate-host", "host:h1", host="h1", **params)
    began = site.cloud.clock.now()
    await site.cloud.sweep_until_ended(flow_id)
    assert site.cloud.nova.split_brains == []
    return site.cloud.flow(flow_id), site.cloud.clock.now() - began


def places(site):
    return {site.cloud.nova.host_of(server) for server in "ab"}


@pytest.mark.parametrize("ahead", [0.0, 3600.0, -3600.0])
async def test_a_device_that_says_off_while_the_host_writes_on_is_not_believed(site, ahead):
    machine(site).says_off = True
    site.ahead = ahead
    flow, took = await evacuate(site)
    assert flow.status == "FAILURE"
    assert "h1 writes to storage s since it counts as off: no server was started elsewhere" in flow.error
    assert places(site) == {"h1"}
    assert not site.cloud.nova._service("h1").forced_down
    assert [(row.kind, row.subject) for row in site.events()] == [("host.alive", "host:h1")]
    assert took < 2 * STALE_AFTER


async def test_a_server_is_not_repaired_elsewhere_while_its_host_writes_on(site):
    machine(site).says_off = True
    flow_id = site.cloud.start_flow("repair-server", "server:a", server_id="a")
    await site.cloud.sweep_until_ended(flow_id)
    flow = site.cloud.flow(flow_id)
    assert flow.status == "FAILURE"
    assert "since it counts as off" in flow.error
    assert places(site) == {"h1"}
    assert site.cloud.nova.split_brains == []


async def test_an_admin_who_vouches_for_a_host_that_writes_on_is_shown_that_it_does(site):
    flow, _ = await evacuate(site, fenced=True)
    assert flow.status == "FAILURE"
    assert places(site) == {"h1"}


async def test_a_host_that_wrote_until_its_power_was_cut_is_waited_for(site):
    flow, took = await evacuate(site)
    assert flow.status == "SUCCESS", flow.error
    assert took >= STALE_AFTER - EVERY
    assert "h1" not in places(site)


async def test_nobody_waits_for_a_host_that_has_been_silent(site):
    site.silent = True
    site.cloud.clock.time += STALE_AFTER + 1
    flow, took = await evacuate(site)
    assert flow.status == "SUCCESS", flow.error
    assert took < STALE_AFTER / 2
    assert "h1" not in places(site)


async def test_a_storage_that_cannot_be_read_says_nothing_against_the_fence(site):
    site.silent = True
    (site.directory / "h1.json").write_text("{")
    flow, took = await evacuate(site)
    assert flow.status == "SUCCESS", flow.error
    assert took < STALE_AFTER / 2


async def test_the_last_way_off_a_living_host_waits_for_its_silence_too(site):
    site.cloud.nova.hosts["h1"].started = 0.0
    machine(site).says_off = True
    site.cloud.nova.add_server("asleep", "h1", vm_state="suspended")
    flow_id = site.cloud.start_flow("shutdown-host", "host:h1", host="h1", allow_evacuate=True)
    await site.cloud.sweep_until_ended(flow_id)
    flow = site.cloud.flow(flow_id)
    assert flow.status == "FAILURE"
    assert "since it counts as off" in flow.error
    assert site.cloud.nova.host_of("asleep") == "h1"
    assert site.cloud.nova.split_brains == []
