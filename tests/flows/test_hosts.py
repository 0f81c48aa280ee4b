"""What flows of hosts do to servers and to power, in a world where nothing goes wrong but what a test breaks."""

from __future__ import annotations

import random

import pytest
from sqlalchemy import select

from cloudmanager.models import FlowRow, Node
from cloudmanager.openstack.records import ServerGroup


@pytest.fixture
def fleet(cloud):
    """Four hosts; six servers on the first."""
    for name in ("h1", "h2", "h3", "h4"):
        cloud.add_host(name)
    for number in range(6):
        cloud.nova.add_server(f"s{number}", "h1")
    return cloud


async def run(fleet, kind, host="h1", **params):
    flow_id = fleet.start_flow(kind, f"host:{host}", host=host, **params)
    await fleet.sweep_until_quiet()
    return fleet.flow(flow_id)


def service(fleet, host="h1"):
    return fleet.nova._service(host)


def on(fleet, host="h1"):
    machine = fleet.nova.hosts[host].machine
    machine.settle()
    return machine.on


async def test_evacuate_drains_a_host_that_is_up(fleet):
    flow = await run(fleet, "evacuate-host")
    assert flow.status == "SUCCESS", flow.error
    assert {row["outcome"] for row in flow.result["servers"]} == {"moved"}
    assert len(flow.result["servers"]) == 6
    assert all(
        row["way"] == "live" and row["from"] == "h1" and row["to"] != "h1" for row in flow.result["servers"]
    )
    assert all(row["request_id"] for row in flow.result["servers"])
    assert all(guest.moves == 1 for guest in fleet.nova.guests.values())
    assert not service(fleet).enabled
    assert on(fleet)


async def test_not_more_than_the_limit_leave_at_once(fleet):
    fleet.host_options = {"migrations_per_source": 2}
    most = [0]
    original = fleet.nova._begin

    def begin(*args):
        original(*args)
        most[0] = max(most[0], sum(guest.moving is not None for guest in fleet.nova.guests.values()))

    fleet.nova._begin = begin
    flow = await run(fleet, "evacuate-host")
    assert flow.status == "SUCCESS"
    assert most == [2]


async def test_not_more_than_the_limit_come_to_one_host_at_once(fleet):
    fleet.host_options = {"migrations_per_destination": 1}
    fleet.nova._choose = lambda guest: "h2"  # a Nova that prefers one host
    most = {}
    original = fleet.nova._begin

    def begin(*args):
        original(*args)
        for host in fleet.nova.hosts:
            coming = sum(
                g.moving is not None and g.moving.destination == host for g in fleet.nova.guests.values()
            )
            most[host] = max(most.get(host, 0), coming)

    fleet.nova._begin = begin
    flow = await run(fleet, "evacuate-host")
    assert flow.status == "SUCCESS"
    assert max(most.values()) == 1


async def test_no_host_of_another_zone_is_named_as_the_destination(fleet):
    fleet.host_options = {"migrations_per_destination": 1}
    fleet.nova.hosts["h1"].zone = fleet.nova.hosts["h2"].zone = fleet.nova.hosts["h3"].zone = "east"
    flow = await run(fleet, "evacuate-host")
    assert flow.status == "SUCCESS", flow.error
    named = [row.params.get("destination") for row in fleet.rows_of("move-server")]
    assert "h2" in named or "h3" in named
    assert "h4" not in named


async def test_servers_that_came_before_the_cordon_was_there_leave_as_well(fleet):
    original = fleet.nova.cordon

    async def cordon(host, reason):
        if "late" not in fleet.nova.guests:
            fleet.nova.add_server("late", host)
        return await original(host, reason)

    fleet.nova.cordon = cordon
    flow = await run(fleet, "shutdown-host")
    assert flow.status == "SUCCESS", flow.error
    assert {row["id"] for row in flow.result["servers"]} == {"late", *(f"s{number}" for number in range(6))}
    assert "late" in {row["server_id"] for row in flow.result["plan"]}
    assert not on(fleet)


