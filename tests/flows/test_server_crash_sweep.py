"""Flows of servers, cut off at each of their calls to the cloud and to power, come to the same end.

Nothing is made twice, no server is moved or rebooted twice, and no clone leaves anything behind but itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from .conftest import Cloud

PROJECT = "red"


@dataclass(frozen=True)
class Case:
    """A flow of `s0` on `h1`; `ends_on` is where the server is afterwards, `treated` what Nova did once."""

    kind: str
    params: dict = field(default_factory=dict)
    state: str = "active"
    task: str | None = None
    dead: bool = False
    original: bool = False
    fails: bool = False
    key: bool = True
    moves: int = 0
    treated: str | None = None


CASES = {
    "balance": Case("balance-server", moves=1),
    "repair, healthy": Case("repair-server"),
    "repair, error": Case("repair-server", state="error", treated="rebooting_hard"),
    "repair, stopped": Case("repair-server", state="stopped", treated="powering-on"),
    "repair, stuck": Case("repair-server", task="powering-off", treated="rebooting_hard"),
    "repair, dead host": Case("repair-server", dead=True, moves=1),
    "recover, error": Case("recover-server", state="error", treated="rebooting_hard"),
    "reset": Case("reset-reboot-server", state="error"),
    "reset and reboot": Case(
        "reset-reboot-server", {"reboot": True}, state="error", treated="rebooting_hard"
    ),
    "wakeup": Case("wakeup-server", state="suspended", treated="resuming"),
    "clone": Case("clone-server", {"count": 2}, original=True),
    "clone without its key": Case("clone-server", {"count": 1}, original=True, key=False),
    "clone that fails": Case("clone-server", {"count": 2}, original=True, fails=True),
}


def build(case, database, monkeypatch):
    cloud = Cloud(database, monkeypatch)
    nova = cloud.nova
    cloud.host_options = {"server_timeout": 6.0}
    nova.live_takes = nova.evacuation_takes = 2.0
    for name in ("h1", "h2"):
        cloud.add_host(name)
    guest = (
        nova.add_original("s0", "h1", vm_state=case.state, project=PROJECT)
        if case.original
        else nova.add_server("s0", "h1", vm_state=case.state)
    )
    nova.failing_servers = int(case.fails)
    if not case.key:
        nova.keys.clear()
    if case.task:
        nova._change(guest, task_state=case.task)
    if case.dead:
        host = nova.hosts["h1"]
        host.boot, host.machine.on, host.reported = 10_000, False, host.reported - 100
    return cloud, cloud.start_flow(case.kind, "server:s0", server_id="s0", **case.params)


async def run_with_death(case, database, monkeypatch, **death):
    cloud, flow_id = build(case, database, monkeypatch)
    for name, call in death.items():
        setattr(cloud.line, name, call)
    await cloud.sweep_until_ended(flow_id, rounds=400)
    return cloud, cloud.flow(flow_id)


def check(cloud, flow, case):
    assert flow.status == ("FAILURE" if case.fails else "SUCCESS"), flow.error
    nova = cloud.nova
    guest = nova.guests["s0"]
    assert guest.moves == case.moves
    assert (guest.record.host != "h1") == bool(case.moves)
    assert guest.record.vm_state == "active"
    assert guest.record.task_state is None
    assert guest.treated == ({case.treated: 1} if case.treated else {})
    assert nova.split_brains == []
    assert cloud.machine(1).commands == [], "power was touched"
    if case.original:
        check_copies(nova, flow, case)


def check_copies(nova, flow, case):
    for store in (nova.volumes, nova.snapshots, nova.images):
        assert all(times == 1 for times in store.made.values()), store.made
    assert all(times == 1 for times in nova.new_servers.values()), nova.new_servers
    assert all(snapshot.status == "deleting" for snapshot in nova.snapshots.things.values())
    assert nova.images.things == {}
    clones = set(nova.guests) - {"s0"}
    count = 0 if case.fails else case.params["count"]
    assert len(nova.volumes.things) == 2 + 2 * count
    assert len(clones) == count
    assert {guest.record.project_id for guest in nova.guests.values()} == {PROJECT}
    if not case.fails:
        assert clones == {clone["id"] for clone in flow.result["clones"]}
        assert {nova.definitions[key].key_name for key in clones} == {"key" if case.key else None}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("moment", ["die_after", "die_before", "lose_answer_of"])
async def test_crash_sweep(name, moment, databases, monkeypatch):
    """After each call; and for calls that change something, also before them, and with their answers lost."""
    case = CASES[name]
    undisturbed, flow = await run_with_death(case, databases(), monkeypatch)
    check(undisturbed, flow, case)
    calls, acts = undisturbed.line.calls, undisturbed.line.acts
    assert acts or name == "repair, healthy"
    for call in range(1, calls + 1) if moment == "die_after" else acts:
        cloud, flow = await run_with_death(case, databases(), monkeypatch, **{moment: call})
        check(cloud, flow, case)
