"""Audits: an aggregate is looked at, planned for, and balanced by moves that are checked just before."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from sqlalchemy import update

from cloudmanager.drs.planner import plan
from cloudmanager.errors import Conflict, NotFound, Unavailable
from cloudmanager.flows import cancel
from cloudmanager.flows.audits.opening import begin_audit, begin_to_apply, check_applicable
from cloudmanager.models import Audit, Event, FlowRow
from cloudmanager.openstack.records import Aggregate, Flavor, Migration, ServerGroup

from .world import WorkerDied

BIG = Flavor("m1.big", 4, 8192, 20)
LIFETIME = 1800.0


class Balancer:
    """A data centre with an aggregate whose first host carries everything."""

    def __init__(self, cloud, hosts=("h1", "h2", "h3"), servers=6):
        self.cloud, self.nova = cloud, cloud.nova
        for name in hosts:
            cloud.add_host(name)
        for number in range(servers):
            self.nova.add_server(f"s{number}", "h1", flavor=BIG)
        self.nova.host_aggregates = [Aggregate(5, "prod", None, frozenset(hosts))]
        self.nova.live_takes = 2.0

    def begin(self, **params):
        """Open an audit; answers its id and its task."""
        values = {"mode": "balance", **params}
        with self.cloud.database.transaction() as session:
            return begin_audit(session, self.nova.host_aggregates[0], values, requested_by="tester")

    async def execute(self, **params):
        audit_id, task_id = self.begin(**params)
        await self.cloud.sweep_until_ended(task_id)
        return audit_id

    def begin_to_apply(self, audit_id):
        with self.cloud.database.transaction() as session:
            now = self.cloud.clock.now()
            audit = check_applicable(session, 5, audit_id, now=now, lifetime=LIFETIME)
            return begin_to_apply(session, audit, requested_by="tester")

    async def apply(self, audit_id):
        task_id = self.begin_to_apply(audit_id)
        await self.cloud.sweep_until_ended(task_id)
        return self.cloud.flow(task_id)

    def audit(self, audit_id):
        with self.cloud.database.reading() as session:
            return session.get_one(Audit, audit_id)

    def load(self):
        """How many servers each host has."""
        places = [guest.record.host for guest in self.nova.guests.values()]
        return {host: places.count(host) for host in self.nova.hosts}


@pytest.fixture
def balancer(cloud):
    return Balancer(cloud)


async def test_an_audit_plans_and_touches_nothing(balancer):
    audit = balancer.audit(await balancer.execute())
    assert audit.status == "DONE", audit.message
    assert audit.moves == 4
    assert audit.gigabytes == 32.0
    assert audit.message == "4 moves in 2 waves, 32.0 GB"
    assert audit.plan["after"]["imbalance"]["cpu"] < audit.plan["before"]["imbalance"]["cpu"]
    assert balancer.nova.asked == []
    assert [(event.kind, event.subject) for event in balancer.cloud.rows(Event)] == [
        ("audit.done", "aggregate:5")
    ]


@pytest.mark.both_databases
async def test_a_plan_that_is_applied_leaves_nothing_to_plan(balancer):
    audit_id = await balancer.execute()
    task = await balancer.apply(audit_id)
    assert task.status == "SUCCESS", task.error
    assert balancer.load() == {"h1": 2, "h2": 2, "h3": 2}
    audit = balancer.audit(audit_id)
    assert audit.status == "APPLIED"
    assert [row["outcome"] for row in audit.outcomes] == ["moved"] * 4
    told = {"audit": {"id": audit_id, "status": "APPLIED"}, "moves": 4, "moved": 4, "skipped": 0, "failed": 0}
    assert task.result == told
    assert all(guest.moves <= 1 for guest in balancer.nova.guests.values())
    again = balancer.audit(await balancer.execute(hold_seconds=0.0))
    assert again.status == "DONE"
    assert again.plan["moves"] == []
    assert again.plan["why_empty"]


async def test_moves_go_where_the_plan_says_and_as_many_at_a_time_as_allowed(balancer):
    balancer.cloud.drs_options = {"moves_at_once": 1}
    most = 0

    original = balancer.nova._begin

    def begin(*args):
        nonlocal most
        original(*args)
        most = max(most, sum(guest.moving is not None for guest in balancer.nova.guests.values()))

    balancer.nova._begin = begin
    audit_id = await balancer.execute(auto_apply=True)
    audit = balancer.audit(audit_id)
    assert audit.status == "APPLIED", audit.message
    assert most == 1
    for move in audit.plan["moves"]:
        assert balancer.nova.host_of(move["server_id"]) == move["destination"]


async def test_a_plan_is_applied_once(balancer):
    audit_id, task_id = balancer.begin()
    with pytest.raises(Conflict, match="its plan is not made yet"):
        balancer.begin_to_apply(audit_id)
    await balancer.cloud.sweep_until_ended(task_id)
    with pytest.raises(NotFound, match="no audit 77"):
        balancer.begin_to_apply(77)
    task_id = balancer.begin_to_apply(audit_id)
    with pytest.raises(Conflict, match="it is being applied"):
        balancer.begin_to_apply(audit_id)
    await balancer.cloud.sweep_until_ended(task_id)
    with pytest.raises(Conflict, match="it has been applied; execute a new audit"):
        balancer.begin_to_apply(audit_id)


async def test_an_aggregate_is_balanced_by_one_at_a_time(balancer):
    _, task_id = balancer.begin()
    with pytest.raises(Conflict, match=f"held by the open task {task_id}"):
        balancer.begin()


async def test_a_plan_grows_old(balancer):
    audit_id = await balancer.execute()
    balancer.cloud.clock.time += LIFETIME + 1
    with pytest.raises(Conflict, match="its plan is stale"):
        balancer.begin_to_apply(audit_id)


async def test_what_has_changed_is_skipped_and_said(balancer):
    """One server is gone, one was moved by somebody: the other moves are made."""
    balancer.cloud.drs_options = {"max_drift": 0.6}
    audit_id = await balancer.execute()
    first, second, *others = [move["server_id"] for move in balancer.audit(audit_id).plan["moves"]]
    del balancer.nova.guests[first]
    balancer.nova._change(balancer.nova.guests[second], host="h2")
    task = await balancer.apply(audit_id)
    assert task.status == "SUCCESS", task.error
    rows = {row["server_id"]: row for row in balancer.audit(audit_id).outcomes}
    assert rows[first]["outcome"] == rows[second]["outcome"] == "skipped"
    assert "deleted, or moved by somebody else" in rows[first]["reason"]
    assert "moved by somebody else" in rows[second]["reason"]
    assert [rows[other]["outcome"] for other in others] == ["moved"] * len(others)
    assert balancer.audit(audit_id).message.startswith("2 of 4 moves made, 2 skipped")


async def test_a_plan_of_which_too_much_is_no_longer_possible_is_stale(balancer):
    audit_id = await balancer.execute()
    for move in balancer.audit(audit_id).plan["moves"][:2]:
        del balancer.nova.guests[move["server_id"]]
    task = await balancer.apply(audit_id)
    assert task.status == "FAILURE"
    assert "2 of its 4 moves are no longer possible" in task.error
    audit = balancer.audit(audit_id)
    assert audit.status == "STALE"
    with pytest.raises(Conflict, match="its plan is stale"):
        balancer.begin_to_apply(audit_id)


async def test_a_plan_for_other_hosts_is_stale(balancer):
    audit_id = await balancer.execute()
    balancer.nova._set("h3", enabled=False, reason="broken fan")
    task = await balancer.apply(audit_id)
    assert "h3 was up and is cordoned" in task.error
    assert balancer.audit(audit_id).status == "STALE"
    assert balancer.nova.asked == []


async def test_a_host_that_leaves_the_aggregate_gets_nothing(balancer):
    balancer.cloud.drs_options = {"max_drift": 0.9}
    audit_id = await balancer.execute()
    balancer.nova.host_aggregates = [Aggregate(5, "prod", None, frozenset({"h1", "h2"}))]
    await balancer.apply(audit_id)
    rows = balancer.audit(audit_id).outcomes
    left = [row for row in rows if row["destination"] == "h3"]
    assert left
    assert {row["reason"] for row in left} == {"h3 is not in the aggregate any more"}
    assert balancer.load()["h3"] == 0


async def test_a_host_that_has_become_fuller_gets_as_much_as_has_room(balancer):
    """Of two moves to it that would start together, one."""
    balancer.cloud.drs_options = {"max_drift": 0.9, "moves_per_host": 4}
    audit_id = await balancer.execute()
    for number in range(6):
        balancer.nova.add_server(f"new{number}", "h2", flavor=BIG)
    await balancer.apply(audit_id)
    rows = [row for row in balancer.audit(audit_id).outcomes if row["destination"] == "h2"]
    assert sorted(row["outcome"] for row in rows) == ["moved", "skipped"]
    assert any((row["reason"] or "").startswith("h2 cannot take it: it has") for row in rows)
    assert sum(guest.record.flavor.ram_mb for guest in on(balancer, "h2")) <= 65536 - 512


def on(balancer, host):
    return [guest for guest in balancer.nova.guests.values() if guest.record.host == host]


async def test_a_host_that_a_task_holds_is_left_alone(balancer):
    balancer.cloud.drs_options = {"max_drift": 0.9}
    audit_id = await balancer.execute()
    holder = balancer.cloud.start_flow("release-host", "host:h2", host="h2")
    with balancer.cloud.database.transaction() as session:
        session.execute(update(FlowRow).where(FlowRow.id == holder).values(wake_at=9e9))
    await balancer.apply(audit_id)
    rows = [row for row in balancer.audit(audit_id).outcomes if row["destination"] == "h2"]
    assert {row["reason"] for row in rows} == {f"h2 is held by task {holder}"}


async def test_a_move_that_nova_refuses_fails_the_plan_and_not_the_other_moves(balancer):
    balancer.cloud.drs_options = {"max_drift": 0.5}
    audit_id = await balancer.execute()
    failing = balancer.audit(audit_id).plan["moves"][0]["server_id"]
    balancer.nova.guests[failing].fails["live-migration"] = ["failed"] * 5
    task = await balancer.apply(audit_id)
    assert task.status == "FAILURE"
    assert "3 of 4 moves made, 1 failed" in task.error
    audit = balancer.audit(audit_id)
    assert audit.status == "FAILED"
    assert [row["server_id"] for row in audit.outcomes if row["outcome"] == "failed"] == [failing]
    assert balancer.nova.host_of(failing) == "h1"


async def test_a_cancel_lets_what_moves_come_to_rest_and_begins_nothing_more(balancer):
    balancer.cloud.drs_options = {"moves_at_once": 1}
    balancer.nova.live_takes = 30.0
    audit_id = await balancer.execute()
    task_id = balancer.begin_to_apply(audit_id)

    async def cancel_it():
        await balancer.cloud.clock.sleep(10)
        with balancer.cloud.database.transaction() as session:
            cancel(session, task_id)

    await asyncio.gather(balancer.cloud.sweep_until_quiet(), cancel_it())
    assert balancer.cloud.flow(task_id).status == "REVOKED"
    audit = balancer.audit(audit_id)
    assert audit.status == "FAILED"
    assert audit.message == "cancelled: 1 of 4 moves made"
    assert sum(guest.moves for guest in balancer.nova.guests.values()) == 1
    assert sorted(row["outcome"] for row in audit.outcomes) == ["moved", "waiting", "waiting", "waiting"]


async def test_moves_of_somebody_else_are_said(balancer):
    nova = balancer.nova
    nova._begin("s0", "live-migration", "migrating", 1e6, "h2")
    audit = balancer.audit(await balancer.execute())
    assert any("moved by somebody else (1: s0)" in note for note in audit.plan["notes"])
    assert "s0" not in {move["server_id"] for move in audit.plan["moves"]}
    task = await balancer.apply(audit.id)
    events = balancer.cloud.events(task.id)
    assert any("is another balancer at work here?" in (event.message or "") for event in events)


async def test_both_copies_of_a_server_that_moves_are_counted(balancer):
    """One that somebody moves to h2 fills it already."""
    nova = balancer.nova
    for number in range(6):
        nova.add_server(f"h2-{number}", "h2", flavor=Flavor("m1.huge", 1, 9216, 0))
    nova.add_server("huge", "h1", flavor=Flavor("m1.huge", 1, 9216, 0))
    nova._begin("huge", "live-migration", "migrating", 1e6, "h2")
    audit = balancer.audit(await balancer.execute())
    utilisation = audit.plan["before"]["utilisation"]["ram"]
    assert utilisation["h2"] == round(7 * 9216 / (65536 - 512), 6)
    assert utilisation["h1"] == round((9216 + 6 * 8192) / (65536 - 512), 6)


@pytest.mark.parametrize(
    ("hosts", "why"),
    [((), "there are no hosts"), (("h1",), "only one host is up")],
    ids=["none", "one"],
)
async def test_too_few_hosts(cloud, hosts, why):
    balancer = Balancer(cloud, hosts, servers=len(hosts))
    audit = balancer.audit(await balancer.execute(auto_apply=True))
    assert audit.status == "APPLIED", audit.message
    assert audit.plan["why_empty"] == why


async def test_all_hosts_cordoned(balancer):
    for name in balancer.nova.hosts:
        balancer.nova._set(name, enabled=False, reason="update")
    audit = balancer.audit(await balancer.execute())
    assert (audit.status, audit.plan["why_empty"]) == ("DONE", "all hosts are cordoned")


async def test_an_aggregate_that_is_gone(balancer):
    aggregates = balancer.nova.host_aggregates
    audit_id, task_id = balancer.begin()
    balancer.nova.host_aggregates = []
    await balancer.cloud.sweep_until_ended(task_id)
    audit = balancer.audit(audit_id)
    assert (audit.status, audit.message) == ("FAILED", "Nova knows no aggregate 5")
    balancer.nova.host_aggregates = aggregates
    assert balancer.begin()[0] > audit_id


async def test_groups_that_contradict_each_other_are_left_as_they_are(balancer):
    members = frozenset({"s0", "s1"})
    balancer.nova.groups = [
        ServerGroup("g1", "together", "affinity", members),
        ServerGroup("g2", "apart", "anti-affinity", members),
    ]
    audit = balancer.audit(await balancer.execute(auto_apply=True))
    assert audit.status == "APPLIED", audit.message
    assert not {"s0", "s1"} & {move["server_id"] for move in audit.plan["moves"]}


async def test_more_promised_than_there_is_gets_better(cloud):
    balancer = Balancer(cloud, ("h1", "h2"), servers=12)
    audit_id = await balancer.execute(auto_apply=True)
    audit = balancer.audit(audit_id)
    assert audit.plan["before"]["utilisation"]["ram"]["h1"] > 1
    assert audit.status == "APPLIED", audit.message
    assert balancer.load() == {"h1": 6, "h2": 6}


async def test_servers_that_cannot_move_say_why(balancer):
    nova = balancer.nova
    nova._change(nova.guests["s0"], vm_state="stopped", status="SHUTOFF")
    nova._change(nova.guests["s1"], locked=True)
    nova._change(nova.guests["s2"], metadata={"pinned": "true"})
    nova._change(nova.guests["s3"], metadata={"balance": "no"})
    nova._change(nova.guests["s4"], vm_state="suspended", status="SUSPENDED")
    dedicated = Flavor("m1.pinned", 4, 8192, 20, extra_specs={"hw:cpu_policy": "dedicated"})
    nova._change(nova.guests["s5"], flavor=dedicated)
    audit = balancer.audit(await balancer.execute())
    assert audit.plan["moves"] == []
    assert audit.plan["why_empty"].startswith("no server can move")
    allowed = balancer.audit(await balancer.execute(allow_off_vm=True))
    assert {move["server_id"] for move in allowed.plan["moves"]} <= {"s0"}


async def test_a_stopped_server_is_moved_cold_where_that_is_allowed(balancer):
    nova = balancer.nova
    for guest in nova.guests.values():
        nova._change(guest, vm_state="stopped", status="SHUTOFF")
    audit = balancer.audit(await balancer.execute(allow_off_vm=True, auto_apply=True))
    assert audit.status == "APPLIED", audit.message
    assert balancer.load() == {"h1": 2, "h2": 2, "h3": 2}
    assert {call.split()[0] for call in nova.asked} == {"cold", "confirm"}


async def test_a_server_that_was_moved_lately_is_left_alone(balancer):
    now = datetime.fromtimestamp(balancer.cloud.clock.now(), UTC)
    for number in range(6):
        balancer.nova.records[100 + number] = Migration(
            100 + number, f"s{number}", "live-migration", "completed", "h2", "h1", now, now
        )
    audit = balancer.audit(await balancer.execute())
    assert "left alone for 3600 s" in audit.plan["why_empty"]
    assert len(balancer.audit(await balancer.execute(hold_seconds=0.0)).plan["moves"]) == 4


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (Unavailable("Prometheus does not answer"), "Prometheus does not answer"),
        (KeyError("x"), "internal error"),
    ],
    ids=["away", "broken"],
)
async def test_load_that_cannot_be_measured_fails_the_audit_and_is_said(balancer, monkeypatch, error, why):
    """It is tried again, and never taken for none."""
    tries = []

    class Silent:
        async def measure(self, hosts, servers):
            tries.append(hosts)
            raise error

    monkeypatch.setattr("cloudmanager.flows.audits.execute.source_for", lambda *_: Silent())
    audit = balancer.audit(await balancer.execute())
    assert audit.status == "FAILED"
    assert audit.message.startswith(f"gave up after 3 attempts: {why}")
    assert len(tries) == 3
    assert audit.plan is None


async def test_a_cancelled_audit_leaves_nothing_behind(balancer):
    audit_id, task_id = balancer.begin()
    with balancer.cloud.database.transaction() as session:
        cancel(session, task_id)
    await balancer.cloud.sweep_until_ended(task_id)
    audit = balancer.audit(audit_id)
    assert (audit.status, audit.plan, audit.message) == (
        "FAILED",
        None,
        "cancelled: cancelled before begin audit",
    )
    assert balancer.begin()[0] > audit_id


async def test_a_server_that_makes_way_moves_twice(balancer):
    audit_id = await balancer.execute()
    with balancer.cloud.database.transaction() as session:
        audit = session.get_one(Audit, audit_id)
        first = {**audit.plan["moves"][0], "source": "h1", "destination": "h2", "intermediate": True}
        then = {**first, "wave": 2, "source": "h2", "destination": "h3", "intermediate": False}
        audit.plan = {**audit.plan, "moves": [first, then]}
    task = await balancer.apply(audit_id)
    assert task.status == "SUCCESS", task.error
    guest = balancer.nova.guests[first["server_id"]]
    assert (guest.moves, guest.record.host) == (2, "h3")
    outcomes = balancer.audit(audit_id).outcomes
    assert [(row["outcome"], row["destination"]) for row in outcomes] == [("moved", "h2"), ("moved", "h3")]
    assert outcomes[0]["task_id"] != outcomes[1]["task_id"]


async def test_an_auditor_who_dies_while_planning_is_followed_by_another(balancer, monkeypatch):
    """What lay on the desk of the first is gone, and made anew."""
    planned = 0

    async def plan_and_die(snapshot, options):
        nonlocal planned
        planned += 1
        if planned == 1:
            raise WorkerDied
        return plan(snapshot, options)

    monkeypatch.setattr("cloudmanager.flows.audits.execute.plan_apart", plan_and_die)
    audit = balancer.audit(await balancer.execute())
    assert (audit.status, audit.moves, planned) == ("DONE", 4, 2)
