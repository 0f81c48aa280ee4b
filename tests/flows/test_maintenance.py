"""What an opening of a maintenance window does to hosts: which, how many at a time, and what keeps it from it."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import update

from cloudmanager.errors import InvalidInput, Unavailable
from cloudmanager.flows import cancel
from cloudmanager.flows.maintenance.history import prune
from cloudmanager.flows.maintenance.openings import _open_scheduled, open_due, open_window, schedule_of
from cloudmanager.flows.maintenance.schedule import Opening, moment_of
from cloudmanager.models import Event, MaintenanceRun, MaintenanceWindow, NodeClass, utc_now
from cloudmanager.openstack.records import Aggregate

HOSTS = ("h1", "h2", "h3", "h4")


@pytest.fixture
def fleet(cloud):
    """Four hosts with a server each; the window's clock is that of the flows."""
    cloud.nova.live_takes = 1.0
    for number, name in enumerate(HOSTS):
        cloud.add_host(name)
        cloud.nova.add_server(f"s{number}", name)
    return cloud


def add_window(fleet, *, starts_in=0.0, **columns):
    values = {
        "name": "weekly",
        "enabled": True,
        "action": "restart",
        "parameters": {},
        "hosts": {"names": ["h1", "h2", "h3"]},
        "schedule": {"starts_at": moment_of(fleet.clock.now() + starts_in).isoformat()},
        "length": 3600,
        "batch": 1,
        "stop_after_failures": 1,
        "blockers": [],
        **columns,
    }
    with fleet.database.transaction() as session:
        window = MaintenanceWindow(**values)
        session.add(window)
        session.flush()
        return window.id


def open_now(fleet):
    return open_due(fleet.database, fleet.clock.now(), lambda ids: None)


async def run(fleet, **columns):
    """Open a window and see it to its end; answers its flow."""
    add_window(fleet, **columns)
    (task_id,) = open_now(fleet)
    await fleet.sweep_until_ended(task_id, rounds=3000)
    return fleet.flow(task_id)


def told(flow):
    return {row["host"]: row["outcome"] for row in flow.result["hosts"]}


def reason(flow, host):
    return next(row["reason"] for row in flow.result["hosts"] if row["host"] == host)


def watch(fleet):
    """The most hosts that are cordoned at any time, and when each was first."""
    seen = {"most": 0, "begun": {}}
    original = fleet.nova._set

    def noted(host, **changes):
        original(host, **changes)
        if changes.get("enabled") is False:
            seen["begun"].setdefault(host, fleet.clock.now())
        out = sum(not each.enabled for each in fleet.nova.hosts.values())
        seen["most"] = max(seen["most"], out)

    fleet.nova._set = noted
    return seen


async def test_hosts_are_restarted_one_after_another(fleet):
    seen = watch(fleet)
    flow = await run(fleet)
    assert flow.status == "SUCCESS", flow.error
    assert told(flow) == {"h1": "done", "h2": "done", "h3": "done"}
    assert [fleet.nova.hosts[name].machine.cuts for name in HOSTS] == [1, 1, 1, 0]
    assert all(host.enabled for host in fleet.nova.hosts.values())
    assert seen["most"] == 1
    assert all(row["task_id"] for row in flow.result["hosts"])
    (opening,) = fleet.rows(MaintenanceRun)
    assert opening.hosts == flow.result["hosts"]
    assert (opening.task_id, opening.status) == (flow.id, "SUCCESS")
    assert opening.ended_at
    events = [(event.kind, event.subject) for event in fleet.rows(Event)]
    assert events == [("maintenance_window_opened", "window:1"), ("maintenance_window_ended", "window:1")]


async def test_a_batch_is_bounded_by_what_can_be_drained_to(fleet):
    seen = watch(fleet)
    flow = await run(fleet, batch=10, hosts={"names": list(HOSTS)})
    assert flow.status == "SUCCESS", flow.error
    assert seen["most"] == 3