async def test_power_is_not_cut_while_somebody_elses_server_is_on_its_way(fleet):
    fleet.nova.add_server("guest", "h2")
    await fleet.nova.live_migrate("guest", "h1")
    flow = await run(fleet, "shutdown-host")
    assert flow.status == "SUCCESS", flow.error
    assert fleet.nova.guests["guest"].moves == 2
    assert fleet.nova.host_of("guest") != "h1"
    assert not on(fleet)


async def test_shutdown_switches_off_only_when_empty(fleet):
    flow = await run(fleet, "shutdown-host")
    assert flow.status == "SUCCESS", flow.error
    assert not on(fleet)
    assert not service(fleet).enabled


async def test_what_cannot_move_is_said_before_anything_is_touched(fleet):
    fleet.nova.add_server("halted", "h1", vm_state="stopped")
    fleet.nova.add_server("kept", "h1", locked=True, locked_reason="audit")
    fleet.nova.add_server("stuck", "h1", metadata={"pinned": "true"})
    flow = await run(fleet, "shutdown-host")
    assert flow.status == "FAILURE"
    assert "nothing was touched" in flow.error
    assert "allow_off_vm: true" in flow.error
    assert "move_locked: true" in flow.error
    assert "pinned" in flow.error
    assert fleet.nova.asked == []
    assert on(fleet)
    assert service(fleet).enabled
    by_id = {row["server_id"]: row for row in flow.result["plan"]}
    assert by_id["halted"]["option"] == "allow_off_vm: true"
    assert by_id["s0"]["ways"] == ["live"]


async def test_a_plan_touches_nothing(fleet):
    from cloudmanager.flows.hosts.survey import plan_for

    fleet.nova.add_server("halted", "h1", vm_state="stopped")
    plan = await plan_for(fleet.nova, "shutdown-host", "h1", {})
    assert len(plan["servers"]) == 7
    assert not plan["movable"]
    assert fleet.nova.asked == []


async def test_stopped_servers_move_cold_where_that_is_allowed(fleet):
    fleet.nova.add_server("halted", "h1", vm_state="stopped")
    flow = await run(fleet, "shutdown-host", allow_off_vm=True)
    assert flow.status == "SUCCESS", flow.error
    ways = {row["id"]: row["way"] for row in flow.result["servers"]}
    assert ways["halted"] == "cold"
    assert ways["s1"] == "live"
    assert "confirm halted" in fleet.nova.asked


async def test_failed_live_migration_is_tried_again_then_cold(fleet):
    fleet.nova.guests["s3"].fails["live-migration"] = ["no convergence", "no convergence"]
    flow = await run(fleet, "shutdown-host", allow_off_vm=True)
    assert flow.status == "SUCCESS", flow.error
    row = next(row for row in flow.result["servers"] if row["id"] == "s3")
    assert row["way"] == "cold"
    assert fleet.nova.asked.count("live s3") == 2


async def test_not_empty_means_power_untouched_and_cordon_restored(fleet):
    fleet.nova.guests["s3"].fails["live-migration"] = ["cpu does not match"] * 2
    flow = await run(fleet, "shutdown-host")
    assert flow.status == "FAILURE"
    assert "vm-s3" in flow.error
    assert "cpu" in flow.error or "as the test wishes" in flow.error
    assert on(fleet)
    assert service(fleet).enabled
    assert fleet.nova.host_of("s3") == "h1"


async def test_a_cordon_of_somebody_else_stays(fleet):
    fleet.nova._set("h1", enabled=False, reason="disk swap on Monday")
    fleet.nova.guests["s3"].fails["live-migration"] = ["no"] * 2
    flow = await run(fleet, "shutdown-host")
    assert flow.status == "FAILURE"
    assert service(fleet).disabled_reason == "disk swap on Monday"


