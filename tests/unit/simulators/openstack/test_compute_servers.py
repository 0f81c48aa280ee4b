"""Servers of the simulated Nova: made, changed, deleted, placed; which verbs are taken in which state."""

import json
import sqlite3

import pytest

from cloudmanager.simulators.openstack.compute import Compute
from cloudmanager.simulators.openstack.compute.states import ALLOWED, check, status_of
from cloudmanager.simulators.openstack.problems import Conflict, Invalid
from tests.unit.simulators.openstack.conftest import Lab

STATES = (
    "active",
    "stopped",
    "paused",
    "suspended",
    "rescued",
    "error",
    "resized",
    "shelved",
    "shelved_offloaded",
)
TAKEN = {  # as the real API took and refused them
    "start": {"stopped"},
    "stop": {"active", "error"},
    "reboot": {"active"},
    "reboot hard": {"active", "stopped", "paused", "suspended", "error"},
    "pause": {"active"},
    "unpause": {"paused"},
    "suspend": {"active"},
    "resume": {"suspended"},
    "os-migrateLive": {"active", "paused"},
    "migrate": {"active", "stopped"},
    "evacuate": {"active", "stopped", "error"},
    "confirmResize": {"resized"},
    "revertResize": {"resized"},
    "unshelve": {"shelved", "shelved_offloaded"},
    "shelveOffload": {"shelved"},
    "unrescue": {"rescued"},
    "rescue": {"active", "stopped", "error"},
}


@pytest.mark.parametrize("verb", TAKEN)
@pytest.mark.parametrize("state", STATES)
def test_a_verb_is_taken_only_in_some_states(lab, verb, state):
    server = lab.boot()
    server.vm_state = state
    if state in TAKEN[verb]:
        check(server, verb)
    else:
        with pytest.raises(
            Conflict, match=f"Cannot '{verb}' instance {server.id} while it is in vm_state {state}"
        ):
            check(server, verb)


@pytest.mark.parametrize("verb", ALLOWED)
def test_a_task_is_in_the_way_of_all_but_an_evacuation(lab, verb):
    server = lab.boot()
    server.vm_state = next((state for state in STATES if state in ALLOWED[verb]), "active")
    server.task_state = "deleting"
    if verb == "evacuate":
        check(server, verb)
    else:
        with pytest.raises(Conflict, match="task_state deleting"):
            check(server, verb)


@pytest.mark.parametrize(
    ("there", "back", "state", "status"),
    [
        ("stop", "start", "stopped", "SHUTOFF"),
        ("pause", "unpause", "paused", "PAUSED"),
        ("suspend", "resume", "suspended", "SUSPENDED"),
        ("rescue", "unrescue", "rescued", "RESCUE"),
    ],
)
def test_there_and_back(lab, there, back, state, status):
    server = lab.boot()
    lab.nova.power.ask(server, there, lab.origin())
    assert server.task_state is not None
    lab.clock.advance(1)
    assert (server.vm_state, server.task_state, status_of(server)) == (state, None, status)
    assert lab.host("c1").guests[server.id] == server.power_state
    lab.nova.power.ask(server, back, lab.origin())
    lab.clock.advance(1)
    assert (lab.state(server), lab.runs(server)) == (("active", None, "c1"), ["c1"])


def test_a_hard_reboot_is_taken_while_a_soft_one_hangs(lab):
    server = lab.boot()
    lab.nova.hosts.hang("c1", hung=True)
    lab.nova.power.ask(server, "reboot", lab.origin())
    assert status_of(server) == "REBOOT"
    with pytest.raises(Conflict):
        lab.nova.power.ask(server, "reboot", lab.origin())
    lab.nova.power.ask(server, "reboot hard", lab.origin())
    assert status_of(server) == "HARD_REBOOT"
    lab.nova.hosts.hang("c1", hung=False)
    lab.clock.advance(1)
    assert lab.state(server) == ("active", None, "c1")


