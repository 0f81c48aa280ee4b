"""What flows of servers do, in a world where nothing goes wrong but what a test breaks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cloudmanager.errors import CloudRefused, CloudUnreachable
from cloudmanager.flows import cancel
from cloudmanager.flows.servers.balance import plan_to_balance
from cloudmanager.flows.servers.repair import plan_to_repair
from cloudmanager.openstack.records import CpuModel, ServerGroup


@pytest.fixture
def fleet(cloud):
    """Three hosts; one server on the first."""
    for name in ("h1", "h2", "h3"):
        cloud.add_host(name)
    cloud.nova.add_server("s0", "h1")
    return cloud


async def run(fleet, action, server_id="s0", **params):
    flow_id = fleet.start_flow(f"{action}-server", f"server:{server_id}", server_id=server_id, **params)
    await fleet.sweep_until_quiet()
    return fleet.flow(flow_id)


def kill(fleet, host="h1", *, power_off):
    """A host whose nova-compute reports no more."""
    found = fleet.nova.hosts[host]
    found.boot, found.started, found.reported = 10_000, fleet.clock.now(), found.reported - 100
    if power_off:
        found.machine.on = False


def record(fleet, server_id="s0"):
    return fleet.nova.guests[server_id].record


# --- balance -----------------------------------------------------------------------------------------------


async def test_balance_goes_to_the_host_with_most_memory(fleet):
    for number in range(3):
        fleet.nova.add_server(f"other{number}", "h2")
    flow = await run(fleet, "balance")
    assert flow.status == "SUCCESS", flow.error
    assert record(fleet).host == "h3"
    assert flow.result["from"] == "h1"
    assert flow.result["to"] == "h3"
    assert fleet.nova.asked == ["live s0"]


async def test_balance_takes_the_next_host_when_one_is_refused(fleet):
    fleet.nova.guests["s0"].fails["live-migration"] = ["CPU does not match"]
    flow = await run(fleet, "balance")
    assert flow.status == "SUCCESS", flow.error
    assert record(fleet).host == "h3"
    assert fleet.nova.asked == ["live s0", "live s0"]
    assert [each.destination for each in fleet.nova.records.values()] == ["h2", "h3"]


async def test_balance_says_of_each_host_why_it_refused(fleet):
    fleet.nova.guests["s0"].fails["live-migration"] = ["one", "two", "three"]
    flow = await run(fleet, "balance")
    assert flow.status == "FAILURE"
    assert flow.error == "h2: as the test wishes; h3: as the test wishes"
    assert record(fleet).host == "h1"
    assert len(fleet.nova.asked) == 2


async def test_balance_without_a_suitable_host_says_why_of_each(fleet, monkeypatch):
    fleet.add_host("h4", enabled=False, reason="disk swap")
    fleet.add_host("h5", on=False)
    fleet.nova.add_server("twin", "h2")
    fleet.nova.groups = [ServerGroup("g", "g", "anti-affinity", frozenset({"s0", "twin"}))]
    original = fleet.nova._hypervisor

    def hypervisor(name):
        cpu = CpuModel("x86_64", "AMD", "EPYC") if name == "h3" else CpuModel("x86_64", "Intel", "Skylake")
        return replace(original(name), cpu=cpu)

    monkeypatch.setattr(fleet.nova, "_hypervisor", hypervisor)
    flow = await run(fleet, "balance")
    assert flow.status == "FAILURE"
    assert "h2: a server is there from which its group keeps it apart" in flow.error
    assert "h3: its CPU is another model" in flow.error
    assert "h4: it is cordoned (disk swap)" in flow.error
    assert "h5: it is down" in flow.error
    assert fleet.nova.asked == []
    plan = await plan_to_balance(fleet.nova, {"server_id": "s0"})
    assert plan.reason == flow.error
    assert plan.acts == ()


async def test_balance_moves_only_what_runs(fleet):
    fleet.nova.add_server("halted", "h1", vm_state="stopped")
    flow = await run(fleet, "balance", "halted")
    assert flow.status == "FAILURE"
    assert "it is stopped" in flow.error
    fleet.nova.add_server("kept", "h1", locked=True)
    assert "it is locked" in (await run(fleet, "balance", "kept")).error
    assert (await run(fleet, "balance", "kept", move_locked=True)).status == "SUCCESS"


async def test_balance_leaves_a_server_to_the_task_that_empties_its_host(fleet):
    holder = fleet.start_flow("await-return", "host:h1", host="h1")
    flow_id = fleet.start_flow("balance-server", "server:s0", server_id="s0")
    await fleet.sweep_until_ended(flow_id)
    flow = fleet.flow(flow_id)
    assert flow.status == "FAILURE"
    assert f"h1 is held by task {holder}" in flow.error
    assert fleet.nova.asked == []


async def test_a_plan_to_balance_names_the_hosts_in_order(fleet):
    fleet.nova.add_server("other", "h2")
    plan = await plan_to_balance(fleet.nova, {"server_id": "s0"})
    assert plan.acts == ("migrate it from h1 to h3; where that is refused, to h2",)
    assert fleet.nova.asked == []


# --- repair ------------------------------------------------------------------------------------------------


async def test_repair_leaves_a_healthy_server_alone(fleet):
    flow = await run(fleet, "repair")
    assert flow.status == "SUCCESS"
    assert "nothing is wrong" in flow.message
    assert flow.result["did"] == []
    assert fleet.nova.asked == []


@pytest.mark.parametrize(("state", "act"), [("error", "reboot s0"), ("stopped", "start s0")])
async def test_repair_makes_a_server_run_that_does_not(fleet, state, act):
    fleet.nova.add_server("s0", "h1", vm_state=state)
    flow = await run(fleet, "repair")
    assert flow.status == "SUCCESS", flow.error
    assert fleet.nova.asked == [act]
    assert flow.result["status"] == "ACTIVE"
    assert record(fleet).vm_state == "active"


async def test_repair_fails_when_the_server_does_not_run_in_the_end(fleet):
    fleet.nova.add_server("s0", "h1", vm_state="error").incurable = True
    flow = await run(fleet, "repair")
    assert flow.status == "FAILURE"
    assert "no bootable disk" in flow.error


async def test_repair_does_not_watch_for_ever(fleet):
    fleet.nova.cure_takes = 10_000
    fleet.nova.add_server("s0", "h1", vm_state="stopped")
    flow = await run(fleet, "repair")
    assert flow.status == "FAILURE"
    assert "still SHUTOFF, powering-on after" in flow.error


async def test_repair_frees_a_server_from_a_task_that_does_not_end(fleet):
    fleet.nova._change(fleet.nova.guests["s0"], task_state="powering-off")
    began = fleet.clock.now()
    flow = await run(fleet, "repair")
    assert flow.status == "SUCCESS", flow.error
    assert fleet.nova.asked == ["reset_state s0 active", "reboot s0"]
    assert fleet.clock.now() - began >= 30
    assert flow.result["did"] == ["reset its state to active", "reboot it hard"]


async def test_repair_waits_for_a_task_that_ends(fleet):
    await fleet.nova.reboot("s0", hard=True)
    flow = await run(fleet, "repair")
    assert flow.status == "SUCCESS", flow.error
    assert fleet.nova.asked == ["reboot s0"], "the one of the test"


async def test_repair_does_not_disturb_a_move(fleet):
    fleet.nova.live_takes = 1000
    await fleet.nova.live_migrate("s0")
    flow = await run(fleet, "repair")
    assert flow.status == "FAILURE"
    assert "migration 1" in flow.error
    assert fleet.nova.asked == ["live s0"]


async def test_repair_evacuates_from_a_host_that_is_off(fleet):
    kill(fleet, power_off=True)
    flow = await run(fleet, "repair")
    assert flow.status == "SUCCESS", flow.error
    assert record(fleet).host != "h1"
    assert flow.result["did"] == [f"evacuated it from h1 to {record(fleet).host}"]
    assert fleet.nova.split_brains == []
    assert fleet.machine(1).commands == [], "no power was touched"


async def test_repair_starts_a_stopped_server_after_its_evacuation(fleet):
    kill(fleet, power_off=True)
    fleet.nova.add_server("s0", "h1", vm_state="stopped")
    flow = await run(fleet, "repair")
    assert flow.status == "SUCCESS", flow.error
    assert record(fleet).vm_state == "active"


@pytest.mark.parametrize("broken", ["runs", "silent", "no node", "denied", "not allowed"])
async def test_repair_evacuates_nothing_from_a_host_that_may_live(fleet, broken):
    if broken == "no node":
        fleet.nova.add_host("strange", fleet.machine(1))
        fleet.nova.add_server("s0", "strange")
        kill(fleet, "strange", power_off=False)
    kill(fleet, power_off=broken != "runs")
    fleet.machine(1).dead = broken == "silent"
    if broken == "denied":
        fleet.host_tasks = {"deny_evacuate": ["h1"]}
    if broken == "not allowed":
        fleet.host_tasks = {"allow_evacuate_host": False}
    flow = await run(fleet, "repair")
    assert flow.status == "FAILURE"
    told = {
        "runs": "POST /v1/hosts/h1/actions/evacuate",
        "silent": "does not answer",
        "no node": "it has no node in the inventory",
        "denied": "deny_evacuate",
        "not allowed": "allow_evacuate_host",
    }
    assert told[broken] in flow.error
    assert fleet.nova.asked == []


async def test_the_word_of_an_admin_is_recorded(fleet):
    kill(fleet, power_off=True)
    fleet.machine(1).dead = True
    flow = await run(fleet, "repair", fenced=True)
    assert flow.status == "SUCCESS", flow.error
    assert any(event.message == "tester vouches that h1 is off" for event in fleet.events(flow.id))


async def test_a_plan_to_repair_touches_nothing(fleet):
    kill(fleet, power_off=True)
    plan = await plan_to_repair(fleet.nova, {"server_id": "s0"}, recover=False)
    assert plan.acts == ("evacuate it from h1, once h1 is confirmed off",)
    assert fleet.nova.asked == []


# --- recover, reset, wake up -------------------------------------------------------------------------------


async def test_recover_resets_the_record_before_it_reboots(fleet):
    fleet.nova.add_server("s0", "h1", vm_state="error")
    flow = await run(fleet, "recover")
    assert flow.status == "SUCCESS", flow.error
    assert fleet.nova.asked == ["reset_state s0 active", "reboot s0"]


async def test_recover_does_not_wait_for_a_task(fleet):
    fleet.nova._change(fleet.nova.guests["s0"], task_state="powering-off")
    began = fleet.clock.now()
    flow = await run(fleet, "recover")
    assert flow.status == "SUCCESS", flow.error
    assert fleet.nova.asked == ["reset_state s0 active", "reboot s0"]
    assert fleet.clock.now() - began < 15


async def test_recover_does_not_throw_away_what_sleeps(fleet):
    fleet.nova.add_server("s0", "h1", vm_state="suspended")
    flow = await run(fleet, "recover")
    assert flow.status == "SUCCESS"
    assert "wake it up" in flow.message
    assert fleet.nova.asked == []


async def test_what_was_never_built_cannot_be_repaired(fleet):
    fleet.nova.add_server("s0", None, vm_state="error")
    for action in ("repair", "recover", "reset-reboot"):
        flow = await run(fleet, action)
        assert flow.status == "FAILURE"
        assert "never built" in flow.error
    assert fleet.nova.asked == []


@pytest.mark.parametrize("reboot", [False, True])
async def test_reset_reboot(fleet, reboot):
    fleet.nova.add_server("s0", "h1", vm_state="error")
    flow = await run(fleet, "reset-reboot", reboot=reboot)
    assert flow.status == "SUCCESS", flow.error
    assert fleet.nova.asked == ["reset_state s0 active", *(["reboot s0"] if reboot else [])]


@pytest.mark.parametrize(
    ("state", "verb"),
    [
        ("suspended", "resume"),
        ("paused", "unpause"),
        ("stopped", "start"),
        ("shelved", "unshelve"),
        ("shelved_offloaded", "unshelve"),
        ("active", None),
        ("rescued", None),
    ],
)
async def test_wakeup(fleet, state, verb):
    fleet.nova.add_server("s0", "h1", vm_state=state)
    flow = await run(fleet, "wakeup")
    assert flow.status == "SUCCESS", flow.error
    assert fleet.nova.asked == ([f"{verb} s0"] if verb else [])
    assert record(fleet).vm_state == ("active" if verb else state)


# --- clone -------------------------------------------------------------------------------------------------


def made_by(fleet, flow):
    """The servers that were made, by name."""
    return {
        fleet.nova.guests[key].record.name: fleet.nova.definitions[key]
        for key, mark in fleet.nova.markers.items()
        if mark["cloudmanager_clone"] == flow.id and key in fleet.nova.guests
    }


@pytest.mark.parametrize("image", [True, False], ids=["from an image", "from a volume"])
async def test_clones_are_like_the_original(fleet, image):
    nova = fleet.nova
    nova.add_original("s1", "h1", volumes=2, image=image)
    original = nova.definitions["s1"]
    flow = await run(fleet, "clone", "s1", count=2)
    assert flow.status == "SUCCESS", flow.error
    clones = made_by(fleet, flow)
    assert sorted(clones) == ["vm-s1-clone-1", "vm-s1-clone-2"]
    for clone in clones.values():
        for name in ("flavor_id", "networks", "security_groups", "key_name", "metadata", "user_data"):
            assert getattr(clone, name) == getattr(original, name)
        assert (clone.config_drive, clone.zone) == (True, "az1")
        assert (clone.image_id is not None) == image
        assert clone.image_id != original.image_id or not image
        sources = [nova.volumes.things[each.volume_id].metadata for each in clone.attachments]
        assert [source["cloudmanager_copy_of"] for source in sources] == ["s1-v0", "s1-v1"]
        assert [(each.boot_index, each.delete_on_termination) for each in clone.attachments] == [
            (each.boot_index, each.delete_on_termination) for each in original.attachments
        ]
    assert nova.snapshots.things == {} or all(s.status == "deleting" for s in nova.snapshots.things.values())
    assert nova.images.things == {}
    assert [clone["name"] for clone in flow.result["clones"]] == sorted(clones)
    assert len(flow.result["clones"][0]["volumes"]) == 2
    assert flow.result["not_copied"] == []
    assert "IyE=" not in str(flow.memo)


def only_the_original_is_left(fleet):
    nova = fleet.nova
    assert set(nova.guests) == {"s0", "s1"}
    assert set(nova.volumes.things) == {"s1-v0", "s1-v1"}
    assert all(volume.status == "in-use" for volume in nova.volumes.things.values())
    assert nova.snapshots.things == nova.images.things == {}


@pytest.mark.parametrize("broken", ["snapshot", "image", "volume", "server"])
async def test_a_clone_that_fails_takes_back_what_it_made(fleet, broken):
    nova = fleet.nova
    nova.add_original("s1", "h1")
    if broken == "server":
        nova.failing_servers = 1
    else:
        getattr(nova, f"{broken}s").fails = 1
    flow = await run(fleet, "clone", "s1", count=2)
    assert flow.status == "FAILURE"
    assert "error" in flow.error.lower()
    only_the_original_is_left(fleet)


@pytest.mark.parametrize("after", [0.5, 2.5, 3.5, 5])
async def test_a_clone_that_is_cancelled_takes_back_what_it_made(fleet, after):
    fleet.nova.add_original("s1", "h1")
    flow_id = fleet.start_flow("clone-server", "server:s1", server_id="s1", count=2)

    original, at = fleet.clock.now, fleet.clock.now() + after
    asked = []

    def now():
        if original() >= at and not asked:
            asked.append(True)
            with fleet.database.transaction() as session:
                cancel(session, flow_id)
        return original()

    fleet.clock.now = now
    await fleet.sweep_until_quiet()
    assert asked
    assert fleet.flow(flow_id).status == "REVOKED", fleet.flow(flow_id).error
    only_the_original_is_left(fleet)


async def test_other_clones_are_left_alone(fleet):
    nova = fleet.nova
    nova.add_original("s1", "h1")
    first = await run(fleet, "clone", "s1", count=1)
    nova.failing_servers = 1
    second = await run(fleet, "clone", "s1", count=1)
    assert (first.status, second.status) == ("SUCCESS", "FAILURE")
    assert sorted(made_by(fleet, first)) == ["vm-s1-clone-1"]
    assert made_by(fleet, second) == {}
    assert len(nova.volumes.things) == 4


async def test_a_snapshot_that_a_backend_keeps_does_not_undo_a_clone(fleet, monkeypatch):
    def refuse(key):
        raise CloudRefused("it has dependent volumes", status=400)

    fleet.nova.add_original("s1", "h1")
    monkeypatch.setattr(fleet.nova.snapshots, "delete", refuse)
    flow = await run(fleet, "clone", "s1", count=1)
    assert flow.status == "SUCCESS", flow.error
    assert len(flow.result["left"]) == 2
    assert "dependent volumes" in flow.message


async def test_clones_that_run_are_kept_when_the_cloud_goes_away_before_the_end(fleet, monkeypatch):
    nova = fleet.nova
    nova.add_original("s1", "h1")
    project = fleet.tenants.of("p")
    away = []

    async def find_snapshots(marker):
        if (
            any(server_id.startswith("server-") for server_id in nova.guests)
            and fleet.clock.now() < 1_000_330
        ):
            away.append(True)
            raise CloudUnreachable("Cinder does not answer")
        return await type(project).find_snapshots(project, marker)

    monkeypatch.setattr(project, "find_snapshots", find_snapshots)
    flow_id = fleet.start_flow("clone-server", "server:s1", server_id="s1", count=1)
    await fleet.sweep_until_quiet(rounds=500)
    flow = fleet.flow(flow_id)
    assert away
    assert flow.status == "FAILURE"
    assert "Cinder does not answer" in flow.error
    assert sorted(made_by(fleet, flow)) == ["vm-s1-clone-1"]
    assert len(flow.result["clones"]) == 1
    assert nova.snapshots.things == nova.images.things == {}, "what were means is deleted later"


async def test_a_clone_belongs_to_the_project_of_its_original(fleet):
    nova = fleet.nova
    nova.add_original("s1", "h1", project="red")
    flow = await run(fleet, "clone", "s1", count=2)
    assert flow.status == "SUCCESS", flow.error
    assert flow.result["project_id"] == "red"
    owners = {nova.guests[clone["id"]].record.project_id for clone in flow.result["clones"]}
    owners |= {nova.volumes.things[key].project_id for one in flow.result["clones"] for key in one["volumes"]}
    means = (*nova.snapshots.owners.items(), *nova.images.owners.items())
    assert owners == {"red"} == {owner for _, owner in means}
    assert len(means) == 3


@pytest.mark.parametrize("volumes", [0, 2])
async def test_a_clone_in_a_closed_project_makes_nothing(fleet, volumes):
    fleet.nova.add_original("s1", "h1", volumes=volumes, project="red")
    fleet.tenants.closed.add("red")
    flow = await run(fleet, "clone", "s1", count=1)
    assert flow.status == "FAILURE"
    assert "into project red" in flow.error
    assert "while restoring" not in flow.error, "there is nothing to take back"
    assert fleet.nova.asked == []


async def test_a_project_that_is_closed_while_a_clone_is_made_is_named(fleet, monkeypatch):
    nova = fleet.nova
    nova.add_original("s1", "h1", project="red")

    def add(*made):
        fleet.tenants.closed.add("red")
        return type(nova.volumes).add(nova.volumes, *made)

    monkeypatch.setattr(nova.volumes, "add", add)
    flow = await run(fleet, "clone", "s1", count=1)
    assert flow.status == "FAILURE"
    assert flow.error.count("into project red") > 1, "neither was it made, nor is it taken back"


async def test_a_volume_of_another_project_is_named_before_anything_is_made(fleet):
    fleet.nova.add_original("s1", "h1", project="red")
    fleet.nova.volumes.owners["s1-v1"] = "blue"
    flow = await run(fleet, "clone", "s1", count=1)
    assert flow.status == "FAILURE"
    assert "project red has no s1-v1" in flow.error
    assert fleet.nova.asked == []


@pytest.mark.parametrize("known_to_us", [False, True], ids=["unknown to us", "gone from its owner"])
async def test_a_key_of_somebody_else_is_not_lost_silently(fleet, known_to_us):
    fleet.nova.add_original("s1", "h1")
    fleet.nova.keys = {("us", "key")} if known_to_us else {("u", "key")}
    flow = await run(fleet, "clone", "s1", count=1)
    assert flow.status == "SUCCESS", flow.error
    [clone] = made_by(fleet, flow).values()
    assert (clone.key_name, clone.user_data) == (None, "IyE=")
    [said] = flow.result["not_copied"]
    assert said.startswith("without key pair key of user u")
    assert said in flow.message


@pytest.mark.parametrize("state", ["error", "shelved_offloaded", "building"])
async def test_what_cannot_be_copied_is_not_begun(fleet, state):
    fleet.nova.add_original("s1", "h1", vm_state=state)
    flow = await run(fleet, "clone", "s1", count=1)
    assert flow.status == "FAILURE"
    assert "can be copied" in flow.error
    assert fleet.nova.asked == []