async def test_dead_host_is_fenced_before_its_servers_start_elsewhere(fleet):
    fleet.nova.hosts["h1"].boot = 10_000  # its nova-compute hangs; the machine has power
    fleet.nova.hosts["h1"].started = fleet.clock.now()
    fleet.nova.hosts["h1"].reported -= 100
    flow_id = fleet.start_flow("evacuate-host", "host:h1", host="h1")
    for _ in range(200):
        await fleet.sweep_until_ended(flow_id)
        if fleet.flow(flow_id).ended_at:
            break
    flow = fleet.flow(flow_id)
    assert flow.status == "SUCCESS", flow.error
    assert not on(fleet)
    assert fleet.nova.split_brains == []
    asked = fleet.nova.asked
    assert asked.index("force_down h1") < min(asked.index(f"evacuate s{n}") for n in range(6))
    assert all(fleet.nova.host_of(f"s{n}") != "h1" for n in range(6))
    (watcher,) = fleet.rows_of("await-return")
    assert watcher.subject == "return:h1"
    assert watcher.ended_at is None


async def test_no_answer_is_no_proof_of_death(fleet):
    machine = fleet.nova.hosts["h1"].machine
    machine.dead = True
    fleet.nova.hosts["h1"].boot = 10_000
    fleet.nova.hosts["h1"].started = fleet.clock.now()
    fleet.nova.hosts["h1"].reported -= 100
    flow = await run(fleet, "evacuate-host")
    assert flow.status == "FAILURE"
    assert "not fenced" in flow.error
    assert "fenced: true" in flow.error
    assert not [what for what in fleet.nova.asked if what.startswith("evacuate")]


async def test_an_admin_may_vouch_and_is_recorded(fleet):
    machine = fleet.nova.hosts["h1"].machine
    machine.dead, machine.on = True, False
    fleet.nova.hosts["h1"].reported -= 100
    flow_id = fleet.start_flow("evacuate-host", "host:h1", host="h1", fenced=True)
    await fleet.sweep_until_ended(flow_id)
    assert fleet.flow(flow_id).status == "SUCCESS", fleet.flow(flow_id).error
    assert any("tester vouches" in (event.message or "") for event in fleet.events(flow_id))


async def test_a_fenced_host_that_returns_is_released_when_clean(fleet):
    fleet.nova.hosts["h1"].machine.on = False
    fleet.nova.hosts["h1"].reported -= 100
    flow_id = fleet.start_flow("evacuate-host", "host:h1", host="h1")
    await fleet.sweep_until_ended(flow_id)
    assert service(fleet).forced_down
    fleet.nova.hosts["h1"].machine.on = True
    await fleet.sweep_until_quiet()
    assert service(fleet).enabled
    assert not service(fleet).forced_down
    assert fleet.rows_of("release-host")[0].status == "SUCCESS"


async def test_priority_decides_who_starts_first_and_who_never(fleet):
    fleet.host_options = {"migrations_per_source": 1}
    fleet.nova.guests.clear()
    for server_id, priority in (("low", "1"), ("high", "10"), ("never", "0"), ("usual", "x")):
        fleet.nova.add_server(server_id, "h1", metadata={"recovery_priority": priority})
    fleet.nova.hosts["h1"].machine.on = False
    fleet.nova.hosts["h1"].reported -= 100
    flow_id = fleet.start_flow("evacuate-host", "host:h1", host="h1")
    await fleet.sweep_until_ended(flow_id)
    evacuations = [what for what in fleet.nova.asked if what.startswith("evacuate")]
    assert evacuations == ["evacuate high", "evacuate usual", "evacuate low"]
    flow = fleet.flow(flow_id)
    assert flow.status == "FAILURE"
    assert "vm-never" in flow.error
    assert "recovery priority is 0" in flow.error


async def test_denied_hosts_are_not_evacuated(fleet):
    fleet.host_tasks = {"deny_evacuate": ["h1"]}
    fleet.nova.hosts["h1"].machine.on = False
    fleet.nova.hosts["h1"].reported -= 100
    flow = await run(fleet, "evacuate-host")
    assert flow.status == "FAILURE"
    assert "deny_evacuate" in flow.error
    assert fleet.nova.asked == []


async def test_decommission_says_so_in_the_inventory(fleet):
    flow = await run(fleet, "decommission-host")
    assert flow.status == "SUCCESS", flow.error
    with fleet.database.reading() as session:
        assert session.scalar(select(Node.condition).where(Node.name == "h1")) == 0
    assert on(fleet)
    assert not service(fleet).enabled