async def test_hosts_that_are_shut_down_do_not_count_as_gone_down(fleet):
    """Who is off because of the window is no reason to stop."""
    fleet.nova.live_takes = 20.0
    flow = await run(fleet, action="shutdown", hosts={"names": ["h1", "h2", "h3"]}, length=300)
    assert told(flow) == {"h1": "done", "h2": "done", "h3": "done"}, flow.message
    assert [fleet.nova.hosts[name].machine.on for name in HOSTS] == [False, False, False, True]


async def test_a_host_to_which_servers_are_moving_is_not_begun(fleet):
    fleet.nova.live_takes = 60.0
    moving = fleet.start_flow(
        "move-server", "server:s3", server_id="s3", host="h4", ways=["live"], destination="h1"
    )
    add_window(fleet, hosts={"names": ["h1"]})
    (task_id,) = open_now(fleet)
    async with fleet._time_passes():
        fleet._work([moving, task_id])
        await fleet.clock.sleep(30)
        assert told_of(fleet, task_id) == {"h1": "waiting"}
    await fleet.sweep_until_ended(task_id, rounds=400)
    assert fleet.flow(moving).status == "SUCCESS"
    assert told(fleet.flow(task_id)) == {"h1": "done"}


async def test_parameters_reach_the_action(fleet):
    flow = await run(fleet, action="decommission", parameters={"power_off": True}, hosts={"names": ["h1"]})
    assert told(flow) == {"h1": "done"}
    assert not fleet.nova.hosts["h1"].machine.on
    assert fleet.rows_of("decommission-host")[0].params == {"host": "h1", "power_off": True}


async def test_no_host_is_begun_once_the_window_has_closed(fleet):
    seen = watch(fleet)
    began = fleet.clock.now()
    flow = await run(fleet, length=10)
    assert flow.status == "SUCCESS", flow.error
    assert told(flow) == {"h1": "done", "h2": "not_begun", "h3": "not_begun"}
    assert reason(flow, "h2") == "the window closed"
    assert set(seen["begun"]) == {"h1"}
    assert fleet.clock.now() - began > 10, "the host that was begun is brought to its end"
    assert "not begun: h2, h3 (the window closed)" in flow.message


async def test_after_a_failure_no_other_host_is_begun(fleet):
    fleet.nova.guests["s0"].fails["live-migration"] = ["no"] * 9
    flow = await run(fleet)
    assert flow.status == "FAILURE"
    assert told(flow) == {"h1": "failed", "h2": "not_begun", "h3": "not_begun"}
    assert reason(flow, "h2").startswith("stopped after 1 failed: h1: ")
    assert fleet.rows(MaintenanceRun)[0].status == "FAILURE"


async def test_as_many_failures_as_are_allowed(fleet):
    fleet.nova.guests["s0"].fails["live-migration"] = ["no"] * 9
    flow = await run(fleet, stop_after_failures=2)
    assert flow.status == "FAILURE", "a host that failed is not hidden"
    assert told(flow) == {"h1": "failed", "h2": "done", "h3": "done"}


async def test_a_host_that_another_task_holds_is_waited_for(fleet):
    holder = fleet.start_flow("await-return", "host:h1", host="h1")
    add_window(fleet)
    (task_id,) = open_now(fleet)
    async with fleet._time_passes():
        fleet._work([task_id])
        while "done" not in told_of(fleet, task_id).get("h3", ""):
            await fleet.clock.sleep(1)
        assert told_of(fleet, task_id)["h1"] == "waiting", "the others were not kept waiting"
        end(fleet, holder)
    await fleet.sweep_until_ended(task_id, rounds=400)
    assert told(fleet.flow(task_id)) == {"h1": "done", "h2": "done", "h3": "done"}


def told_of(fleet, task_id):
    flow = fleet.flow(task_id)
    return told(flow) if flow.result else {}


def end(fleet, flow_id):
    row = fleet.flow(flow_id)
    with fleet.database.transaction() as session:
        session.execute(update(type(row)).where(type(row).id == flow_id).values(ended_at=utc_now()))


