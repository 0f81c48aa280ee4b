"""Servers through the API: which flow an action starts, what is refused before, and plans."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from cloudmanager.models import FlowRow
from cloudmanager.openstack.tenant_records import Allowance

VM = "45bb8680-c070-4080-be45-ec4d2312eda8"
STRANGER = "9d3c1a52-0000-4000-8000-000000000000"
TELLING = ("repair", "recover", "clone")
SILENT = ("balance", "reset-reboot", "wakeup")
ACTIONS = (*TELLING, *SILENT)


@pytest.fixture
def vm(nova):
    """A server that runs, with two volumes."""
    nova.add_original(VM, "r1n01")
    return nova


def flows(api):
    with api.database.reading() as session:
        return session.scalars(select(FlowRow)).all()


def act(api, action, body=None, server_id=VM, **options):
    return api.ask("POST", f"/v1/servers/{server_id}/actions/{action}", body, **options)


@pytest.mark.parametrize("action", TELLING)
def test_the_body_names_the_task(api, vm, action):
    response = act(api, action)
    assert response.status_code == 202, response.text
    (row,) = flows(api)
    assert response.json == {"task_id": row.id}
    assert response.headers["Location"] == f"/v1/tasks/{row.id}"
    assert (row.kind, row.subject) == (f"{action}-server", f"server:{VM}")
    assert api.bell.rung == [row.id]


@pytest.mark.parametrize("action", SILENT)
def test_without_content_only_the_header_names_the_task(api, vm, action):
    response = act(api, action)
    assert response.status_code == 202, response.text
    (row,) = flows(api)
    assert response.data == b""
    assert response.headers["Location"] == f"/v1/tasks/{row.id}"
    assert (row.kind, row.subject) == (f"{action}-server", f"server:{VM}")


@pytest.mark.parametrize(
    ("action", "body"),
    [
        ("balance", {"move_locked": True, "block_migration": None, "policy": "wait"}),
        ("repair", {"fenced": True}),
        ("recover", {"fenced": True}),
        ("reset-reboot", {"reboot": True}),
        ("clone", {"count": 20}),
    ],
)
def test_options_become_parameters(api, vm, action, body):
    assert act(api, action, {**body, "deadline": 60}).status_code == 202
    (row,) = flows(api)
    assert row.params == {"server_id": VM, **body}
    assert row.deadline is not None


def test_one_clone_is_made_without_a_count(api, vm):
    act(api, "clone")
    assert flows(api)[0].params["count"] == 1


@pytest.mark.parametrize(
    ("action", "body", "field"),
    [
        ("clone", {"count": 0}, "count"),
        ("clone", {"count": 21}, "count"),
        ("clone", {"count": "2"}, "count"),
        ("reset-reboot", {"reboot": "yes"}, "reboot"),
        ("balance", {"policy": "hope"}, "policy"),
        ("wakeup", {"fenced": True}, "fenced"),
        ("repair", {"deadline": 0}, "deadline"),
    ],
)
def test_what_is_wrong_is_named(api, vm, action, body, field):
    response = act(api, action, body)
    assert response.status_code == 422
    assert field in response.json["error"]["errors"]
    assert flows(api) == []


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("dry_run", [False, True])
def test_an_unknown_server_is_refused_in_the_request(api, vm, action, dry_run):
    assert act(api, action, {"dry_run": dry_run}, STRANGER).status_code == 404
    assert act(api, action, server_id="detail").status_code == 404
    assert flows(api) == []


@pytest.mark.parametrize("action", ACTIONS)
def test_only_an_admin_may(api, vm, action):
    assert act(api, action, role="member").status_code == 403
    assert flows(api) == []


@pytest.mark.parametrize("action", ACTIONS)
def test_a_second_action_names_the_task_that_holds_the_server(api, vm, action):
    first = act(api, "repair").json["task_id"]
    second = act(api, action)
    assert second.status_code == 409
    assert second.json["error"]["task_id"] == first


def test_a_server_of_a_host_that_is_being_emptied_is_not_balanced(api, vm):
    holder = api.post("/v1/hosts/r1n01/actions/evacuate", status=202)["task_id"]
    response = act(api, "balance")
    assert response.status_code == 409
    assert response.json["error"]["task_id"] == holder
    assert act(api, "wakeup").status_code == 202


def test_without_openstack_the_way_out_is_told(api):
    response = act(api, "repair")
    assert response.status_code == 501
    assert "[nova] auth_url" in response.json["error"]["message"]


@pytest.mark.parametrize(
    ("action", "state", "acts"),
    [
        ("balance", "active", ["migrate it from r1n01 to r1n03"]),
        ("repair", "active", []),
        ("repair", "error", ["reboot it hard"]),
        ("recover", "error", ["reset its state to active", "reboot it hard"]),
        ("reset-reboot", "error", ["reset its state to active"]),
        ("wakeup", "suspended", ["resume it"]),
        ("wakeup", "active", []),
    ],
)
def test_dry_run_touches_nothing(api, vm, action, state, acts):
    vm._change(vm.guests[VM], vm_state=state)
    response = act(api, action, {"dry_run": True})
    assert response.status_code == 200, response.text
    plan = response.json["plan"]
    assert (plan["action"], plan["server_id"], plan["host"]) == (action, VM, "r1n01")
    assert plan["acts"] == acts
    assert plan["reason"] is not None or action == "balance"
    assert vm.asked == []
    assert flows(api) == []


def test_dry_run_of_a_clone_names_what_would_be_copied(api, vm):
    acts = act(api, "clone", {"dry_run": True, "count": 2}).json["plan"]["acts"]
    assert acts == [
        f"snapshot volume {VM}-v0 (1 GiB)",
        f"snapshot volume {VM}-v1 (1 GiB)",
        "make an image of its root disk",
        f"make vm-{VM}-clone-1 with copies of 2 volumes",
        f"make vm-{VM}-clone-2 with copies of 2 volumes",
    ]
    assert vm.asked == []


def test_dry_run_of_a_clone_names_what_cannot_be_copied(api, vm):
    vm.keys.clear()
    *_, last = act(api, "clone", {"dry_run": True, "count": 1}).json["plan"]["acts"]
    assert last.startswith("leave them without key pair key of user u")


@pytest.mark.parametrize("dry_run", [False, True], ids=["act", "dry run"])
def test_a_clone_in_a_closed_project_is_refused(api, vm, dry_run):
    vm.projects.closed.add("p")
    response = act(api, "clone", {"dry_run": dry_run})
    assert response.status_code == 409
    assert "Keystone does not let the daemon into project p" in response.json["error"]["message"]
    assert vm.asked == flows(api) == []
    assert act(api, "wakeup").status_code == 202, "what is no clone needs no role there"


def test_a_clone_with_a_volume_of_another_project_is_refused(api, vm):
    vm.volumes.owners[f"{VM}-v1"] = "blue"
    response = act(api, "clone")
    assert response.status_code == 409
    assert f"project p has no {VM}-v1" in response.json["error"]["message"]


@pytest.mark.parametrize(
    ("name", "allowance", "said"),
    [
        ("instances", Allowance(10, 9), "instances: 9 of 10 used, 2 more wanted"),
        ("cores", Allowance(20, 19), "cores: 19 of 20 used, 2 more wanted"),
        ("ram_mb", Allowance(4096, 3072), "ram_mb: 3072 of 4096 used, 2048 more wanted"),
        ("volumes", Allowance(10, 7), "volumes: 7 of 10 used, 4 more wanted"),
        ("gigabytes", Allowance(100, 97), "gigabytes: 97 of 100 used, 4 more wanted"),
        ("volume_snapshots", Allowance(10, 9), "volume_snapshots: 9 of 10 used, 2 more wanted"),
    ],
)
def test_clones_for_which_there_is_no_room_are_refused(api, vm, name, allowance, said):
    vm.projects.allowances[name] = allowance
    response = act(api, "clone", {"count": 2})
    assert response.status_code == 409
    assert said in response.json["error"]["message"]
    assert "quota of project p" in response.json["error"]["message"]
    assert vm.asked == flows(api) == []
    vm.projects.allowances[name] = Allowance(allowance.limit, 0)
    assert act(api, "clone", {"count": 2}).status_code == 202


def test_dry_run_says_why_nothing_can_be_done(api, vm):
    vm.hosts["r1n03"].enabled = False
    plan = act(api, "balance", {"dry_run": True}).json["plan"]
    assert plan["acts"] == []
    assert "r1n02: it is down" in plan["reason"]
    assert "r1n03: it is cordoned" in plan["reason"]
