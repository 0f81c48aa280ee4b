"""Host tracking over a cloud in memory: what it counts, whom it spares, and that no decision is made twice."""

from __future__ import annotations

import json
import math
import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import select, update

from cloudmanager import leases
from cloudmanager.config import load
from cloudmanager.errors import CloudUnreachable
from cloudmanager.models import (
    AvailabilityStorage,
    Event,
    FlowRow,
    Node,
    NodeAvailabilityStorage,
    NodeControl,
    PowerAction,
    TrackedHost,
    utc_now,
)
from cloudmanager.openstack.records import Aggregate
from cloudmanager.tracking.tracker import Tracker

LOOP = 30.0


class Site:
    """A cloud of hosts, and trackers that watch it."""

    def __init__(self, cloud, tmp_path):
        self.cloud = cloud
        cloud.clock.time = float(
            int(time.time())
        )  # what is stored with the time of day is not of another age
        self.rung = []
        self.options = {("node_tracker", "max_down_hosts"): 1}
        self.directory = tmp_path / "storage"
        self.directory.mkdir()
        for name in ("h1", "h2", "h3", "h4", "h5", "h6"):
            cloud.add_host(name)
        cloud.nova.add_server("a", "h1")
        cloud.nova.add_server("b", "h1")

    def tracker(self, name="t1", **options):
        given = {("node_tracker", key): value for key, value in options.items()}
        config = load(overrides=self.options | given)
        ring = lambda ids, queue: self.rung.extend(ids)  # noqa: E731
        return Tracker(config, self.cloud.database, self.cloud.nova, ring, name, clock=self.cloud.clock.now)

    async def cycles(self, tracker, count):
        """So many looks."""
        begun = []
        for _ in range(count):
            self.cloud.clock.time += LOOP
            begun += await tracker.cycle()
        return begun

    def kill(self, *hosts):
        for host in hosts:
            machine = self.cloud.nova.hosts[host].machine
            machine.on, machine._becoming = False, None

    def lose_management(self, host):
        """Its nova-compute reports no more; its servers run on."""
        self.cloud.nova.hosts[host].started = math.inf

    def revive(self, host="h1"):
        """It has power again, and its nova-compute will report before the next look."""
        self.cloud.nova.hosts[host].machine.on = True
        self.cloud.nova._settle()

    def row(self, host="h1"):
        with self.cloud.database.reading() as session:
            return session.get(TrackedHost, host)

    def events(self, *kinds):
        with self.cloud.database.reading() as session:
            found = session.execute(select(Event.kind, Event.subject, Event.message).order_by(Event.id)).all()
        return [row for row in found if not kinds or row.kind in kinds]

    def kinds(self):
        return [row.kind for row in self.events()]

    def flows(self):
        with self.cloud.database.reading() as session:
            found = select(FlowRow).where(FlowRow.kind == "evacuate-host").order_by(FlowRow.sequence)
            return session.scalars(found).all()

    async def carry_out(self):
        """Workers do what was started; the return of the host is waited for all the while."""
        for flow in self.flows():
            await self.cloud.sweep_until_ended(flow.id)

    def add(self, row):
        with self.cloud.database.transaction() as session:
            session.add(row)
            session.flush()
            return row.id

    def share_storage(self, *hosts):
        storage = self.add(
            AvailabilityStorage(name="s", compute_path="/c", controller_path=str(self.directory))
        )
        with self.cloud.database.transaction() as session:
            for host in hosts:
                node = session.scalars(select(Node.id).where(Node.name == host)).one()
                session.add(NodeAvailabilityStorage(node_id=node, availability_storage_id=storage))

    def beat(self, host, running=(), age=0.0):
        written_at = datetime.fromtimestamp(self.cloud.clock.now() - age, UTC).isoformat()
        instances = [{"uuid": server, "state": "running"} for server in running]
        content = {"host": host, "written_at": written_at, "boot_id": "b", "instances": instances}
        (self.directory / f"{host}.json").write_text(json.dumps(content))


@pytest.fixture
def site(cloud, tmp_path):
    return Site(cloud, tmp_path)