async def test_a_host_that_is_held_to_the_end_is_not_begun(fleet):
    holder = fleet.start_flow("await-return", "host:h2", host="h2")
    flow = await run(fleet, length=120)
    assert told(flow) == {"h1": "done", "h2": "not_begun", "h3": "done"}
    assert reason(flow, "h2") == f"the window closed; until then task {holder} held it"


async def test_hosts_that_nova_does_not_know_are_told(fleet):
    flow = await run(fleet, hosts={"names": ["h1", "gone"]})
    assert told(flow) == {"h1": "done", "gone": "not_begun"}
    assert reason(flow, "gone") == "Nova knows no such host"


async def test_a_window_without_hosts(fleet):
    flow = await run(fleet, hosts={"aggregates": ["nothing"]})
    assert flow.status == "SUCCESS"
    assert flow.result == {"hosts": []}


# --- blockers --------------------------------------------------------------------------------------------

ALERTS = 'ALERTS{alertstate="firing"}'
BLOCKERS = [{"prometheus": {"query": ALERTS}}]


async def test_alerts_block_and_are_said(fleet):
    fleet.alerts.firing[ALERTS] = ['ALERTS{alertname="DiskFull"}']
    flow = await run(fleet, blockers=BLOCKERS, length=60)
    assert set(told(flow).values()) == {"not_begun"}
    assert reason(flow, "h1") == (
        'the window closed; until then blocked: Prometheus has ALERTS{alertname="DiskFull"}'
    )
    assert set(fleet.alerts.asked) == {ALERTS}
    assert len(fleet.alerts.asked) > 10, "asked again and again"


@pytest.mark.parametrize("error", [Unavailable("silence"), InvalidInput("what?")])
async def test_what_is_not_known_blocks(fleet, error):
    fleet.alerts.error = error
    flow = await run(fleet, blockers=BLOCKERS, length=30)
    assert set(told(flow).values()) == {"not_begun"}
    assert f"it is not known whether there are alerts: {error.message}" in reason(flow, "h1")


async def test_it_goes_on_when_the_alert_is_over(fleet):
    fleet.alerts.firing[ALERTS] = ["an alert"]
    add_window(fleet, blockers=BLOCKERS)
    (task_id,) = open_now(fleet)
    async with fleet._time_passes():
        fleet._work([task_id])
        await fleet.clock.sleep(60)
        assert set(told_of(fleet, task_id).values()) == {"waiting"}
        assert "blocked: Prometheus has an alert" in fleet.flow(task_id).message
        fleet.alerts.firing.clear()
    await fleet.sweep_until_ended(task_id, rounds=400)
    assert set(told(fleet.flow(task_id)).values()) == {"done"}


async def test_an_alert_in_the_middle_leaves_the_rest(fleet):
    """It is looked at before each host, also within a batch."""
    original = fleet.nova._set

    def alarm(host, **changes):
        original(host, **changes)
        if changes.get("enabled") is False:
            fleet.alerts.firing[ALERTS] = ["an alert"]

    fleet.nova._set = alarm
    flow = await run(fleet, blockers=BLOCKERS, length=120)
    assert told(flow) == {"h1": "done", "h2": "not_begun", "h3": "not_begun"}


async def test_open_tasks_of_a_kind_block(fleet):
    holder = fleet.start_flow("await-return", "host:h4", host="h4")
    flow = await run(fleet, blockers=[{"tasks": ["evacuate-host", "await-return"]}], length=60)
    assert set(told(flow).values()) == {"not_begun"}
    assert f"task {holder} is open (await-return of host:h4)" in reason(flow, "h1")


async def test_tasks_that_have_ended_do_not_block(fleet):
    end(fleet, fleet.start_flow("await-return", "host:h4", host="h4"))
    flow = await run(fleet, blockers=[{"tasks": ["await-return"]}])
    assert set(told(flow).values()) == {"done"}


async def test_what_the_window_does_itself_does_not_block_it(fleet):
    seen = watch(fleet)
    kinds = ["maintenance-window", "restart-host", "move-server", "power-off"]
    flow = await run(fleet, blockers=[{"tasks": kinds}], batch=2)
    assert set(told(flow).values()) == {"done"}
    assert seen["most"] == 2