async def test_last_way_off_a_living_host_is_with_its_power_off(fleet):
    fleet.nova.add_server("asleep", "h1", vm_state="suspended")
    flow_id = fleet.start_flow("shutdown-host", "host:h1", host="h1", allow_evacuate=True)
    await fleet.sweep_until_ended(flow_id)
    flow = fleet.flow(flow_id)
    assert flow.status == "SUCCESS", flow.error
    assert fleet.nova.split_brains == []
    ways = {row["id"]: row["way"] for row in flow.result["servers"]}
    assert ways["asleep"] == "evacuate"
    assert ways["s1"] == "live"


async def test_restart_waits_for_a_nova_compute_that_is_new(fleet):
    flow = await run(fleet, "restart-host")
    assert flow.status == "SUCCESS", flow.error
    machine = fleet.nova.hosts["h1"].machine
    assert machine.cuts == 1
    assert on(fleet)
    assert service(fleet).up
    assert service(fleet).enabled


async def test_host_that_does_not_come_back_stays_cordoned(fleet):
    fleet.nova.hosts["h1"].boot = 10_000
    flow = await run(fleet, "restart-host")
    assert flow.status == "FAILURE"
    assert "has not reported" in flow.error
    assert not service(fleet).enabled


async def test_rolling_restart_never_takes_two_out_in_sequence(fleet):
    out = [0]
    original = fleet.nova._settle

    def settle():
        original()
        out[0] = max(out[0], sum(not host.machine.on for host in fleet.nova.hosts.values()))

    fleet.nova._settle = settle
    flow_id = fleet.start_flow("restart-hosts", None, hosts=["h1", "h2", "h3"], in_sequence=True)
    await fleet.sweep_until_quiet(rounds=600)
    flow = fleet.flow(flow_id)
    assert flow.status == "SUCCESS", flow.error
    assert flow.result["success"] == ["h1", "h2", "h3"]
    assert out == [1]


async def test_rolling_restart_stops_at_the_first_failure(fleet):
    fleet.nova.hosts["h2"].machine.deaf = True
    flow_id = fleet.start_flow("restart-hosts", None, hosts=["h1", "h2", "h3"], in_sequence=True)
    await fleet.sweep_until_quiet(rounds=600)
    flow = fleet.flow(flow_id)
    assert flow.status == "FAILURE"
    assert flow.result == {"success": ["h1"], "failed": ["h2"], "not_begun": ["h3"]}
    assert "h3" in flow.error


async def test_of_hosts_that_are_restarted_together_each_is_cordoned_before_the_next_begins(fleet):
    begun = {}
    original = fleet.nova.cordon

    async def cordon(host, reason):
        with fleet.database.reading() as session:
            subjects = select(FlowRow.subject).where(FlowRow.kind == "restart-host")
            begun.setdefault(host, set(session.scalars(subjects)))
        return await original(host, reason)

    fleet.nova.cordon = cordon
    flow_id = fleet.start_flow("restart-hosts", None, hosts=["h1", "h2"], batch=2)
    await fleet.sweep_until_quiet(rounds=600)
    assert fleet.flow(flow_id).status == "SUCCESS"
    assert begun == {"h1": {"host:h1"}, "h2": {"host:h1", "host:h2"}}


async def test_rolling_restart_waits_while_servers_are_moving_to_its_hosts(fleet):
    fleet.nova.add_server("guest", "h2")
    move = {"server_id": "guest", "host": "h2", "ways": ["live"], "destination": "h1"}
    other = fleet.start_flow("move-server", "server:guest", **move)
    flow_id = fleet.start_flow("restart-hosts", None, hosts=["h1"])
    await fleet.sweep_until_quiet(rounds=600)
    assert fleet.flow(flow_id).status == "SUCCESS", fleet.flow(flow_id).error
    assert fleet.flow(other).status == "SUCCESS"
    [child] = fleet.rows_of("restart-host")
    assert child.created_at >= fleet.flow(other).ended_at


async def test_rolling_restart_leaves_somewhere_to_drain_to(fleet):
    flow_id = fleet.start_flow("restart-hosts", None, hosts=["h1", "h2", "h3", "h4"], batch=10)
    await fleet.sweep_until_quiet(rounds=600)
    assert fleet.flow(flow_id).memo["batch"] == 3