@pytest.mark.both_databases
async def test_a_dead_host_is_evacuated_after_so_many_looks_and_only_once(site):
    tracker = site.tracker()
    assert await site.cycles(tracker, 2) == []
    site.kill("h1")
    assert await site.cycles(tracker, 2) == []
    assert site.row().down_count == 2
    [task] = await site.cycles(tracker, 1)
    assert site.rung == [task]
    [flow] = site.flows()
    assert (flow.id, flow.subject, flow.requested_by) == (task, "host:h1", "node tracker")
    assert flow.params == {"host": "h1", "only_if_down": True}
    assert site.row().decision_id == task
    assert await site.cycles(tracker, 5) == []
    assert site.kinds() == ["host.down", "host.evacuating"]
    await site.carry_out()
    assert site.flows()[0].status == "SUCCESS", site.flows()[0].error
    assert {site.cloud.nova.host_of(server) for server in "ab"}.isdisjoint({"h1"})
    assert site.cloud.nova.split_brains == []
    assert await site.cycles(tracker, 5) == []


async def test_the_default_configuration_touches_nobody(site):
    site.options = {}
    tracker = site.tracker()
    site.kill("h1")
    assert await site.cycles(tracker, 8) == []
    assert site.flows() == []
    assert site.kinds() == ["host.down"]
    assert site.row().verdict["next"].endswith("max_down_hosts is 0")


async def test_observing_tells_and_does_nothing(site):
    tracker = site.tracker(enabled="observe")
    site.kill("h1")
    assert await site.cycles(tracker, 8) == []
    assert site.flows() == []
    assert site.kinds() == ["host.down", "host.would_evacuate"]


async def test_a_service_that_flaps_is_never_counted_together(site):
    tracker = site.tracker()
    for _ in range(6):
        site.kill("h1")
        assert await site.cycles(tracker, 2) == []
        site.revive()
        assert await site.cycles(tracker, 1) == []
    assert site.kinds() == []


async def test_a_host_that_is_back_is_told_and_forgotten(site):
    tracker = site.tracker(max_down_hosts=0)
    site.kill("h1")
    await site.cycles(tracker, 4)
    site.revive()
    await site.cycles(tracker, 3)
    assert site.kinds() == ["host.down", "host.back"]
    assert (site.row().down_since, site.row().down_count, site.row().state) == (None, 0, "up")


async def test_looks_that_are_far_apart_are_not_in_a_row(site):
    tracker = site.tracker()
    site.kill("h1")
    await site.cycles(tracker, 2)
    site.cloud.clock.time += 10 * LOOP
    assert await site.cycles(tracker, 2) == []
    assert len(await site.cycles(tracker, 1)) == 1


async def test_when_more_are_down_nobody_is_touched_and_one_alarm_says_so(site):
    tracker = site.tracker()
    site.kill("h1", "h2")
    assert await site.cycles(tracker, 6) == []
    assert site.flows() == []
    [alarm] = site.events("guard.refused")
    assert alarm.subject == "hosts"
    assert "2 hosts are down, more than max_down_hosts (1)" in alarm.message
    site.revive("h2")
    assert len(await site.cycles(tracker, 2)) == 1


async def test_few_are_fenced_in_a_cycle(site):
    tracker = site.tracker(max_down_hosts=3)
    site.kill("h1", "h2", "h3")
    started = [await site.cycles(tracker, 1) for _ in range(6)]
    assert [len(tasks) for tasks in started] == [0, 0, 1, 1, 1, 0]


async def test_a_host_that_we_switched_off_is_left_alone_until_it_is_on_again(site):
    node_id = site.cloud.add_node({"on": True}, name="spare-name")
    with site.cloud.database.transaction() as session:
        node = session.scalars(select(Node).where(Node.name == "h1")).one()
        session.add(PowerAction(action="power_off", node_id=node.id, result="SUCCESS"))
        session.add(PowerAction(action="power_off", node_id=node_id, result="SUCCESS"))
    tracker = site.tracker()
    site.kill("h1")
    assert await site.cycles(tracker, 6) == []
    assert site.kinds() == []
    assert site.row().state == "explained"
    assert "our power-off" in site.row().verdict["next"]