async def test_a_host_that_goes_down_meanwhile_blocks(fleet):
    fleet.nova.hosts["h4"].boot = 10_000
    fleet.nova.hosts["h4"].started = fleet.clock.now()
    flow = await run(fleet, length=200)
    outcomes = list(told(flow).values())
    assert outcomes[0] == "done"
    assert outcomes[-1] == "not_begun"
    assert "h4 went down meanwhile" in reason(flow, "h3")


# --- opening ---------------------------------------------------------------------------------------------


def test_a_window_opens_once(fleet):
    add_window(fleet, starts_in=100)
    assert open_now(fleet) == []
    fleet.clock.time += 100
    assert len(open_now(fleet)) == 1
    assert open_now(fleet) == []
    end(fleet, fleet.rows_of("maintenance-window")[0].id)
    assert open_now(fleet) == [], "this opening has been"


def test_a_daemon_that_was_down_opens_late(fleet):
    add_window(fleet, length=3600)
    fleet.clock.time += 3599
    (task_id,) = open_now(fleet)
    assert fleet.flow(task_id).params["closes_at"] == fleet.clock.now() + 1


def test_but_not_when_the_window_has_closed(fleet):
    add_window(fleet, length=3600)
    fleet.clock.time += 3600
    assert open_now(fleet) == []


def test_a_disabled_window_does_not_open(fleet):
    add_window(fleet, enabled=False)
    assert open_now(fleet) == []


@pytest.mark.parametrize("change", [{"enabled": False}, {"length": 60}])
def test_a_window_that_was_changed_since_it_was_looked_at_is_not_opened(fleet, change):
    window_id = add_window(fleet)
    with fleet.database.transaction() as session:
        window = session.get_one(MaintenanceWindow, window_id)
        opening = schedule_of(window).open_at(fleet.clock.now())
        session.execute(update(MaintenanceWindow).values(**change))
    with fleet.database.transaction() as session:
        assert _open_scheduled(session, window_id, opening, lambda ids: None) is None
    assert fleet.rows(MaintenanceRun) == []


def test_a_window_waits_for_its_own_earlier_opening(fleet):
    """A run that an admin has started holds the window; the opening begins when that is over."""
    window_id = add_window(fleet, starts_in=50)
    fleet.clock.time += 40
    with fleet.database.transaction() as session:
        window = session.get_one(MaintenanceWindow, window_id)
        opening = Opening(fleet.clock.now(), fleet.clock.now() + 20)
        first = open_window(session, window, opening, scheduled=False, requested_by="me")
    fleet.clock.time += 10
    assert open_now(fleet) == []
    assert len(fleet.rows(MaintenanceRun)) == 1, "what could not begin leaves nothing behind"
    end(fleet, first)
    assert len(open_now(fleet)) == 1


