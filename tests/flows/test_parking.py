"""Hosts that a consolidation switches off, and on again when they are needed."""

from __future__ import annotations

import pytest

from .test_audits import Balancer

CONSOLIDATE = {"mode": "consolidate", "spare": 1, "high": 0.15, "low": 0.15}
PARKED = "cloudmanager: park-host, task 1"


@pytest.fixture
def balancer(cloud):
    cloud.drs_options = {"switch_hosts": True}
    return Balancer(cloud, servers=1)


def park(balancer, host, reason=PARKED):
    balancer.nova._set(host, enabled=False, reason=reason)
    found = balancer.nova.hosts[host]
    found.machine.on = found.was_on = False
    found.reported -= 100


def powered(balancer):
    return {name for name, host in balancer.nova.hosts.items() if host.machine.on}


def in_service(balancer):
    return {name for name, host in balancer.nova.hosts.items() if host.enabled}


async def test_nothing_is_switched_unless_it_is_allowed(balancer):
    balancer.cloud.drs_options = {}
    audit = balancer.audit(await balancer.execute(**CONSOLIDATE, auto_apply=True))
    assert audit.status == "APPLIED", audit.message
    assert audit.plan["switch_off"] == ["h3"]
    assert powered(balancer) == {"h1", "h2", "h3"}


async def test_an_empty_host_is_parked_and_comes_back_when_it_is_needed(balancer):
    audit = balancer.audit(await balancer.execute(**CONSOLIDATE, auto_apply=True))
    assert audit.status == "APPLIED", audit.message
    assert powered(balancer) == in_service(balancer) == {"h1", "h2"}
    assert balancer.nova.hosts["h3"].reason.startswith("cloudmanager: park-host, task ")
    more = {**CONSOLIDATE, "high": 0.05, "low": 0.05}
    balancer.cloud.clock.time += 60
    audit = balancer.audit(await balancer.execute(**more, auto_apply=True))
    assert audit.plan["switch_on"] == ["h3"]
    assert audit.status == "APPLIED", audit.message
    assert powered(balancer) == in_service(balancer) == {"h1", "h2", "h3"}


async def test_a_host_that_got_a_server_meanwhile_stays_on(balancer):
    audit_id = await balancer.execute(**CONSOLIDATE)
    balancer.nova.add_server("new", "h3")
    task = await balancer.apply(audit_id)
    assert task.status == "SUCCESS", task.error
    assert powered(balancer) == in_service(balancer) == {"h1", "h2", "h3"}
    said = [event.message for event in balancer.cloud.events(task.id) if event.target == "host:h3"]
    assert said == ["h3 is not empty: 1 servers are there"]


async def test_a_server_that_comes_while_it_is_cordoned_takes_that_back(balancer):
    audit_id = await balancer.execute(**CONSOLIDATE)
    original = balancer.nova._set

    def cordon_too_late(host, **changes):
        original(host, **changes)
        if changes.get("enabled") is False:
            balancer.nova.add_server("new", host)

    balancer.nova._set = cordon_too_late
    await balancer.apply(audit_id)
    assert powered(balancer) == in_service(balancer) == {"h1", "h2", "h3"}


async def test_a_server_that_is_moving_there_keeps_it_on(balancer):
    audit_id = await balancer.execute(**CONSOLIDATE)
    balancer.nova._begin("s0", "live-migration", "migrating", 1e6, "h3")
    task = await balancer.apply(audit_id)
    said = [event.message for event in balancer.cloud.events(task.id) if event.target == "host:h3"]
    assert said == ["h3 is not empty: server s0 is moving there"]
    assert in_service(balancer) == {"h1", "h2", "h3"}


async def test_a_host_that_somebody_has_cordoned_is_left_so(balancer):
    """One that a plan would switch off, and one that is off for another reason than ours."""
    audit_id = await balancer.execute(**CONSOLIDATE)
    balancer.cloud.drs_options = {"switch_hosts": True, "max_drift": 1.0}
    balancer.nova._set("h3", enabled=False, reason="new memory")
    await balancer.apply(audit_id)
    assert powered(balancer) == {"h1", "h2", "h3"}
    park(balancer, "h3", reason="new memory")
    audit = balancer.audit(await balancer.execute(**{**CONSOLIDATE, "high": 0.01, "low": 0.01}))
    assert audit.plan["switch_on"] == []


async def test_a_parked_host_that_is_taken_over_is_not_switched_on(balancer):
    park(balancer, "h3")
    audit_id = await balancer.execute(**{**CONSOLIDATE, "high": 0.05, "low": 0.05})
    assert balancer.audit(audit_id).plan["switch_on"] == ["h3"]
    balancer.nova.hosts["h3"].reason = "new memory"
    task = await balancer.apply(audit_id)
    said = [event.message for event in balancer.cloud.events(task.id) if event.target == "host:h3"]
    assert said == ["h3 was not switched off by the balancer: new memory"]
    assert powered(balancer) == {"h1", "h2"}