async def test_a_power_off_explains_nothing_once_the_host_has_reported_again(site):
    """It was switched off and on again long ago; now it dies, and its power device is silent."""
    with site.cloud.database.transaction() as session:
        node = session.scalars(select(Node).where(Node.name == "h1")).one()
        long_ago = datetime.fromtimestamp(site.cloud.clock.now() - 3600, UTC).replace(tzinfo=None)
        session.add(
            PowerAction(
                action="power_off", node_id=node.id, result="SUCCESS", start_time=long_ago, end_time=long_ago
            )
        )
    tracker = site.tracker()
    site.kill("h1")
    assert len(await site.cycles(tracker, 3)) == 1


@pytest.mark.parametrize(
    ("reason", "touched"),
    [
        ("disk swap on Monday", False),
        (None, False),
        ("AUTO: Connection to libvirt lost: 1", True),
        ("cloudmanager: evacuate-host, task 1", True),
    ],
    ids=["by somebody", "without reason", "by Nova", "by a task"],
)
async def test_a_host_that_somebody_has_cordoned_is_left_to_them(site, reason, touched):
    site.cloud.nova._set("h1", enabled=False, reason=reason)
    tracker = site.tracker()
    site.kill("h1")
    begun = await site.cycles(tracker, 5)
    assert bool(begun) is touched
    if touched:
        await site.carry_out()
        assert site.cloud.flow(begun[0]).status == "SUCCESS", site.cloud.flow(begun[0]).error
        return
    [alarm] = site.events("guard.refused")
    assert (reason or "no reason") in alarm.message
    site.kill("h2")  # the cordoned one does not count against another
    assert len(await site.cycles(tracker, 4)) == 1


async def test_a_host_that_a_task_has_is_left_to_it(site):
    task = site.cloud.start_flow("shutdown-host", "host:h1", host="h1")
    tracker = site.tracker()
    site.kill("h1")
    assert await site.cycles(tracker, 6) == []
    assert task in site.row().verdict["next"]


@pytest.mark.parametrize(
    ("running", "alive"), [(("a", "b"), True), (("a",), False), ((), False)], ids=["all", "one", "none"]
)
async def test_a_host_that_writes_to_its_storage_is_alive_if_its_servers_run(site, running, alive):
    site.options[("extra_availability_check", "enabled")] = True
    site.share_storage("h1", "h2", "h3")
    tracker = site.tracker()
    site.kill("h1")
    begun = []
    for _ in range(5):
        site.cloud.clock.time += LOOP
        site.beat("h1", running)
        for host in ("h2", "h3"):
            site.beat(host)
        begun += await tracker.cycle()
    assert (begun == []) is alive
    assert [row.subject for row in site.events("host.alive")] == (["host:h1"] if alive else [])
    if alive:
        [shown] = site.row().verdict["storages"]
        assert (shown["sign"], shown["running"]) == ("fresh", ["a", "b"])


async def test_a_storage_on_which_all_are_silent_stops_the_tracker(site):
    site.options[("extra_availability_check", "enabled")] = True
    site.share_storage("h1", "h2", "h3")
    for host in ("h1", "h2", "h3"):
        site.beat(host)
    site.kill("h1")
    assert await site.cycles(site.tracker(), 6) == []
    [alarm] = site.events("guard.refused")
    assert "the storage has failed" in alarm.message


async def test_a_storage_that_fails_together_with_a_network_is_no_proof_of_death(site):
    """h1 has lost Nova in the moment in which all lost the storage: long after, the others still look fresh."""
    site.options |= {
        ("extra_availability_check", "enabled"): True,
        ("extra_availability_check", "stale_after"): 8 * LOOP,
        ("extra_availability_check", "max_clock_skew"): 5.0,
    }
    site.share_storage("h1", "h2", "h3")
    for host in ("h1", "h2", "h3"):
        site.beat(host)
    site.lose_management("h1")
    tracker = site.tracker()
    assert await site.cycles(tracker, 6) == []
    outcomes = {gate["gate"]: gate["outcome"] for gate in site.row().verdict["gates"]}
    assert outcomes["storages_stand"] == "waiting"
    assert site.row().verdict["storages"][0]["sign"] == "stale"
    assert await site.cycles(tracker, 6) == []
    [alarm] = site.events("guard.refused")
    assert "the storage has failed" in alarm.message