@pytest.mark.both_databases
def test_many_schedulers_open_a_window_once(fleet):
    add_window(fleet)
    barrier, opened = threading.Barrier(6), []

    def fire():
        barrier.wait()
        opened.extend(open_now(fleet))

    threads = [threading.Thread(target=fire) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 1
    assert len(fleet.rows(MaintenanceRun)) == 1
    assert len(fleet.rows_of("maintenance-window")) == 1


async def test_a_window_that_is_disabled_meanwhile_begins_no_other_host(fleet):
    window_id = add_window(fleet)
    (task_id,) = open_now(fleet)
    async with fleet._time_passes():
        fleet._work([task_id])
        while told_of(fleet, task_id).get("h1") != "running":
            await fleet.clock.sleep(1)
        with fleet.database.transaction() as session:
            session.get_one(MaintenanceWindow, window_id).enabled = False
    await fleet.sweep_until_ended(task_id, rounds=400)
    flow = fleet.flow(task_id)
    assert told(flow) == {"h1": "done", "h2": "not_begun", "h3": "not_begun"}
    assert reason(flow, "h2") == "the window was disabled"


async def test_a_cancel_calls_the_hosts_back_and_is_told(fleet):
    add_window(fleet)
    (task_id,) = open_now(fleet)
    async with fleet._time_passes():
        fleet._work([task_id])
        while told_of(fleet, task_id).get("h1") != "running":
            await fleet.clock.sleep(1)
        with fleet.database.transaction() as session:
            cancel(session, task_id)
    await fleet.sweep_until_quiet()
    flow = fleet.flow(task_id)
    assert flow.status == "REVOKED"
    assert told(flow) == {"h1": "failed", "h2": "not_begun", "h3": "not_begun"}
    assert reason(flow, "h3") == "the task was cancelled"
    assert fleet.rows(MaintenanceRun)[0].status == "REVOKED"
    assert fleet.nova.hosts["h1"].enabled


def test_old_openings_are_forgotten(fleet):
    add_window(fleet)
    (task_id,) = open_now(fleet)
    prune(fleet.database, utc_now())
    assert len(fleet.rows(MaintenanceRun)) == 1, "it has not ended"
    with fleet.database.transaction() as session:
        session.execute(update(MaintenanceRun).values(ended_at=moment_of(1000)))
    prune(fleet.database, utc_now())
    assert fleet.rows(MaintenanceRun) == []
    assert fleet.flow(task_id)


# --- which hosts -----------------------------------------------------------------------------------------


@pytest.fixture
def placed(fleet):
    """h1 and h2 in rack 7, h3 and h4 in rack 8; h2 and h4 are of the class `storage`."""
    with fleet.database.transaction() as session:
        storage = NodeClass(name="storage")
        session.add(storage)
        session.flush()
        nodes = {node.name: node for node in session.query(type(fleet_node(session))).all()}
        for name, rack in {"h1": 7, "h2": 7, "h3": 8, "h4": 8}.items():
            nodes[name].dtc_number, nodes[name].row_number, nodes[name].rack_number = 1, 2, rack
            nodes[name].node_class_id = storage.id if name in ("h2", "h4") else None
        nodes["h4"].name, nodes["h4"].hypervisor_id = "another-name", "hv-h4"
        fleet.storage_id = storage.id
    fleet.nova.host_aggregates = [Aggregate(5, "gpu", None, frozenset({"h2", "h3"}))]
    return fleet


def fleet_node(session):
    from cloudmanager.models import Node

    return session.query(Node).first()


@pytest.mark.parametrize(
    ("selector", "chosen"),
    [
        ({"node_classes": ["storage"]}, ["h2", "h4"]),
        ({"racks": [{"rack_number": 7}]}, ["h1", "h2"]),
        ({"racks": [{"dtc_number": 1, "row_number": 2, "rack_number": 8}]}, ["h3", "h4"]),
        ({"racks": [{"dtc_number": 2}]}, []),
        ({"racks": [{"rack_number": 7}, {"rack_number": 8}]}, ["h1", "h2", "h3", "h4"]),
        ({"aggregates": ["gpu"]}, ["h2", "h3"]),
        ({"aggregates": [5]}, ["h2", "h3"]),
        ({"aggregates": [6]}, []),
        ({"aggregates": ["gpu"], "racks": [{"rack_number": 7}]}, ["h2"]),
        ({"names": ["h1", "h3"], "aggregates": ["gpu"]}, ["h3"]),
        ({}, []),
    ],
    ids=str,
)
async def test_which_hosts(placed, selector, chosen):
    from cloudmanager.flows.maintenance.selector import choose, cloud_hosts, machines

    known = await cloud_hosts(placed.nova)
    with placed.database.reading() as session:
        assert choose(selector, known, machines(session)) == chosen


async def test_a_class_by_its_id_when_the_window_opens(placed):
    """Not when it was made: a host that has come since is taken along."""
    flow = await run(placed, hosts={"node_classes": [placed.storage_id]})
    assert told(flow) == {"h2": "done", "h4": "done"}


def test_the_schedule_of_a_window(fleet):
    window = MaintenanceWindow(schedule={"cron": "0 2 * * *", "time_zone": "Europe/Berlin"}, length=60)
    assert schedule_of(window).open_at(0) is None
