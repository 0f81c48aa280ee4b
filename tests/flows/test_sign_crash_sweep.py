"""Guarding a node, cut off at each call to the cloud and to its operating system, comes to the same end.

No lock is left behind or forgotten, a violated server is stopped once, and no other one is ever touched.
"""

from __future__ import annotations

import pytest

from cloudmanager.models import Event

from .conftest import Cloud
from .guarded import LOADER, LOCK, Guarded, uuid


def change_definition(guarded):
    guarded.changes[uuid(1)] = ("524288", "1048576")


def change_firmware(guarded):
    guarded.files[1, LOADER] = "evil"


def move(guarded):
    guarded.nova._change(guarded.nova.guests[uuid(1)], host="h2")


def come(guarded):
    guarded.nova.add_server(uuid(3), "h1", instance_name="instance-00000003")


def stopped(guarded):
    assert [guarded.validity(number) for number in (1, 2)] == ["false", "true"]
    assert [guarded.server(number).vm_state for number in (1, 2)] == ["stopped", "active"]
    assert guarded.nova.guests[uuid(1)].treated["powering-off"] == 1
    assert guarded.nova.hosts["h1"].enabled


def cordoned(guarded):
    assert [guarded.validity(number) for number in (1, 2)] == ["false", "false"]
    assert [guarded.server(number).vm_state for number in (1, 2)] == ["active", "active"]
    assert not guarded.nova.hosts["h1"].enabled
    assert sum(request.startswith("cordon") for request in guarded.nova.asked) <= 2


def followed(guarded):
    assert [guarded.validity(number) for number in (1, 2)] == ["true", "true"]
    assert guarded.row(1).node_id == 2
    assert guarded.server(1).vm_state == "active"


def taken_in(guarded):
    assert guarded.validity(3) == "unknown"
    assert guarded.server(3).locked_reason == LOCK.format(1)
    assert guarded.row(3).locked_for == 1


SCENARIOS = {
    "activate": (None, None),
    "deactivate": (None, None),
    "stop": (change_definition, stopped),
    "cordon": (change_firmware, cordoned),
    "follow": (move, followed),
    "take in": (come, taken_in),
}


async def run_with_death(name, database, monkeypatch, directory, **death):
    cloud = Cloud(database, monkeypatch)
    guarded = Guarded(cloud, directory)
    disturb, _ = SCENARIOS[name]
    if name != "activate":
        await guarded.guard_and_sign()
    if disturb is not None:
        disturb(guarded)
    cloud.line.calls, cloud.line.acts = 0, []
    for moment, call in death.items():
        setattr(cloud.line, moment, call)
    if disturb is not None:
        await cloud.pass_time(28)  # the first round, and a lease that runs out
    else:
        flow = await guarded.end(getattr(guarded, name)())
        assert flow.status == "SUCCESS", flow.error
    return guarded


def check(name, guarded):
    kinds = [event.kind for event in guarded.cloud.rows(Event)]
    assert "signature.not_contained" not in kinds
    if name == "deactivate":
        assert guarded.guarded() == []
        assert not any(guarded.server(number).locked for number in (1, 2))
        return
    assert guarded.guarded() == [1]
    assert guarded.watch().ended_at is None
    assert len(guarded.cloud.rows_of("verify-signatures")) == 1
    for number in (1, 2):
        assert guarded.server(number).locked_reason == LOCK.format(1)
        assert guarded.row(number).locked_for == 1
    if name == "activate":
        assert [guarded.validity(number) for number in (1, 2)] == ["unknown", "unknown"]
    else:
        SCENARIOS[name][1](guarded)


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("moment", ["die_after", "die_before", "lose_answer_of"])
async def test_crash_sweep(name, moment, databases, monkeypatch, tmp_path):
    """After each call; and for calls that change something, also before them, and with their answers lost."""
    undisturbed = await run_with_death(name, databases(), monkeypatch, tmp_path)
    check(name, undisturbed)
    calls, acts = undisturbed.cloud.line.calls, undisturbed.cloud.line.acts
    assert calls
    for call in range(1, calls + 1) if moment == "die_after" else acts:
        guarded = await run_with_death(name, databases(), monkeypatch, tmp_path, **{moment: call})
        check(name, guarded)