async def test_live_migration_that_does_not_converge_is_forced_if_so_wished(fleet):
    fleet.nova.guests["s2"].never_converges = True
    flow = await run(fleet, "evacuate-host", policy="force-complete")
    assert flow.status == "SUCCESS", flow.error
    assert fleet.nova.asked.count("force s2") == 1


async def test_a_servers_own_policy_counts_more(fleet):
    guest = fleet.nova.add_server("own", "h1", metadata={"live_migration_policy": "leave"})
    guest.never_converges = True
    flow = await run(fleet, "evacuate-host", policy="force-complete")
    assert flow.status == "FAILURE"
    assert "not converged" in flow.error
    assert "abort own" in fleet.nova.asked
    assert fleet.nova.host_of("own") == "h1"


async def test_abort_and_cold(fleet):
    fleet.nova.guests["s2"].never_converges = True
    flow = await run(fleet, "evacuate-host", policy="cold", allow_off_vm=True)
    assert flow.status == "SUCCESS", flow.error
    row = next(row for row in flow.result["servers"] if row["id"] == "s2")
    assert row["way"] == "cold"


async def test_a_server_that_another_task_holds_is_waited_for(fleet):
    other = fleet.start_flow("move-server", "server:s2", server_id="s2", host="h1", ways=["live"])
    flow = await run(fleet, "evacuate-host")
    assert flow.status == "SUCCESS", flow.error
    assert fleet.flow(other).status == "SUCCESS"
    assert fleet.nova.guests["s2"].moves == 1


async def test_anti_affinity_that_fills_every_host_is_said(fleet):
    for host in ("h2", "h3", "h4"):
        fleet.nova.add_server(f"on-{host}", host)
    fleet.nova.groups = [ServerGroup("g", "g", "anti-affinity", frozenset({"s0", "on-h2", "on-h3", "on-h4"}))]
    flow = await run(fleet, "shutdown-host")
    assert flow.status == "FAILURE"
    assert "vm-s0" in flow.error
    assert "anti-affinity" in flow.error
    assert fleet.nova.asked == []


async def test_a_pair_that_must_stay_together_cannot_leave_one_by_one(fleet):
    fleet.nova.groups = [ServerGroup("g", "g", "affinity", frozenset({"s0", "s1"}))]
    flow = await run(fleet, "shutdown-host")
    assert flow.status == "FAILURE"
    assert "affinity group keeps it with servers on this host" in flow.error
    assert "soft-affinity" in flow.error
    assert fleet.nova.asked == []


async def test_cloud_that_answers_four_times_of_five_changes_nothing_in_the_end(fleet):
    fleet.line.flaky, fleet.line.share = random.Random(7), 0.2
    flow_id = fleet.start_flow("shutdown-host", "host:h1", host="h1")
    await fleet.sweep_until_quiet(rounds=600)
    flow = fleet.flow(flow_id)
    assert flow.status == "SUCCESS", flow.error
    assert all(guest.moves == 1 for guest in fleet.nova.guests.values())


@pytest.mark.parametrize("after", range(1, 60, 4))
async def test_cancel_restores_what_was_found(fleet, after):
    """Cancelled after so many calls: no server is lost or half moved, the host takes servers again."""
    from cloudmanager.flows import cancel

    flow_id = fleet.start_flow("shutdown-host", "host:h1", host="h1")
    original = fleet.line.call

    def call(*args, **kwargs):
        if fleet.line.calls == after:
            with fleet.database.transaction() as session:
                row = session.scalars(select(FlowRow).where(FlowRow.id == flow_id)).one()
                if row.ended_at is None:
                    cancel(session, flow_id)
        return original(*args, **kwargs)

    fleet.line.call = call
    await fleet.sweep_until_quiet(rounds=400)
    flow = fleet.flow(flow_id)
    assert all(guest.record.task_state is None for guest in fleet.nova.guests.values())
    assert all(guest.moves <= 1 for guest in fleet.nova.guests.values())
    if flow.status == "REVOKED" and on(fleet):
        assert service(fleet).enabled
    else:
        assert not on(fleet)
