"""Flows of hosts, cut off at each of their calls to the cloud and to power, come to the same end.

No server is moved twice, none is lost, none ever runs on two hosts, and power is cut at most once.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from cloudmanager.flows import FLOWS

from .conftest import Cloud
from .test_crash_sweep import CASES as POWER_CASES
from .test_crash_sweep import (
    SWEPT_ELSEWHERE,
)
from .test_server_crash_sweep import CASES as SERVER_CASES


@dataclass(frozen=True)
class Scenario:
    """A flow of `h1`, which has two servers that run; `ends` says what the world must look like."""

    kind: str
    params: dict = field(default_factory=dict)
    dead: bool = False
    servers: dict = field(default_factory=dict)
    h1_on: bool = True
    h1_enabled: bool = False
    subject: str | None = "host:h1"


SCENARIOS = {
    "evacuate, up": Scenario("evacuate-host", {"host": "h1"}),
    "evacuate, down": Scenario("evacuate-host", {"host": "h1"}, dead=True, h1_on=False),
    "shutdown": Scenario("shutdown-host", {"host": "h1"}, h1_on=False),
    "shutdown, cold": Scenario(
        "shutdown-host", {"host": "h1", "allow_off_vm": True}, servers={"s1": "stopped"}, h1_on=False
    ),
    "shutdown, with power off": Scenario(
        "shutdown-host", {"host": "h1", "allow_evacuate": True}, servers={"s1": "suspended"}, h1_on=False
    ),
    "decommission": Scenario("decommission-host", {"host": "h1", "power_off": True}, h1_on=False),
    "restart": Scenario("restart-host", {"host": "h1"}, h1_enabled=True),
    "rolling restart": Scenario("restart-hosts", {"hosts": ["h1"]}, h1_enabled=True, subject=None),
    "maintenance window": Scenario(
        "maintenance-window",
        {
            "window_id": 1,
            "name": "weekly",
            "action": "restart",
            "parameters": {"allow_off_vm": True},
            "hosts": {"names": ["h1"]},
            "batch": 1,
            "stop_after_failures": 1,
            "blockers": [{"prometheus": {"query": "up"}}, {"tasks": ["restart-hosts"]}],
            "opens_at": 1_000_000.0,
            "closes_at": 1_003_600.0,
            "scheduled": False,
        },
        h1_enabled=True,
        subject="window:1",
    ),
    "one server": Scenario(
        "move-server",
        {"server_id": "s0", "host": "h1", "ways": ["live"]},
        h1_enabled=True,
        subject="server:s0",
    ),
}
BELOW = {"evacuate-server", "await-return", "release-host"}
"""Kinds that are swept with those that start them."""


def test_every_flow_is_swept():
    cases = (*POWER_CASES.values(), *SCENARIOS.values(), *SERVER_CASES.values())
    swept = {case.kind for case in cases}
    assert swept | BELOW | SWEPT_ELSEWHERE == set(FLOWS)


def build(scenario, database, monkeypatch):
    cloud = Cloud(database, monkeypatch)
    cloud.nova.live_takes = cloud.nova.cold_takes = cloud.nova.evacuation_takes = 2.0
    for name in ("h1", "h2", "h3"):
        cloud.add_host(name)
    for server_id in ("s0", "s1"):
        cloud.nova.add_server(server_id, "h1", vm_state=scenario.servers.get(server_id, "active"))
    if scenario.dead:
        host = cloud.nova.hosts["h1"]
        host.boot, host.started, host.reported = 10_000, cloud.clock.now(), host.reported - 100
    return cloud, cloud.start_flow(scenario.kind, scenario.subject, **scenario.params)


async def run_with_death(scenario, database, monkeypatch, **death):
    cloud, flow_id = build(scenario, database, monkeypatch)
    for name, call in death.items():
        setattr(cloud.line, name, call)
    await cloud.sweep_until_ended(flow_id, rounds=400)
    calls = cloud.line.calls
    if cloud.rows_of("await-return"):
        await come_home(cloud)
    return cloud, cloud.flow(flow_id), calls


async def come_home(cloud):
    """The fenced host comes back, whoever switches it on."""
    host = cloud.nova.hosts["h1"]
    host.boot, host.machine.on = 3.0, True
    await cloud.sweep_until_quiet(rounds=400)
    (watcher,) = cloud.rows_of("await-return")
    assert watcher.status == "SUCCESS"
    assert not host.forced_down


def check(cloud, flow, scenario):
    assert flow.status == "SUCCESS", flow.error
    nova = cloud.nova
    assert nova.split_brains == []
    for server_id, guest in nova.guests.items():
        moved = scenario.kind != "move-server" or server_id == "s0"
        assert guest.moves == moved, f"{server_id} was moved {guest.moves} times"
        assert guest.record.task_state is None
        assert (guest.record.host != "h1") == moved
        state = scenario.servers.get(server_id, "active")
        assert guest.record.vm_state == ("active" if state in ("suspended", "stopped") else state)
    host = nova.hosts["h1"]
    assert host.machine.cuts <= 1, "power was cut twice"
    if not cloud.rows_of("await-return"):
        assert host.machine.on == scenario.h1_on
        assert host.enabled == scenario.h1_enabled
    else:
        assert host.enabled == (scenario.kind == "evacuate-host")


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("moment", ["die_after", "die_before", "lose_answer_of"])
async def test_crash_sweep(name, moment, databases, monkeypatch):
    """After each call; and for calls that change something, also before them, and with their answers lost."""
    scenario = SCENARIOS[name]
    undisturbed, flow, calls = await run_with_death(scenario, databases(), monkeypatch)
    check(undisturbed, flow, scenario)
    acts = [act for act in undisturbed.line.acts if act <= calls]
    assert acts
    for call in range(1, calls + 1) if moment == "die_after" else acts:
        cloud, flow, _ = await run_with_death(scenario, databases(), monkeypatch, **{moment: call})
        check(cloud, flow, scenario)
