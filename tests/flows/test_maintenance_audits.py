"""Maintenance windows that audit aggregates instead of working on hosts."""

from __future__ import annotations

import pytest

from cloudmanager.models import Audit
from cloudmanager.openstack.records import Aggregate

from .test_audits import BIG
from .test_maintenance import add_window, open_now, reason, run, told

WINDOW = {"action": "audit", "hosts": {"aggregates": ["left", 6]}}


@pytest.fixture
def fleet(cloud):
    """Two aggregates of two hosts; in each the first host has all servers."""
    cloud.nova.live_takes = 1.0
    for name in ("l1", "l2", "r1", "r2"):
        cloud.add_host(name)
    for number in range(4):
        cloud.nova.add_server(f"l{number}", "l1", flavor=BIG)
        cloud.nova.add_server(f"r{number}", "r1", flavor=BIG)
    cloud.nova.host_aggregates = [
        Aggregate(5, "left", None, frozenset({"l1", "l2"})),
        Aggregate(6, "right", None, frozenset({"r1", "r2"})),
        Aggregate(7, "other", None, frozenset({"l1", "r1"})),
    ]
    return cloud


def audits(fleet):
    return {audit.aggregate_name: audit for audit in fleet.rows(Audit)}


async def test_its_aggregates_are_balanced_one_after_another(fleet):
    flow = await run(fleet, **WINDOW)
    assert flow.status == "SUCCESS", flow.error
    assert told(flow) == {"aggregate:5": "done", "aggregate:6": "done"}
    assert {name: audit.status for name, audit in audits(fleet).items()} == {
        "left": "APPLIED",
        "right": "APPLIED",
    }
    places = [guest.record.host for guest in fleet.nova.guests.values()]
    assert {host: places.count(host) for host in fleet.nova.hosts} == dict.fromkeys(fleet.nova.hosts, 2)
    left, right = (fleet.flow(audits(fleet)[name].task_id) for name in ("left", "right"))
    assert left.parent_id == right.parent_id == flow.id
    assert right.created_at >= left.ended_at


async def test_parameters_say_what_is_planned_and_whether_it_is_done(fleet):
    flow = await run(fleet, **WINDOW, parameters={"auto_apply": False, "max_moves": 1, "mode": "relieve"})
    assert flow.status == "SUCCESS", flow.error
    assert {(audit.status, audit.mode) for audit in audits(fleet).values()} == {("DONE", "relieve")}
    assert fleet.nova.asked == []


async def test_what_blocks_it_and_who_holds_an_aggregate(fleet):
    fleet.alerts.firing = {"up == 0": ["a node is down"]}
    blockers = [{"prometheus": {"query": "up == 0"}}]
    flow = await run(fleet, **WINDOW, length=30, blockers=blockers)
    assert set(told(flow).values()) == {"not_begun"}
    assert (
        reason(flow, "aggregate:5") == "the window closed; until then blocked: Prometheus has a node is down"
    )
    assert audits(fleet) == {}


async def test_an_aggregate_that_nova_does_not_know_is_told(fleet):
    add_window(fleet, action="audit", hosts={"aggregates": ["left", "lost"]})
    (task_id,) = open_now(fleet)
    await fleet.sweep_until_ended(task_id)
    flow = fleet.flow(task_id)
    assert told(flow) == {"aggregate:5": "done", "lost": "not_begun"}
    assert reason(flow, "lost") == "Nova knows no such aggregate"


async def test_an_audit_that_fails_is_told(fleet):
    for number in range(4):
        fleet.nova.guests[f"l{number}"].fails["live-migration"] = ["failed"] * 9
    flow = await run(fleet, **WINDOW, stop_after_failures=2)
    assert flow.status == "FAILURE"
    assert told(flow) == {"aggregate:5": "failed", "aggregate:6": "done"}
    assert "moves failed" in reason(flow, "aggregate:5")