def test_shelved_and_brought_back_elsewhere(lab):
    server = lab.boot()
    lab.nova.power.shelve(server, lab.origin())
    lab.clock.advance(2)
    assert lab.state(server) == ("shelved_offloaded", None, None)
    assert lab.runs(server) == []
    assert lab.nova.scheduler.used(lab.host("c1"))["VCPU"] == 0
    with pytest.raises(Invalid, match="c9"):
        lab.nova.power.unshelve(server, lab.origin(), "c9")
    lab.nova.power.unshelve(server, lab.origin(), "c4")
    lab.clock.advance(2)
    assert (lab.state(server), lab.runs(server)) == (("active", None, "c4"), ["c4"])


def test_resetting_the_state_does_not_touch_the_guest(lab):
    server = lab.boot()
    lab.nova.power.reset_state(server, "error", lab.origin())
    assert (server.vm_state, lab.runs(server)) == ("error", ["c1"])
    lab.nova.power.reset_state(server, "active", lab.origin())
    assert lab.state(server) == ("active", None, "c1")


def test_a_stop_that_was_interrupted_is_done_again_at_start(lab):
    server = lab.boot()
    lab.nova.power.ask(server, "stop", lab.origin())
    lab.nova.hosts.kill_service("c1")
    lab.clock.advance(5)
    assert server.task_state == "powering-off"
    lab.nova.hosts.start_service("c1")
    lab.clock.advance(1)
    assert lab.state(server) == ("stopped", None, "c1")


def test_a_build_that_was_interrupted_is_an_error(lab):
    [server] = lab.nova.building.create(lab.ask(), lab.origin(), host="c1")
    lab.clock.advance(0.1)
    assert lab.state(server) == ("building", "spawning", "c1")
    lab.world.reset("c1")
    lab.clock.advance(6)
    assert lab.state(server) == ("error", None, "c1")


def test_a_build_that_fails(lab):
    lab.nova.faults.add("spawn", host="c1", message="no disk")
    [server] = lab.nova.building.create(lab.ask(), lab.origin(), host="c1")
    lab.clock.advance(2)
    assert lab.state(server) == ("error", None, None)
    assert "no disk" in server.fault["message"]
    assert lab.why(server) == ["no disk"]


def test_deleted_servers_are_remembered_and_claim_nothing(lab):
    server = lab.boot()
    lab.nova.building.delete(server, lab.origin())
    assert server.task_state == "deleting"
    lab.clock.advance(1)
    assert (status_of(server), server.deleted, server.host) == ("DELETED", True, "c1")
    assert lab.nova.tables.servers_on("c1") == []
    assert lab.host("c1").guests == {}


def test_a_server_of_a_dead_host_is_deleted_in_the_records_and_its_guest_when_the_host_is_back(lab):
    server = lab.boot()
    lab.die("c1")
    lab.nova.building.delete(server, lab.origin())
    lab.clock.advance(1)
    assert server.deleted
    assert server.id in lab.host("c1").guests
    lab.world.power_on("c1")
    lab.clock.advance(10)
    assert lab.host("c1").guests == {}


# --- the scheduler --------------------------------------------------------------------------------------------


def test_servers_go_where_most_memory_is_free(lab):
    servers = lab.nova.building.create(lab.ask(flavor=lab.large), lab.origin(), count=8)
    lab.clock.advance(2)
    assert sorted(server.host for server in servers) == sorted([*lab.nova.tables.hosts] * 2)
    assert [server.name for server in servers[:2]] == ["vm-1", "vm-2"]


def test_a_host_that_is_full_takes_no_more(lab):
    servers = lab.nova.building.create(lab.ask(flavor=lab.large), lab.origin(), count=5, host="c1")
    lab.clock.advance(2)
    assert [server.vm_state for server in servers] == ["active"] * 3 + ["error"] * 2  # 16 GiB less 512 MiB
    assert "No valid host was found" in servers[-1].fault["message"]


@pytest.mark.parametrize(
    ("policy", "hosts"),
    [("affinity", 1), ("anti-affinity", 3), ("soft-affinity", 1), ("soft-anti-affinity", 3)],
)
def test_groups(lab, policy, hosts):
    group = lab.nova.add_group("g", policy, "project")
    servers = []
    for _ in range(3):
        servers += lab.nova.building.create(lab.ask(group_id=group.id), lab.origin())
        lab.clock.advance(1)
    assert len({server.host for server in servers}) == hosts
    assert group.members == [server.id for server in servers]


