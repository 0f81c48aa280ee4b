"""Audits, cut off at each of their calls, come to the same end: every planned move is made, and made once."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from cloudmanager.flows.audits.opening import begin_audit, begin_to_apply
from cloudmanager.models import Audit

from .conftest import Cloud
from .test_audits import BIG, Balancer

PARKED = "cloudmanager: park-host, task 1"


@dataclass(frozen=True)
class Case:
    """`ends` is how many servers each host has afterwards, `on` which hosts have power."""

    kind: str
    ends: dict
    params: dict = field(default_factory=dict)
    drs: dict = field(default_factory=dict)
    servers: dict = field(default_factory=lambda: {"h1": 3})
    parked: tuple = ()
    on: dict = field(default_factory=lambda: {"h1": True, "h2": True, "h3": True})


CASES = {
    "plan and apply": Case(
        "execute-audit", {"h1": 1, "h2": 1, "h3": 1}, {"mode": "balance", "auto_apply": True}
    ),
    "apply and switch off": Case(
        "apply-audit",
        {"h1": 3, "h2": 0, "h3": 0},
        {"mode": "consolidate", "spare": 1, "high": 1.0, "low": 0.9},
        {"switch_hosts": True},
        servers={"h1": 2, "h2": 1},
        on={"h1": True, "h2": True, "h3": False},
    ),
    "apply and switch on": Case(
        "apply-audit",
        {"h1": 3, "h2": 0, "h3": 0},
        {"mode": "consolidate", "high": 0.15, "low": 0.15},
        {"switch_hosts": True},
        parked=("h2",),
    ),
}


def build(case, database, monkeypatch):
    cloud = Cloud(database, monkeypatch)
    cloud.drs_options = case.drs
    balancer = Balancer(cloud, servers=0)
    for host, count in case.servers.items():
        for number in range(count):
            cloud.nova.add_server(f"{host}-{number}", host, flavor=BIG)
    for host in case.parked:
        cloud.nova._set(host, enabled=False, reason=PARKED)
        found = cloud.nova.hosts[host]
        found.machine.on = found.was_on = False
        found.reported -= 100
    return balancer


async def begin(case, balancer):
    """Open the flow; that of an application comes after its audit, which nobody disturbs."""
    with balancer.cloud.database.transaction() as session:
        params = {"mode": "balance", **case.params}
        audit_id, task_id = begin_audit(session, balancer.nova.host_aggregates[0], params, requested_by="me")
    if case.kind == "execute-audit":
        return audit_id, task_id
    await balancer.cloud.sweep_until_ended(task_id)
    balancer.cloud.line.calls, balancer.cloud.line.acts = 0, []
    with balancer.cloud.database.transaction() as session:
        return audit_id, begin_to_apply(session, session.get_one(Audit, audit_id), requested_by="me")


async def run_with_death(case, database, monkeypatch, **death):
    balancer = build(case, database, monkeypatch)
    audit_id, task_id = await begin(case, balancer)
    for name, call in death.items():
        setattr(balancer.cloud.line, name, call)
    await balancer.cloud.sweep_until_ended(task_id, rounds=400)
    return balancer, audit_id, balancer.cloud.flow(task_id)


def check(balancer, audit_id, task, case):
    assert task.status == "SUCCESS", task.error
    audit = balancer.audit(audit_id)
    assert audit.status == "APPLIED"
    assert balancer.load() == case.ends
    assert {row["outcome"] for row in audit.outcomes} <= {"moved"}
    moved = {row["server_id"] for row in audit.outcomes}
    for server_id, guest in balancer.nova.guests.items():
        assert guest.moves == (server_id in moved), f"{server_id} was moved {guest.moves} times"
        assert guest.record.task_state is None
    for host, on in case.on.items():
        found = balancer.nova.hosts[host]
        assert found.machine.on == on
        assert found.enabled == on
        assert found.machine.cuts == (not on)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("moment", ["die_after", "die_before", "lose_answer_of"])
async def test_crash_sweep(name, moment, databases, monkeypatch):
    """After each call; and for calls that change something, also before them, and with their answers lost."""
    case = CASES[name]
    undisturbed, *rest = await run_with_death(case, databases(), monkeypatch)
    check(undisturbed, *rest, case)
    calls, acts = undisturbed.cloud.line.calls, undisturbed.cloud.line.acts
    assert acts
    for call in range(1, calls + 1) if moment == "die_after" else acts:
        balancer, *rest = await run_with_death(case, databases(), monkeypatch, **{moment: call})
        check(balancer, *rest, case)