async def test_what_cannot_be_read_is_tried_so_often_and_then_counts_as_down(site):
    site.options |= {
        ("extra_availability_check", "enabled"): True,
        ("extra_availability_check", "attempts"): 2,
        ("extra_availability_check", "delay"): 2 * LOOP,
    }
    site.share_storage("h1")
    tracker = site.tracker()
    site.kill("h1")
    started = [len(await site.cycles(tracker, 1)) for _ in range(6)]
    assert started == [0, 0, 0, 0, 1, 0]


async def test_without_sight_of_the_cloud_nobody_is_touched_and_that_is_told_once(site):
    tracker = site.tracker()
    site.kill("h1")
    await site.cycles(tracker, 2)
    services = site.cloud.nova.services

    async def fail(**_):
        raise CloudUnreachable("no answer")

    site.cloud.nova.services = fail
    assert await site.cycles(tracker, 3) == []
    site.cloud.nova.services = services
    assert await site.cycles(tracker, 2) == []
    assert len(await site.cycles(tracker, 1)) == 1
    assert site.kinds() == ["tracker.blind", "tracker.sighted", "host.down", "host.evacuating"]


# --- several trackers ---------------------------------------------------------------------------------------


async def test_whoever_takes_over_goes_on_with_the_count(site):
    first, second = site.tracker("t1"), site.tracker("t2")
    site.kill("h1")
    await site.cycles(first, 2)
    assert site.row().down_count == 2
    site.cloud.clock.time += LOOP / 2
    assert await second.cycle() == []
    site.cloud.clock.time += LOOP / 2
    begun = await second.cycle()
    if not begun:  # the lease of the dead one had to end first
        site.cloud.clock.time += LOOP
        begun = await second.cycle()
    assert len(begun) == 1
    assert len(site.flows()) == 1


async def test_exactly_one_decides_for_an_aggregate(site):
    site.cloud.nova.host_aggregates = [
        Aggregate(number, f"agg{number}", None, frozenset({f"h{number}"})) for number in range(1, 7)
    ]
    trackers = [site.tracker(f"t{number}") for number in range(3)]
    for _ in range(4):
        site.cloud.clock.time += LOOP
        mine = []
        for tracker in trackers:
            seen = await tracker._lookout.look(counts=False)
            mine.append(set(tracker._mine(seen)))
    assert set().union(*mine) == {f"h{number}" for number in range(1, 7)}
    assert sum(len(hosts) for hosts in mine) == 6
    await trackers[0].leave()
    seen = await trackers[1]._lookout.look(counts=False)
    assert set(trackers[1]._mine(seen)) | set(trackers[2]._mine(seen)) == {
        f"h{number}" for number in range(1, 7)
    }


async def test_who_has_lost_its_lease_decides_nothing_any_more(site):
    tracker = site.tracker()
    site.kill("h1")
    await site.cycles(tracker, 2)
    site.cloud.clock.time += LOOP
    seen = await tracker._lookout.look(counts=True)
    decide = tracker._ledger.act

    def act_too_late(seen, decider):
        leases.release(site.cloud.database, "tracker aggregate 0", "t1")
        assert leases.hold(
            site.cloud.database, "tracker aggregate 0", "t2", now=site.cloud.clock.now(), seconds=45
        )
        return decide(seen, decider)

    tracker._ledger.act = act_too_late
    assert tracker._decide(seen) == []
    assert site.flows() == []


@pytest.mark.parametrize("dies", ["before it decides", "before it rings"])
async def test_a_decider_that_dies_has_decided_or_has_not(site, dies):
    first = site.tracker()
    site.kill("h1")
    await site.cycles(first, 2)
    site.cloud.clock.time += LOOP
    seen = await first._lookout.look(counts=True)
    if dies == "before it decides":
        first._ledger.act = lambda *_: []
    else:
        first._ledger._ring = lambda *_: None
    first._decide(seen)
    assert len(site.flows()) == (dies == "before it rings")
    second = site.tracker("t2")
    await site.cycles(second, 4)
    await site.carry_out()
    [flow] = site.flows()
    assert flow.status == "SUCCESS", flow.error
    assert site.cloud.nova.split_brains == []


