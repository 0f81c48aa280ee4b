"""Hosts through the API: what Nova and the inventory say of them, plans, and which flow an action starts."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from cloudmanager.errors import CloudUnreachable
from cloudmanager.models import FlowRow

ACTIONS = ("evacuate", "shutdown", "decommission")


def flow(api, task_id):
    with api.database.reading() as session:
        return session.scalars(select(FlowRow).where(FlowRow.id == task_id)).one()


def test_without_openstack_the_way_out_is_told(api):
    response = api.ask("GET", "/v1/hosts/", role="admin")
    assert response.status_code == 501
    assert "[nova] auth_url" in response.json["error"]["message"]


def test_hosts_are_listed_with_their_nodes(api, nova):
    node_id = api.node(name="r1n02")["id"]
    rows = {row["name"]: row for row in api.ask("GET", "/v1/hosts/", role="reader").json["hosts"]}
    assert list(rows) == ["r1n01", "r1n02", "r1n03"]
    assert rows["r1n01"]["up"]
    assert not rows["r1n02"]["up"]
    assert rows["r1n02"]["node_id"] == node_id
    assert rows["r1n01"]["node_id"] is None


def test_a_cloud_that_does_not_answer_is_504(api, nova):
    async def services(**_):
        raise CloudUnreachable("Nova does not answer")

    nova.services = services
    assert api.ask("GET", "/v1/hosts/", role="reader").status_code == 504


@pytest.mark.parametrize("action", ACTIONS)
def test_an_action_starts_the_flow_of_the_host(api, nova, action):
    response = api.ask(
        "POST", f"/v1/hosts/r1n01/actions/{action}", role="admin", body={"allow_off_vm": True, "deadline": 60}
    )
    assert response.status_code == 202
    row = flow(api, response.json["task_id"])
    assert response.headers["Location"] == f"/v1/tasks/{row.id}"
    assert (row.kind, row.subject) == (f"{action}-host", "host:r1n01")
    assert row.params == {"host": "r1n01", "allow_off_vm": True}
    assert row.deadline is not None
    assert api.ask("GET", "/v1/hosts/r1n01", role="reader").json["host"]["task_id"] == row.id


@pytest.mark.parametrize("action", ACTIONS)
def test_an_empty_body_is_enough(api, nova, action):
    assert api.ask("POST", f"/v1/hosts/r1n03/actions/{action}", role="admin").status_code == 202


@pytest.mark.parametrize("action", ACTIONS)
def test_a_second_action_names_the_task_that_holds_the_host(api, nova, action):
    first = api.ask("POST", "/v1/hosts/r1n01/actions/shutdown", role="admin").json["task_id"]
    second = api.ask("POST", f"/v1/hosts/r1n01/actions/{action}", role="admin")
    assert second.status_code == 409
    assert second.json["error"]["task_id"] == first


@pytest.mark.parametrize("action", ACTIONS)
def test_unknown_hosts_are_refused_in_the_request(api, nova, action):
    assert api.ask("POST", f"/v1/hosts/nowhere/actions/{action}", role="admin").status_code == 404


@pytest.mark.parametrize("action", ACTIONS)
def test_only_an_admin_moves_servers(api, nova, action):
    assert api.ask("POST", f"/v1/hosts/r1n01/actions/{action}", role="member").status_code == 403


@pytest.mark.parametrize(
    ("action", "body", "field"),
    [
        ("evacuate", {"allow_evacuate": True}, "allow_evacuate"),
        ("shutdown", {"allow_off_vm": "yes"}, "allow_off_vm"),
        ("shutdown", {"policy": "hope"}, "policy"),
        ("decommission", {"deadline": 0}, "deadline"),
    ],
)
def test_what_is_wrong_is_named(api, nova, action, body, field):
    response = api.ask("POST", f"/v1/hosts/r1n01/actions/{action}", role="admin", body=body)
    assert response.status_code == 422
    assert field in response.json["error"]["errors"]


def test_dry_run_answers_a_verdict_on_each_server(api, nova):
    nova.add_server("halted", "r1n01", vm_state="stopped")
    response = api.ask("POST", "/v1/hosts/r1n01/actions/shutdown", role="admin", body={"dry_run": True})
    assert response.status_code == 200
    (plan,) = response.json["plan"]["hosts"]
    by_id = {row["server_id"]: row for row in plan["servers"]}
    assert by_id["a"]["ways"] == ["live"]
    assert by_id["halted"]["option"] == "allow_off_vm: true"
    assert not plan["movable"]
    assert nova.asked == []
    with api.database.reading() as session:
        assert session.scalars(select(FlowRow)).all() == []


def test_restart_is_one_task_for_all(api, nova):
    body = {"hosts": ["r1n01", "r1n03", "r1n01"], "in_sequence": True, "allow_evacuate": True}
    response = api.ask("POST", "/v1/hosts/actions/restart", role="admin", body=body)
    assert response.status_code == 202
    row = flow(api, response.json["task_id"])
    assert row.kind == "restart-hosts"
    assert row.params["hosts"] == ["r1n01", "r1n03"]


def test_restart_names_unknown_hosts(api, nova):
    response = api.ask(
        "POST", "/v1/hosts/actions/restart", role="admin", body={"hosts": ["r1n01", "nowhere"]}
    )
    assert response.status_code == 404
    assert "nowhere" in response.json["error"]["message"]


def test_restart_plan_says_how_many_at_a_time(api, nova):
    body = {"hosts": ["r1n01", "r1n03"], "batch": 9, "dry_run": True}
    plan = api.ask("POST", "/v1/hosts/actions/restart", role="admin", body=body).json["plan"]
    assert plan["at_a_time"] == 1
    assert [row["host"] for row in plan["hosts"]] == ["r1n01", "r1n03"]


def test_cordon_and_uncordon(api, nova):
    assert (
        api.ask("POST", "/v1/hosts/r1n01/actions/cordon", role="admin", body={"reason": "disk"}).status_code
        == 204
    )
    host = api.ask("GET", "/v1/hosts/r1n01", role="reader").json["host"]
    assert (host["cordoned"], host["cordon_reason"]) == (True, "disk")
    assert api.ask("POST", "/v1/hosts/r1n01/actions/uncordon", role="admin").status_code == 204
    assert not api.ask("GET", "/v1/hosts/r1n01", role="reader").json["host"]["cordoned"]


def test_a_held_host_is_not_uncordoned_behind_its_task(api, nova):
    api.ask("POST", "/v1/hosts/r1n01/actions/shutdown", role="admin")
    assert api.ask("POST", "/v1/hosts/r1n01/actions/uncordon", role="admin").status_code == 409
