"""Moves in the simulated Nova: live, cold, evacuation. The states are those that a real control plane showed."""

import pytest

from cloudmanager.simulators.openstack.compute.faults import UnknownFault
from cloudmanager.simulators.openstack.problems import Conflict, Invalid, NotThere

LIVE, EVACUATION = "live-migration", "evacuation"


def migrate(lab, server, host=None):
    lab.nova.live.ask(server, lab.origin(), host)


# --- live -----------------------------------------------------------------------------------------------------


def test_a_live_migration(lab):
    server = lab.boot("c1")
    migrate(lab, server, "c2")
    seen = lab.follow(server, 3)
    assert [status for _, status in seen] == [None, "queued", "preparing", "running", "completed"]
    assert [state for state, _ in seen][:-1] == [("active", "migrating", "c1")] * 4
    assert lab.state(server) == ("active", None, "c2")
    assert lab.runs(server) == ["c2"]
    assert lab.nova.split_brains == []


def test_its_memory_is_copied_bit_by_bit(lab):
    server = lab.boot("c1")
    lab.nova.timings.live_migration, lab.nova.timings.live_migration_per_gib = 2.0, 8.0
    migrate(lab, server, "c2")
    lab.clock.advance(0.16)
    row, total = lab.move(server), 1 << 30
    assert (row.status, row.seconds, row.memory_bytes) == ("running", 10.0, total)
    lab.clock.advance(5)
    done, remaining = lab.nova.migrations.memory(row)
    assert done + remaining == total
    assert abs(done - total // 2) < total // 100


@pytest.mark.parametrize(
    ("hinder", "wanted", "why"),
    [
        (lambda lab: lab.nova.hosts.disable(lab.host("c2"), None), "c2", "No valid host"),
        (lambda lab: lab.nova.hosts.force_down(lab.host("c2"), forced=True), "c2", "No valid host"),
        (lambda lab: None, "c1", "No valid host"),
        (lambda lab: lab.die("c1"), "c2", "unavailable at this time"),
        (
            lambda lab: lab.nova.faults.add("pre_check", host="c2", message="cpu"),
            "c2",
            "pre-check error: cpu",
        ),
        (lambda lab: lab.host("c2").cpu.update(model="EPYC"), "c2", "Unacceptable CPU"),
    ],
)
def test_what_hinders_a_live_migration_is_only_in_the_record(lab, hinder, wanted, why):
    server = lab.boot("c1")
    hinder(lab)
    migrate(lab, server, wanted)
    lab.clock.advance(5)
    assert lab.state(server) == ("active", None, "c1")
    assert lab.moves(server) == [(LIVE, "error")]
    assert server.fault is None
    assert why in lab.why(server)[0]


def test_without_a_wish_a_destination_that_refuses_is_passed_over(lab):
    server = lab.boot("c1")
    for host in lab.nova.tables.hosts:
        lab.nova.faults.add("pre_check", host=host, message="cpu", count=1)
    migrate(lab, server)
    lab.clock.advance(5)
    assert lab.moves(server) == [(LIVE, "error")]
    assert "No valid host" in lab.why(server)[0]
    for host in lab.nova.tables.hosts.keys() - {"c3"}:
        lab.nova.faults.add("pre_check", host=host, message="cpu")
    migrate(lab, server)
    lab.clock.advance(5)
    assert lab.state(server) == ("active", None, "c3")


@pytest.mark.parametrize("status", ["failed", "error"])
def test_a_copy_that_fails_on_its_way(lab, status):
    server = lab.boot("c1")
    lab.nova.faults.add("live_migration", host="c1", status=status, message="no convergence", count=1)
    migrate(lab, server)
    lab.clock.advance(0.6)
    assert lab.moves(server) == [(LIVE, "running")]
    lab.clock.advance(0.2)
    assert lab.moves(server) == [(LIVE, status)]
    assert lab.state(server) == ("active", None, "c1")
    assert lab.why(server) == ["no convergence"]
    migrate(lab, server)
    lab.clock.advance(3)
    assert lab.moves(server)[-1] == (LIVE, "completed")


def test_a_copy_that_stalls_is_aborted(lab):
    server = lab.boot("c1")
    lab.nova.faults.add("live_migration", stall=True)
    migrate(lab, server, "c2")
    lab.clock.advance(600)
    row = lab.move(server)
    assert row.status == "running"
    assert lab.nova.migrations.memory(row)[1] > 0
    lab.nova.live.abort(server, row.id, lab.origin(), queued=False)
    assert (row.status, lab.state(server)) == ("cancelled", ("active", None, "c1"))
    lab.clock.advance(10)
    assert lab.runs(server) == ["c1"]


def test_a_copy_that_stalls_is_forced(lab):
    server = lab.boot("c1")
    lab.nova.faults.add("live_migration", stall=True)
    migrate(lab, server, "c2")
    lab.clock.advance(60)
    lab.nova.live.force(server, lab.move(server).id, lab.origin())
    lab.clock.advance(1)
    assert (lab.moves(server), lab.runs(server)) == ([(LIVE, "completed")], ["c2"])


def test_abort_and_force_want_a_copy_that_runs(lab):
    server = lab.boot("c1")
    with pytest.raises(Conflict):
        lab.nova.live.abort(server, 1, lab.origin(), queued=True)
    migrate(lab, server, "c2")
    lab.clock.advance(0.06)
    row = lab.move(server)
    assert row.status == "queued"
    with pytest.raises(Invalid, match="Cannot abort"):
        lab.nova.live.abort(server, row.id, lab.origin(), queued=False)
    with pytest.raises(Invalid, match="Cannot force"):
        lab.nova.live.force(server, row.id, lab.origin())
    with pytest.raises(NotThere):
        lab.nova.live.force(server, 77, lab.origin())
    lab.nova.live.abort(server, row.id, lab.origin(), queued=True)
    lab.clock.advance(5)
    assert lab.moves(server) == [(LIVE, "cancelled")]
    assert lab.state(server) == ("active", None, "c1")


def test_a_source_copies_few_at_a_time(lab):
    lab.nova.timings.max_concurrent_live_migrations = 2
    servers = [lab.boot("c1") for _ in range(5)]
    for server in servers:
        migrate(lab, server)
    most = 0
    for _ in range(60):
        lab.clock.advance(0.1)
        now = [lab.moves(server)[-1][1] for server in servers if lab.moves(server)]
        most = max(most, now.count("running") + now.count("preparing"))
        assert now.count("running") <= 2
    assert most == 2
    assert [lab.moves(server) for server in servers] == [[(LIVE, "completed")]] * 5


def test_a_destination_that_dies_during_the_copy(lab):
    server = lab.boot("c1")
    migrate(lab, server, "c2")
    lab.clock.advance(0.5)
    lab.world.power_off("c2")
    lab.clock.advance(1)
    assert lab.moves(server) == [(LIVE, "failed")]
    assert (lab.state(server), lab.runs(server)) == (("active", None, "c1"), ["c1"])


def test_a_source_that_dies_during_the_copy_tidies_up_when_it_is_back(lab):
    server = lab.boot("c1")
    migrate(lab, server, "c2")
    lab.clock.advance(0.5)
    lab.die("c1")
    assert lab.state(server) == ("active", "migrating", "c1")
    assert lab.moves(server) == [(LIVE, "running")]
    lab.world.power_on("c1")
    lab.clock.advance(10)
    assert lab.state(server) == ("stopped", None, "c1")
    assert lab.moves(server) == [(LIVE, "error")]
    assert lab.runs(server) == []


def test_room_is_held_on_both_sides_while_it_moves(lab):
    server = lab.boot("c1")
    migrate(lab, server, "c2")
    lab.clock.advance(0.5)
    used = {name: lab.nova.scheduler.used(lab.host(name))["VCPU"] for name in ("c1", "c2", "c3")}
    assert used == {"c1": 1, "c2": 1, "c3": 0}
    lab.clock.advance(3)
    used = {name: lab.nova.scheduler.used(lab.host(name))["VCPU"] for name in ("c1", "c2", "c3")}
    assert used == {"c1": 0, "c2": 1, "c3": 0}


# --- evacuation -----------------------------------------------------------------------------------------------


def test_an_evacuation(lab):
    server = lab.boot("c1")
    lab.die("c1")
    lab.nova.evacuations.ask(server, lab.origin(), None, stopped=False)
    assert lab.moves(server) == [(EVACUATION, "accepted")]
    seen = lab.follow(server, 3)
    there = server.host
    assert there != "c1"
    assert seen == [
        (("active", "rebuilding", "c1"), "accepted"),
        (("active", "rebuilding", "c1"), "pre-migrating"),
        (("active", "rebuild_block_device_mapping", "c1"), "pre-migrating"),
        (("active", "rebuild_spawning", "c1"), "pre-migrating"),
        (("active", None, "c1"), "pre-migrating"),  # not done: the host is still the source
        (("active", None, there), "done"),
    ]
    assert lab.runs(server) == [there]
    assert lab.nova.split_brains == []


def test_since_2_95_it_is_left_stopped(lab):
    server = lab.boot("c1")
    lab.die("c1")
    lab.nova.evacuations.ask(server, lab.origin(), "c3", stopped=True)
    seen = lab.follow(server, 3)
    assert (("active", "powering-off", "c1"), "pre-migrating") in seen
    assert lab.state(server) == ("stopped", None, "c3")
    assert lab.runs(server) == []


def test_a_host_that_is_up_is_not_evacuated(lab):
    server = lab.boot("c1")
    with pytest.raises(Invalid, match="Compute service of c1 is still in use"):
        lab.nova.evacuations.ask(server, lab.origin(), None, stopped=False)
    lab.world.power_off("c1")
    lab.clock.advance(3)
    with pytest.raises(Invalid, match="still in use"):
        lab.nova.evacuations.ask(server, lab.origin(), None, stopped=False)
    lab.nova.hosts.force_down(lab.host("c1"), forced=True)
    with pytest.raises(Invalid, match="can't be the same"):
        lab.nova.evacuations.ask(server, lab.origin(), "c1", stopped=False)
    with pytest.raises(NotThere, match="c9"):
        lab.nova.evacuations.ask(server, lab.origin(), "c9", stopped=False)
    lab.nova.evacuations.ask(server, lab.origin(), None, stopped=False)


def test_a_host_that_only_seems_dead_makes_a_split_brain(lab):
    server = lab.boot("c1")
    lab.nova.hosts.force_down(lab.host("c1"), forced=True)
    lab.nova.evacuations.ask(server, lab.origin(), "c2", stopped=False)
    lab.clock.advance(3)
    assert lab.runs(server) == ["c1", "c2"]
    [found] = lab.nova.split_brains
    assert found.hosts == ("c1", "c2")


def test_force_up_is_refused_until_the_source_has_tidied_up(lab):
    server = lab.boot("c1")
    host = lab.host("c1")
    lab.nova.hosts.force_down(host, forced=True)
    lab.nova.evacuations.ask(server, lab.origin(), "c2", stopped=False)
    lab.clock.advance(0.3)
    lab.nova.hosts.force_down(host, forced=False)  # taken, wrongly, before it is `done`
    lab.nova.hosts.force_down(host, forced=True)
    lab.clock.advance(3)
    with pytest.raises(Invalid, match="`done` evacuation migration records remain"):
        lab.nova.hosts.force_down(host, forced=False)
    assert host.forced_down
    lab.world.reset("c1")
    lab.clock.advance(6)
    assert lab.moves(server) == [(EVACUATION, "completed")]
    lab.nova.hosts.force_down(host, forced=False)
    assert lab.is_up("c1")
    assert server.id not in host.guests
    assert lab.runs(server) == ["c2"]


def test_the_claim_on_the_source_stays_until_it_is_back(lab):
    server = lab.boot("c1")
    lab.die("c1")
    lab.nova.evacuations.ask(server, lab.origin(), "c2", stopped=False)
    lab.clock.advance(3)
    assert [lab.nova.scheduler.used(lab.host(name))["VCPU"] for name in ("c1", "c2")] == [1, 1]
    lab.world.power_on("c1")
    lab.clock.advance(6)
    assert [lab.nova.scheduler.used(lab.host(name))["VCPU"] for name in ("c1", "c2")] == [0, 1]


def test_an_evacuation_to_nowhere_ends_in_error_and_can_be_asked_again(lab):
    server = lab.boot("c1")
    lab.die("c1")
    lab.nova.hosts.disable(lab.host("c2"), None)
    lab.nova.evacuations.ask(server, lab.origin(), "c2", stopped=False)
    lab.clock.advance(3)
    assert (lab.state(server), lab.moves(server)) == (("error", None, "c1"), [(EVACUATION, "error")])
    assert "No valid host was found." in server.fault["message"]
    lab.nova.evacuations.ask(server, lab.origin(), None, stopped=False)
    lab.clock.advance(3)
    assert (server.vm_state, server.fault) == ("active", None)
    assert lab.moves(server)[-1] == (EVACUATION, "done")


def test_an_evacuation_that_fails_so_many_times(lab):
    server = lab.boot("c1")
    lab.die("c1")
    lab.nova.faults.add("evacuate", server=server.id, message="no space", count=2)
    for _ in range(2):
        lab.nova.evacuations.ask(server, lab.origin(), None, stopped=False)
        lab.clock.advance(3)
        assert lab.state(server) == ("error", None, "c1")
    lab.nova.evacuations.ask(server, lab.origin(), None, stopped=False)
    lab.clock.advance(3)
    assert [status for _, status in lab.moves(server)] == ["failed", "failed", "done"]


def test_a_source_that_is_back_too_early_drops_its_guest_and_the_evacuation_goes_on(lab):
    server = lab.boot("c1")
    lab.die("c1")
    lab.nova.timings.rebuild_step = 10.0
    lab.nova.evacuations.ask(server, lab.origin(), "c2", stopped=False)
    lab.world.power_on("c1")
    lab.clock.advance(6)
    assert lab.is_up("c1")
    assert server.id not in lab.host("c1").guests
    lab.clock.advance(40)
    assert lab.runs(server) == ["c2"]
    assert lab.nova.split_brains == []


def test_a_destination_that_dies_meanwhile_leaves_it_rebuilding_until_somebody_asks_again(lab):
    server = lab.boot("c1")
    lab.die("c1")
    lab.nova.timings.rebuild_step = 2.0
    lab.nova.evacuations.ask(server, lab.origin(), "c2", stopped=False)
    lab.clock.advance(3)
    lab.die("c2")
    assert lab.state(server) == ("active", "rebuild_block_device_mapping", "c1")
    lab.nova.evacuations.ask(server, lab.origin(), "c3", stopped=False)
    lab.clock.advance(10)
    assert (lab.state(server), lab.runs(server)) == (("active", None, "c3"), ["c3"])
    lab.world.power_on("c2")
    lab.clock.advance(20)
    assert (lab.state(server), lab.runs(server)) == (("active", None, "c3"), ["c3"])


# --- cold -----------------------------------------------------------------------------------------------------


def test_a_cold_migration_waits_to_be_confirmed(lab):
    server = lab.boot("c1")
    lab.nova.cold.migrate(server, lab.origin(), "c2")
    seen = lab.follow(server, 3)
    assert [(state[1], state[2], status) for state, status in seen] == [
        ("resize_prep", "c1", None),
        ("resize_prep", "c1", "pre-migrating"),
        ("resize_migrating", "c1", "migrating"),
        ("resize_migrated", "c2", "post-migrating"),
        ("resize_finish", "c2", "post-migrating"),
        (None, "c2", "finished"),
    ]
    assert (server.vm_state, lab.runs(server)) == ("resized", ["c2"])
    assert server.id in lab.host("c1").guests  # until it is confirmed
    assert [lab.nova.scheduler.used(lab.host(name))["VCPU"] for name in ("c1", "c2")] == [1, 1]
    lab.nova.cold.confirm(server, lab.origin())
    assert lab.state(server) == ("resized", None, "c2")
    lab.clock.advance(1)
    assert (lab.state(server), lab.moves(server)) == (("active", None, "c2"), [("migration", "confirmed")])
    assert server.id not in lab.host("c1").guests
    assert [lab.nova.scheduler.used(lab.host(name))["VCPU"] for name in ("c1", "c2")] == [0, 1]


def test_a_cold_migration_is_taken_back(lab):
    server = lab.boot("c1")
    lab.nova.cold.migrate(server, lab.origin(), "c2")
    lab.clock.advance(3)
    lab.nova.cold.revert(server, lab.origin())
    assert lab.state(server) == ("resized", "resize_reverting", "c2")
    lab.clock.advance(1)
    assert (lab.state(server), lab.runs(server)) == (("active", None, "c1"), ["c1"])
    assert lab.moves(server) == [("migration", "reverted")]


def test_a_stopped_server_stays_stopped(lab):
    server = lab.boot("c1")
    lab.nova.power.ask(server, "stop", lab.origin())
    lab.clock.advance(1)
    lab.nova.cold.migrate(server, lab.origin(), None)
    lab.clock.advance(3)
    lab.nova.cold.confirm(server, lab.origin())
    lab.clock.advance(1)
    assert (server.vm_state, lab.runs(server), server.host != "c1") == ("stopped", [], True)


def test_a_cold_migration_off_a_dead_host_is_refused_at_once(lab):
    server = lab.boot("c1")
    lab.die("c1")
    with pytest.raises(Conflict, match="Service is unavailable"):
        lab.nova.cold.migrate(server, lab.origin(), None)
    assert lab.state(server) == ("active", None, "c1")


def test_a_failing_finish_leaves_an_error_on_the_destination(lab):
    server = lab.boot("c1")
    lab.nova.faults.add("cold_migration", host="c2", message="no space left")
    lab.nova.cold.migrate(server, lab.origin(), "c2")
    lab.clock.advance(3)
    assert (lab.state(server), lab.moves(server)) == (("error", None, "c2"), [("migration", "error")])
    assert server.fault["message"] == "no space left"
    assert server.id in lab.host("c1").guests


def test_a_resize_changes_the_flavor_and_back(lab):
    server = lab.boot("c1")
    with pytest.raises(Invalid, match="must change flavor"):
        lab.nova.cold.resize(server, lab.origin(), lab.small)
    lab.nova.cold.resize(server, lab.origin(), lab.large)
    lab.clock.advance(3)
    assert (server.vm_state, server.flavor) == ("resized", lab.large)
    lab.nova.cold.revert(server, lab.origin())
    lab.clock.advance(3)
    assert (server.vm_state, server.flavor) == ("active", lab.small)


def test_faults_that_are_none():
    from cloudmanager.simulators.openstack.compute.faults import Fault

    with pytest.raises(UnknownFault, match="reboot"):
        Fault(operation="reboot")
    with pytest.raises(UnknownFault, match="completed"):
        Fault(operation="live_migration", status="completed")