@pytest.mark.parametrize(("silent", "touched"), [(2, True), (3, False)])
async def test_when_most_power_devices_are_silent_it_may_be_us(site, silent, touched):
    with site.cloud.database.transaction() as session:
        for control in session.scalars(select(NodeControl).order_by(NodeControl.node_id)):
            control.is_initialized = True
            control.power_state = None if 1 <= control.node_id <= 1 + silent else "power_on"
            control.power_state_checked_at = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    tracker = site.tracker()
    site.kill("h1")
    assert bool(await site.cycles(tracker, 4)) is touched
    if not touched:
        [alarm] = site.events("guard.refused")
        assert "3 of 5 other power devices are silent: it may be us" in alarm.message


@pytest.mark.both_databases
async def test_a_decision_that_was_made_meanwhile_is_not_made_again(site):
    tracker = site.tracker()
    site.kill("h1")
    await site.cycles(tracker, 2)
    site.cloud.clock.time += LOOP
    seen = await tracker._lookout.look(counts=True)
    assert len(tracker._decide(seen)) == 1
    with site.cloud.database.transaction() as session:
        session.scalars(select(FlowRow)).one().ended_at = datetime(2030, 1, 1)  # noqa: DTZ001 - as it is stored
    later = replace(seen, snapshot=replace(seen.snapshot, now=seen.snapshot.now + 10 * LOOP))
    site.cloud.clock.time += LOOP / 2
    assert tracker._ledger.act(later, _decider(tracker, later)) == []
    assert len(site.flows()) == 1


def _decider(tracker, seen):
    from cloudmanager.tracking.ledger import Decider

    return Decider("t1", tracker._mine(seen))


async def test_what_failed_is_tried_again_after_a_while(site):
    tracker = site.tracker(retry_interval=4 * LOOP)
    site.kill("h1")
    site.cloud.nova.hosts["h1"].machine.dead = True
    [first] = await site.cycles(tracker, 3)
    await site.carry_out()
    assert site.flows()[0].status == "FAILURE"
    assert {site.cloud.nova.host_of(server) for server in "ab"} == {"h1"}
    site.cloud.nova.hosts["h1"].machine.dead = False
    begun, end = [], site.cloud.clock.time + 100 * LOOP
    while not begun:
        begun = await site.cycles(tracker, 1)
        assert site.cloud.clock.time < end
    assert begun != [first]
    await site.carry_out()
    assert site.flows()[1].status == "SUCCESS", site.flows()[1].error


async def dies_with_its_device(site, **options):
    """`h1` dies with its device, is not known to be silent yet, and cannot be fenced; answers its tracker."""
    site.share_storage("h1", "h2", "h3")
    tracker = site.tracker(**{"storage_fencing": True, "storage_silence": 5 * LOOP, **options})
    site.beat("h1", ["a", "b"])
    site.kill("h1")
    site.cloud.nova.hosts["h1"].machine.dead = True
    know_power(site, "power_on")
    begun = []
    for _ in range(8):
        begun = begun or await beating(site, tracker, 1)
    await site.carry_out()
    [first] = site.flows()
    assert (begun, first.status) == ([first.id], "FAILURE")
    return tracker


async def beating(site, tracker, count):
    """So many looks, while the others write to the storage."""
    begun = []
    for _ in range(count):
        site.cloud.clock.time += LOOP
        site.beat("h2")
        site.beat("h3")
        begun += await tracker.cycle()
    return begun


def know_power(site, state):
    """What the monitor has seen of h1's device last: now, and None that it is silent."""
    now = datetime.fromtimestamp(int(site.cloud.clock.now()), UTC).replace(tzinfo=None)
    seen = {"power_state": state, "power_state_checked_at": now}
    with site.cloud.database.transaction() as session:
        session.execute(update(Node).where(Node.name == "h1").values(seen))