def test_a_hard_policy_forbids_and_a_soft_one_does_not(lab):
    for policy, state in (("anti-affinity", "error"), ("soft-anti-affinity", "active")):
        group = lab.nova.add_group("g", policy, "project")
        lab.nova.building.create(lab.ask(group_id=group.id), lab.origin(), host="c1")
        lab.clock.advance(1)
        [server] = lab.nova.building.create(lab.ask(group_id=group.id), lab.origin(), host="c1")
        lab.clock.advance(1)
        assert server.vm_state == state


def test_a_zone_is_kept(lab):
    lab.nova.aggregates.add_host(lab.nova.aggregates.create("a", "z1"), "c3")
    [server] = lab.nova.building.create(lab.ask(zone="z1"), lab.origin())
    lab.clock.advance(1)
    assert server.host == "c3"
    lab.nova.live.ask(server, lab.origin(), None)
    lab.clock.advance(3)
    assert lab.moves(server)[-1][1] == "error"


def test_a_host_that_is_not_there_is_said_at_once(lab):
    with pytest.raises(Invalid, match="c9"):
        lab.nova.building.create(lab.ask(), lab.origin(), host="c9")


# --- keeping --------------------------------------------------------------------------------------------------


def test_a_restart_of_the_simulator_loses_nothing(lab):
    server, other = lab.boot(), lab.boot("c2")
    lab.nova.live.ask(server, lab.origin(), "c2")
    lab.nova.power.ask(other, "stop", lab.origin())
    lab.world.power_off("c3")
    lab.nova.faults.add("spawn", count=3)
    lab.clock.advance(0.16)
    kept = json.loads(json.dumps(lab.nova.to_dict()))
    lab.nova.hosts.stop_watching()
    again = Lab.__new__(Lab)
    again.clock, again.world = lab.clock, lab.world
    again.nova = Compute.from_dict(kept, lab.world)
    assert again.nova.to_dict() == kept
    again.nova.resume()
    lab.clock.advance(3)
    moved = again.nova.tables.server(server.id)
    assert (again.state(moved), again.runs(moved)) == (("active", None, "c2"), ["c2"])
    assert again.state(again.nova.tables.server(other.id)) == ("stopped", None, "c2")
    lab.clock.advance(10)
    assert not again.is_up("c3")
    assert again.is_up("c1")


def test_a_boot_under_way_is_gone_on_with(lab):
    lab.die("c1")
    lab.world.power_on("c1")
    lab.clock.advance(3)
    kept = lab.nova.to_dict()
    lab.nova.hosts.stop_watching()
    again = Compute.from_dict(kept, lab.world)
    again.resume()
    lab.clock.advance(1.9)
    assert not again.tables.hosts["c1"].running
    lab.clock.advance(0.2)
    assert again.tables.hosts["c1"].running


def test_system_metadata_is_a_table_of_a_real_database(tmp_path):
    path = tmp_path / "nova.sqlite"
    lab = Lab(database=path)
    server, gone = lab.boot(), lab.boot()
    lab.nova.building.delete(gone, lab.origin())
    lab.clock.advance(1)
    with sqlite3.connect(path) as database:
        rows = database.execute(
            'SELECT id, "key", value, deleted, deleted_at FROM instance_system_metadata WHERE instance_uuid = ?',
            (server.id,),
        ).fetchall()
        left = database.execute(
            "SELECT id, deleted FROM instance_system_metadata WHERE instance_uuid = ?", (gone.id,)
        ).fetchall()
    database.close()
    values = {key: value for _, key, value, _, _ in rows}
    assert {values[f"image_{name}"] for name in ("min_disk", "base_image_ref")} == {"1", "i"}
    assert all(deleted == 0 and at is None for *_, deleted, at in rows)
    assert left
    assert all(number == deleted for number, deleted in left)
    assert lab.nova.metadata.of(server.id) == values
    assert lab.nova.metadata.of(gone.id) == {}
