"""Every flow, cut off after and before each of its calls to the outside world, comes to the same end.

The flow runs once undisturbed and its calls are counted. Then, for each call, it runs again in a world whose
worker dies right there; other workers sweep; the end must be the same, and no once-only act done twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from cloudmanager.drivers.base import Action
from cloudmanager.flows import FLOWS

from .conftest import Cloud

RELAY = frozenset({Action.ON, Action.OFF})


@dataclass(frozen=True)
class Case:
    kind: str
    machine: dict
    ends_on: bool
    params: dict = field(default_factory=dict)
    actions: frozenset = frozenset(Action)
    nodes: int = 1
    next_boot: str = "disk"


CASES = {
    "power-on": Case("power-on", {"on": False}, ends_on=True),
    "power-on, slow": Case("power-on", {"on": False, "lag": 4}, ends_on=True),
    "power-off": Case("power-off", {"on": True}, ends_on=False),
    "power-off, soft": Case("power-off", {"on": True, "lag": 3}, ends_on=False, params={"soft": True}),
    "power-off, button ignored": Case(
        "power-off", {"on": True, "obeys_button": False}, ends_on=False, params={"soft": True}
    ),
    "reset": Case("reset", {"on": True}, ends_on=True),
    "reset, was off": Case("reset", {"on": False}, ends_on=True),
    "boot-from-network": Case("boot-from-network", {"on": True}, ends_on=True, next_boot="network"),
    "reset, by relay": Case("reset", {"on": True}, ends_on=True, actions=RELAY),
    "power-on-nodes": Case("power-on-nodes", {"on": False}, ends_on=True, nodes=2),
    "power-off-nodes": Case("power-off-nodes", {"on": True}, ends_on=False, params={"soft": True}, nodes=2),
    "reset-nodes": Case("reset-nodes", {"on": True}, ends_on=True, nodes=3),
}

SWEPT_ELSEWHERE = {
    "rotate-password",
    "rotate-passwords",
    "lend-spare",
    "return-spare",
    "execute-audit",
    "apply-audit",
    "park-host",
    "unpark-host",
    "activate-signing",
    "deactivate-signing",
    "verify-signatures",
    "mirror-volume",
    "pv-migrate-volume",
    "create-instance",
    "delete-instance",
    "make-public",
    "make-private",
    "snapshot-instance",
    "backup-volume",
    *(kind for kind, flow in FLOWS.items() if flow.queue == "nodes"),
}
"""Flows with a world of their own, each with its crash sweep in its own file."""


def build(case, database, monkeypatch):
    cloud = Cloud(database, monkeypatch)
    cloud.power._actions = case.actions
    nodes = [cloud.add_node(dict(case.machine)) for _ in range(case.nodes)]
    if case.nodes == 1:
        return cloud, cloud.start(case.kind, nodes[0], **case.params)
    return cloud, cloud.start(case.kind, node_ids=nodes, **case.params)


async def run_with_death(case, database, monkeypatch, **death):
    cloud, flow_id = build(case, database, monkeypatch)
    for name, call in death.items():
        setattr(cloud.line, name, call)
    await cloud.sweep_until_quiet()
    return cloud, cloud.flow(flow_id)


def check_machines(cloud, case):
    for machine in cloud.power.machines.values():
        assert machine.on == case.ends_on
        assert machine.next_boot == case.next_boot
        assert machine.resets <= 1, "a reset was sent twice"
        assert machine.cuts <= 1, "power was cut twice"
        assert machine.commands.count(Action.SOFT_OFF) <= 1, "the button was pressed twice"


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("moment", ["die_after", "die_before"])
async def test_crash_sweep(name, moment, databases, monkeypatch):
    case = CASES[name]
    undisturbed, flow = await run_with_death(case, databases(), monkeypatch)
    assert flow.status == "SUCCESS", flow.error
    check_machines(undisturbed, case)
    assert undisturbed.line.calls > 0
    for call in range(1, undisturbed.line.calls + 1):
        cloud, flow = await run_with_death(case, databases(), monkeypatch, **{moment: call})
        check_machines(cloud, case)
        if flow.status != "SUCCESS":
            assert_said_so(cloud, case)


def assert_said_so(cloud, case):
    """The one honest exception: a device's own reset leaves no witness, so nobody can say that it happened."""
    assert case.kind in ("reset", "reset-nodes")
    assert case.actions != RELAY
    errors = [row.error for row in cloud.rows_of("reset") if row.status == "FAILURE"]
    assert 1 <= len(errors) <= case.nodes
    assert all("it is not known whether" in error for error in errors)


@pytest.mark.parametrize("name", CASES)
async def test_worker_dies_at_each_save(name, databases, monkeypatch):
    """Dying before an outcome is written is like never having run the step; after it, like having paused."""
    from cloudmanager.flows import store

    from .world import WorkerDied

    case = CASES[name]
    real, count, die_at = store.save_all, [0], [None]

    def dying(database, saves):
        count[0] += 1
        if die_at[0] == (count[0], "before"):
            raise WorkerDied
        answer = real(database, saves)
        if die_at[0] == (count[0], "after"):
            raise WorkerDied
        return answer

    monkeypatch.setattr(store, "save_all", dying)
    await run_with_death(case, databases(), monkeypatch)
    saves = count[0]
    assert saves > 1
    for number in range(1, saves + 1):
        for moment in ("before", "after"):
            count[0], die_at[0] = 0, (number, moment)
            cloud, flow = await run_with_death(case, databases(), monkeypatch)
            check_machines(cloud, case)
            if flow.status != "SUCCESS":
                assert_said_so(cloud, case)