@pytest.mark.both_databases
async def test_what_lacked_a_fence_is_tried_again_when_silence_is_one(site):
    tracker = await dies_with_its_device(site)
    assert await beating(site, tracker, 4) == []  # the device is still believed to answer
    know_power(site, None)
    [second] = await beating(site, tracker, 1)
    assert (site.flows()[1].id, site.flows()[1].params["fenced"]) == (second, True)
    await site.carry_out()
    assert site.flows()[1].status == "SUCCESS", site.flows()[1].error
    assert site.cloud.nova.split_brains == []


async def test_storages_are_looked_at_while_a_failure_is_left_alone(site):
    tracker = await dies_with_its_device(site, storage_fencing=False)
    assert await beating(site, tracker, 4) == []
    verdict = site.row().verdict
    assert [gate["gate"] for gate in verdict["gates"] if gate["outcome"] != "passed"] == ["not_tried_lately"]
    assert [storage["sign"] for storage in verdict["storages"]] == ["stale"]


async def test_what_failed_though_it_was_vouched_for_waits(site):
    tracker = await dies_with_its_device(site)
    know_power(site, None)
    [second] = await beating(site, tracker, 6)
    with site.cloud.database.transaction() as session:
        ended = {"status": "FAILURE", "ended_at": utc_now(), "error": "Nova said no"}
        session.execute(update(FlowRow).where(FlowRow.id == second).values(ended))
    assert await beating(site, tracker, 8) == []
    assert site.row().verdict["next"].startswith(f"looked at again: task {second} could not evacuate it")


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        pytest.param("evacuate-host", {"status": "REVOKED"}, id="cancelled"),
        pytest.param("power-off", {"status": "SUCCESS"}, id="fenced, failed later"),
        pytest.param("power-off", {"kind": "evacuate-server"}, id="another task below it failed"),
    ],
)
async def test_what_ended_otherwise_waits(site, kind, values):
    tracker = await dies_with_its_device(site)
    know_power(site, None)
    with site.cloud.database.transaction() as session:
        session.execute(update(FlowRow).where(FlowRow.kind == kind).values(**values))
    assert await beating(site, tracker, 8) == []


async def come_back(site):
    """It is evacuated, and gets its power back; a look sees it up, unless told otherwise."""
    await site.carry_out()
    site.cloud.nova.hosts["h1"].machine.on = True
    await site.cloud.sweep_until_quiet()
    assert not site.cloud.nova._service("h1").forced_down
    site.cloud.nova.add_server("c", "h1")


async def test_a_host_that_dies_again_after_its_return_is_evacuated_again(site):
    tracker = site.tracker()
    site.kill("h1")
    [first] = await site.cycles(tracker, 3)
    await come_back(site)
    assert await site.cycles(tracker, 2) == []
    assert site.kinds() == ["host.down", "host.evacuating", "host.back"]
    site.kill("h1")
    [second] = await site.cycles(tracker, 4)
    await site.carry_out()
    assert site.cloud.flow(second).status == "SUCCESS", site.cloud.flow(second).error
    assert second != first
    assert site.cloud.nova.host_of("c") != "h1"
    assert site.cloud.nova.split_brains == []


async def test_a_host_that_dies_again_before_anybody_saw_it_up_is_evacuated_again(site):
    """It reported after its evacuation, so this outage is another, though no look lies between the two."""
    tracker = site.tracker()
    site.kill("h1")
    await site.cycles(tracker, 3)
    await come_back(site)
    site.cloud.clock.time += LOOP
    site.revive()
    site.kill("h1")
    site.cloud.clock.time += LOOP
    assert site.row().decision_id is not None
    begun = await site.cycles(tracker, 4)
    assert len(begun) == 1
    await site.carry_out()
    assert site.cloud.nova.host_of("c") != "h1"
    assert await site.cycles(tracker, 6) == []
    assert site.cloud.nova.split_brains == []


async def test_a_host_that_is_up_again_when_its_evacuation_begins_is_not_drained(site):
    tracker = site.tracker()
    site.kill("h1")
    await site.cycles(tracker, 3)
    site.revive()
    site.cloud.clock.time += LOOP
    await site.carry_out()
    [flow] = site.flows()
    assert flow.status == "FAILURE"
    assert "up again" in flow.error
    assert {site.cloud.nova.host_of(server) for server in "ab"} == {"h1"}
    assert site.cloud.nova._service("h1").enabled
