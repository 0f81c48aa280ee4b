"""Guarded nodes: what is locked, what is verified, and what a violation does. Unknown stops nothing."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from cloudmanager.errors import CommandFailed, HostRefused
from cloudmanager.models import Event, Signature

from .guarded import LOADER, LOCK, Guarded, signing_keys, uuid

NVRAM = "/var/lib/libvirt/qemu/nvram/instance-00000001.fd"


@pytest.fixture
def guarded(cloud, tmp_path):
    return Guarded(cloud, tmp_path)


def events(guarded, prefix="signature."):
    return [
        (event.kind.removeprefix(prefix), event.subject)
        for event in guarded.cloud.rows(Event)
        if event.kind.startswith(prefix)
    ]


async def test_activating_locks_all_and_makes_them_unknown(guarded):
    await guarded.sign(1)
    flow = await guarded.end(guarded.activate())
    assert flow.status == "SUCCESS"
    assert guarded.guarded() == [1]
    for number in (1, 2):
        assert guarded.server(number).locked_reason == LOCK.format(1)
        row = guarded.row(number)
        assert (row.is_valid, row.baseline, row.locked_for, row.node_id) == ("unknown", None, 1, 1)
        assert row.instance_name == f"instance-{number:08x}"
    assert [server["lock"] for server in flow.result["servers"]] == ["ours", "ours"]
    assert guarded.watch().subject == "integrity:1"
    assert guarded.watch().ended_at is None


async def test_a_lock_of_somebody_else_stays_his(guarded):
    guarded.nova._lock(uuid(1), "mine")
    await guarded.end(guarded.activate())
    assert guarded.server(1).locked_reason == "mine"
    assert guarded.row(1).locked_for is None
    await guarded.end(guarded.deactivate())
    assert guarded.server(1).locked_reason == "mine"
    assert not guarded.server(2).locked


async def test_deactivating_ends_the_verification_and_unlocks(guarded):
    await guarded.guard_and_sign()
    flow = await guarded.end(guarded.deactivate())
    assert flow.status == "SUCCESS"
    assert guarded.guarded() == []
    assert guarded.watch().status in ("REVOKED", "SUCCESS")
    for number in (1, 2):
        assert not guarded.server(number).locked
        assert guarded.row(number).locked_for is None
        assert guarded.validity(number) == "true", "what was signed stays signed"


async def test_an_activation_that_is_cancelled_unlocks_again(guarded):
    flow_id = guarded.activate()
    guarded.cloud.line.die_after = 2  # servers_on, the first lock
    await guarded.cloud.advance(flow_id)
    guarded.cloud.cancel(flow_id)
    flow = await guarded.end(flow_id)
    assert flow.status == "REVOKED"
    assert not guarded.server(1).locked
    assert not guarded.server(2).locked
    assert guarded.guarded() == []


async def test_what_is_as_it_was_signed_stays_valid(guarded):
    await guarded.guard_and_sign()
    await guarded.a_round()
    assert [guarded.validity(number) for number in (1, 2)] == ["true", "true"]
    assert guarded.server(1).vm_state == "active"
    assert guarded.watch().result["servers"] == [
        {"server_id": uuid(number), "is_valid": "true", "reason": None} for number in (1, 2)
    ]
    assert events(guarded) == []


async def test_what_was_never_recalculated_stays_unknown_and_runs(guarded):
    await guarded.end(guarded.activate())
    guarded.changes[uuid(1)] = ("524288", "1048576")
    await guarded.a_round()
    assert guarded.validity(1) == "unknown"
    assert guarded.server(1).vm_state == "active"


@pytest.mark.parametrize("what", ["definition", "nvram"])
async def test_a_changed_server_is_stopped_and_stays_locked(guarded, what):
    await guarded.guard_and_sign()
    if what == "definition":
        guarded.changes[uuid(1)] = ("524288", "1048576")
    else:
        guarded.files[1, NVRAM] = "evil"
    await guarded.a_round()
    assert guarded.validity(1) == "false"
    assert ("its definition" if what == "definition" else NVRAM) in guarded.row(1).reason
    assert guarded.server(1).vm_state == "stopped"
    assert guarded.server(1).locked
    assert (guarded.validity(2), guarded.server(2).vm_state) == ("true", "active")
    subject = f"server:{uuid(1)}"
    assert events(guarded) == [("violated", subject), ("stopped", subject)]
    assert guarded.nova.hosts["h1"].enabled


async def test_one_that_is_started_again_without_being_recalculated_is_stopped_again(guarded):
    await guarded.guard_and_sign()
    guarded.changes[uuid(1)] = ("524288", "1048576")
    await guarded.a_round()
    guarded.nova._change(guarded.nova.guests[uuid(1)], vm_state="active", status="ACTIVE")
    await guarded.a_round()
    assert guarded.server(1).vm_state == "stopped"
    await guarded.sign(1)
    guarded.nova._change(guarded.nova.guests[uuid(1)], vm_state="active", status="ACTIVE")
    await guarded.a_round()
    assert (guarded.validity(1), guarded.server(1).vm_state) == ("true", "active")


async def test_where_it_is_only_to_be_told_nothing_is_stopped(guarded):
    guarded.cloud.sign_options["stop_violated"] = False
    await guarded.guard_and_sign()
    guarded.changes[uuid(1)] = ("524288", "1048576")
    await guarded.a_round()
    assert (guarded.validity(1), guarded.server(1).vm_state) == ("false", "active")


async def test_nvram_can_be_left_out(guarded):
    guarded.cloud.sign_options["verify_nvram"] = False
    await guarded.guard_and_sign()
    guarded.files[1, NVRAM] = "written by the guest"
    await guarded.a_round()
    assert guarded.validity(1) == "true"


async def test_a_file_that_was_not_there_when_it_was_signed_is_not_compared(guarded):
    guarded.files[1, NVRAM] = None
    await guarded.guard_and_sign()
    guarded.files[1, NVRAM] = "made by the first start"
    await guarded.a_round()
    assert guarded.validity(1) == "true"
    await guarded.sign(1)
    guarded.files[1, NVRAM] = None
    await guarded.a_round()
    assert guarded.validity(1) == "false", "one that was there and is gone has changed"


async def test_changed_firmware_cordons_the_node_and_stops_nothing(guarded):
    await guarded.guard_and_sign()
    guarded.files[1, LOADER] = "evil"
    await guarded.a_round()
    assert [guarded.validity(number) for number in (1, 2)] == ["false", "false"]
    assert [guarded.server(number).vm_state for number in (1, 2)] == ["active", "active"]
    host = guarded.nova.hosts["h1"]
    assert (host.enabled, LOADER in host.reason) == (False, True)
    assert events(guarded).count(("firmware_changed", "host:h1")) == 1
    await guarded.a_round()
    assert events(guarded).count(("firmware_changed", "host:h1")) == 1
    await guarded.end(guarded.deactivate())
    assert not host.enabled, "deactivating unlocks, and nothing else"


@pytest.mark.parametrize(
    "failure",
    ["dead", HostRefused("another host key"), CommandFailed("no", status=1), "garbage"],
    ids=["dead", "refused", "failed", "garbage"],
)
async def test_a_server_that_cannot_be_looked_at_is_unknown_and_runs(guarded, failure):
    await guarded.guard_and_sign()
    guarded.changes[uuid(1)] = ("524288", "1048576")  # nobody can know
    if failure == "dead":
        guarded.cloud.host.dead.add(1)
    elif failure == "garbage":
        guarded.changes[uuid(1)] = ("<domain", "<!DOCTYPE x><domain")
    else:
        guarded.failing[uuid(1)] = failure
    await guarded.a_round()
    assert guarded.validity(1) == "unknown"
    assert guarded.row(1).reason
    assert guarded.server(1).vm_state == "active"
    assert ("unknown", f"server:{uuid(1)}") in events(guarded)
    guarded.cloud.host.dead.clear()
    guarded.failing.clear()
    guarded.changes.clear()
    await guarded.a_round()
    assert guarded.validity(1) == "true", "it is looked at again"


async def test_a_silent_node_is_asked_once_a_round(guarded, monkeypatch):
    await guarded.guard_and_sign()
    guarded.cloud.host.dead.add(1)
    line, asked = guarded.cloud.line, []
    call = line.call
    monkeypatch.setattr(
        line, "call", lambda what, *args, **how: asked.append(what) or call(what, *args, **how)
    )
    await guarded.a_round()
    assert [guarded.validity(number) for number in (1, 2)] == ["unknown", "unknown"]
    rounds = sum(what == "servers of h1" for what in asked)
    assert sum(what == "node 1: domain-definition" for what in asked) == rounds


async def test_one_that_is_recalculated_while_it_is_judged_is_not_stopped(guarded):
    await guarded.guard_and_sign()
    guarded.changes[uuid(1)] = ("524288", "1048576")

    def recalculate(asked):
        if asked.arguments["server"] == uuid(1):  # its record has been read
            guarded.write(1, is_valid="true", reason="by somebody else")
        return guarded.definition(asked)

    guarded.cloud.host.answer("domain-definition", recalculate)
    await guarded.cloud.pass_time(20)
    assert (guarded.validity(1), guarded.row(1).reason) == ("true", "by somebody else")
    assert guarded.server(1).vm_state == "active"


@pytest.mark.parametrize(
    "values",
    [
        {"is_valid": "true", "baseline": {"strict": "1:x", "portable": "1:x", "firmware": {}, "own": {}}},
        {"locked_for": 7},
    ],
    ids=["baseline", "lock"],
)
async def test_a_record_that_others_changed_is_false_and_stops_nothing(guarded, values):
    await guarded.guard_and_sign()
    with guarded.cloud.database.transaction() as session:
        session.execute(update(Signature).where(Signature.server_id == uuid(1)).values(**values))
    assert guarded.validity(1) == "false"
    await guarded.a_round()
    assert guarded.validity(1) == "false"
    assert "other hands" in guarded.row(1).reason
    assert guarded.server(1).vm_state == "active"
    assert ("violated", f"server:{uuid(1)}") in events(guarded)
    await guarded.sign(1)
    await guarded.a_round()
    assert guarded.validity(1) == "true"


async def test_with_another_key_file_everything_is_unknown_and_runs(guarded, tmp_path):
    await guarded.guard_and_sign()
    guarded.changes[uuid(1)] = ("524288", "1048576")
    before = guarded.keys
    guarded.keys = guarded.cloud.signing = signing_keys(tmp_path / "other.key")
    await guarded.a_round()
    assert guarded.validity(1) == "unknown"
    assert guarded.server(1).vm_state == "active"
    guarded.keys = before
    assert guarded.validity(1) == "true", "nothing was written"


# --- those that come, go and move --------------------------------------------------------------------------


async def test_one_that_comes_is_locked_and_unknown(guarded):
    await guarded.guard_and_sign()
    guarded.nova.add_server(uuid(3), "h1", instance_name="instance-00000003")
    await guarded.a_round()
    assert guarded.validity(3) == "unknown"
    assert guarded.server(3).locked_reason == LOCK.format(1)
    assert guarded.row(3).locked_for == 1
    assert "never been signed" in guarded.row(3).reason
    await guarded.end(guarded.deactivate())
    assert not guarded.server(3).locked


async def test_one_that_is_deleted_is_forgotten(guarded):
    await guarded.guard_and_sign()
    del guarded.nova.guests[uuid(1)]
    await guarded.a_round()
    assert guarded.row(1) is None
    assert guarded.validity(2) == "true"


async def test_one_that_moves_is_followed(guarded):
    """Its definition names another host now: that much a move explains."""
    await guarded.guard_and_sign()
    before = guarded.row(1).baseline
    guarded.nova._change(guarded.nova.guests[uuid(1)], host="h2")
    await guarded.a_round()
    row = guarded.row(1)
    assert (guarded.validity(1), row.node_id) == ("true", 2)
    assert row.updated_at is not None
    assert row.baseline["strict"] != before["strict"]
    assert row.baseline["portable"] == before["portable"]
    assert guarded.server(1).vm_state == "active"
    await guarded.end(guarded.deactivate())
    assert not guarded.server(1).locked, "our lock went with it"


async def test_one_that_differs_after_a_move_is_unknown_and_runs(guarded):
    await guarded.guard_and_sign()
    guarded.nova._change(guarded.nova.guests[uuid(1)], host="h2")
    guarded.changes[uuid(1)] = ("524288", "1048576")
    await guarded.a_round()
    assert (guarded.validity(1), guarded.row(1).node_id) == ("unknown", 2)
    assert "moved" in guarded.row(1).reason
    assert guarded.server(1).vm_state == "active"


async def test_one_that_moved_where_nobody_can_look_is_unknown_until_somebody_can(guarded):
    await guarded.guard_and_sign()
    guarded.nova._change(guarded.nova.guests[uuid(1)], host="h2")
    guarded.cloud.host.dead.add(2)
    await guarded.a_round()
    assert (guarded.validity(1), guarded.row(1).node_id) == ("unknown", 1)
    guarded.cloud.host.dead.clear()
    await guarded.a_round()
    assert (guarded.validity(1), guarded.row(1).node_id) == ("true", 2)


async def test_one_that_is_moving_is_left_alone(guarded):
    await guarded.guard_and_sign()
    guarded.changes[uuid(1)] = ("524288", "1048576")
    guarded.nova._change(guarded.nova.guests[uuid(1)], task_state="migrating")
    await guarded.a_round()
    assert guarded.validity(1) == "true"


async def test_a_guarded_node_takes_over_those_that_come_signed(guarded):
    await guarded.guard_and_sign()
    await guarded.end(guarded.activate(2, "h2"))
    guarded.nova._change(guarded.nova.guests[uuid(1)], host="h2")
    await guarded.a_round()
    await guarded.a_round()
    assert (guarded.validity(1), guarded.row(1).node_id) == ("true", 2)
    guarded.changes[uuid(1)] = ("524288", "1048576")
    await guarded.a_round()
    assert guarded.server(1).vm_state == "stopped"


async def test_a_server_that_cannot_be_stopped_is_told_and_tried_again(guarded):
    await guarded.guard_and_sign()
    guarded.nova.cure_takes = 10_000.0
    guarded.changes[uuid(1)] = ("524288", "1048576")
    await guarded.a_round()
    assert ("not_contained", f"server:{uuid(1)}") in events(guarded)
    assert guarded.watch().ended_at is None


async def test_the_verification_that_ended_is_begun_again_by_the_scheduler(guarded):
    from cloudmanager.flows.sign.upkeep import open_missing

    await guarded.guard_and_sign()
    rung = []
    assert open_missing(guarded.cloud.database, rung.extend) == []
    guarded.cloud.cancel(guarded.watch().id)
    await guarded.end(guarded.watch().id)
    opened = open_missing(guarded.cloud.database, rung.extend)
    assert opened == rung == [guarded.watch().id]
    guarded.changes[uuid(1)] = ("524288", "1048576")
    await guarded.a_round()
    assert guarded.server(1).vm_state == "stopped"
