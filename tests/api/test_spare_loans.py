"""Spares through the API: who stands in for whom, what would be done, and which flow returns one."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from cloudmanager.models import FlowRow, Node, NodeClass, NodeControl, PowerControl, SpareLoan

RETURN = "/v1/hosts/r1n03/actions/return-spare"


def flow(api, task_id):
    with api.database.reading() as session:
        return session.scalars(select(FlowRow).where(FlowRow.id == task_id)).one()


@pytest.fixture
def spare(api, nova):
    """`r1n03` is a spare: reserved, cordoned, with a power control; its node's id."""
    node_id = api.node(name="r1n03")["id"]
    nova.hosts["r1n03"].enabled = False
    with api.database.transaction() as session:
        hypervisor = session.scalar(select(NodeClass.id).where(NodeClass.name == "hypervisor"))
        values = {"is_reserved": True, "condition": 4, "node_class_id": hypervisor}
        session.execute(update(Node).where(Node.id == node_id).values(values))
        control = PowerControl(
            title="bmc", control_type="T", protocol_type="p", host="h", port_number=623, coils_count=1
        )
        session.add(control)
        session.flush()
        session.add(NodeControl(node_id=node_id, power_control_id=control.id, power_control_port="1"))
    return node_id


@pytest.fixture
def loan(api, nova, spare):
    """It stands in for `r1n02`, which is down."""
    nova.hosts["r1n03"].enabled = True
    with api.database.transaction() as session:
        session.add(
            SpareLoan(
                host="r1n03",
                node_id=spare,
                lost_host="r1n02",
                state="lent",
                found={"power": "power_off", "enabled": False, "reason": "kept"},
                aggregates=[4],
                task_id="7d8f1d2c-5b1e-4b5e-9a39-2f1f0c9f3a77",
                message="r1n03 stands in for r1n02",
            )
        )


def test_loans_are_listed(api, loan, spare):
    [shown] = api.get("/v1/spare-loans/", role="reader")["spare_loans"]
    assert (shown["host"], shown["lost_host"], shown["state"], shown["node_id"]) == (
        "r1n03",
        "r1n02",
        "lent",
        spare,
    )
    assert (shown["aggregates"], shown["ended_at"]) == ([4], None)
    assert api.get(f"/v1/spare-loans/{shown['id']}", role="reader")["spare_loan"] == shown
    assert api.get("/v1/spare-loans/?lost_host=r1n01", role="reader")["spare_loans"] == []
    assert api.get("/v1/spare-loans/count?ended_at=null:true", role="reader")["count"] == 1


def test_both_hosts_show_the_loan(api, loan):
    lost = api.get("/v1/hosts/r1n02/availability", role="reader")["availability"]
    assert (lost["spare"], lost["lent_for"]) == ("r1n03", None)
    spare = api.get("/v1/hosts/r1n03/availability", role="reader")["availability"]
    assert (spare["spare"], spare["lent_for"]) == (None, "r1n02")
    other = api.get("/v1/hosts/r1n01/availability", role="reader")["availability"]
    assert (other["spare"], other["lent_for"]) == (None, None)


@pytest.fixture
def tracked(api, nova):
    """`r1n02` is down and may be evacuated in the end; answers its availability."""
    node_id = api.node(name="r1n02")["id"]
    api.assign(node_id, api.control()["id"])
    for option, value in {"use_spares": True, "max_down_hosts": 5}.items():
        api.services.config.set_override(option, value, "node_tracker")
    return lambda: api.get("/v1/hosts/r1n02/availability", role="reader")["availability"]


def test_which_spare_would_be_asked_is_told_ahead(api, tracked, spare):
    found = tracked()
    assert found["state"] == "counting"
    assert found["spare_to_ask"] == {"host": "r1n03", "node_id": spare, "reason": None}
    assert found["next"].endswith(f"; spare r1n03 (node {spare}) would be asked to stand in")
    assert api.get("/v1/hosts/r1n01/availability", role="reader")["availability"]["spare_to_ask"] is None
    api.services.config.set_override("use_spares", False, "node_tracker")
    assert tracked()["spare_to_ask"] is None
    with api.database.reading() as session:
        assert session.scalars(select(FlowRow)).all() == []


def test_that_no_spare_fits_is_told_ahead(api, tracked):
    why = "no node of the class hypervisor is reserved"
    assert tracked()["spare_to_ask"] == {"host": None, "node_id": None, "reason": why}
    assert why in tracked()["next"]


def test_no_other_is_asked_while_one_stands_in(api, tracked, loan):
    assert (tracked()["spare"], tracked()["spare_to_ask"]) == ("r1n03", None)


def test_a_spare_is_returned_by_a_task(api, loan):
    response = api.ask("POST", RETURN, role="admin", body={"deadline": 60})
    assert response.status_code == 202
    row = flow(api, response.json["task_id"])
    assert (row.kind, row.subject, row.params) == ("return-spare", "host:r1n03", {"host": "r1n03"})
    assert row.deadline is not None
    second = api.ask("POST", RETURN, role="admin")
    assert second.status_code == 409
    assert second.json["error"]["task_id"] == row.id


def test_one_with_servers_needs_drain(api, nova, loan):
    nova.add_server("c", "r1n03")
    refused = api.ask("POST", RETURN, role="admin")
    assert refused.status_code == 409
    assert "drain: true" in refused.json["error"]["message"]
    taken = api.ask("POST", RETURN, role="admin", body={"drain": True, "allow_off_vm": True})
    assert flow(api, taken.json["task_id"]).params == {"host": "r1n03", "drain": True, "allow_off_vm": True}


def test_what_a_return_would_do(api, nova, loan):
    nova.add_server("c", "r1n03")
    plan = api.post(RETURN, {"dry_run": True}, status=200)["plan"]
    assert (plan["lost_host"], plan["aggregates"], plan["power_off"]) == ("r1n02", [4], True)
    assert [row["server_id"] for row in plan["servers"]] == ["c"]
    assert nova.asked == []
    with api.database.reading() as session:
        assert session.scalars(select(FlowRow)).all() == []


def test_a_spare_that_nova_has_forgotten_can_be_returned(api, nova, loan):
    del nova.hosts["r1n03"]
    assert api.post(RETURN, {"dry_run": True}, status=200)["plan"]["servers"] == []
    assert api.ask("POST", RETURN, role="admin").status_code == 202


def test_what_is_not_lent_cannot_be_returned(api, nova, spare):
    assert api.ask("POST", RETURN, role="admin").status_code == 409
    assert api.ask("POST", "/v1/hosts/nowhere/actions/return-spare", role="admin").status_code == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [({"drain": "yes"}, "drain"), ({"fenced": True}, "fenced"), ({"policy": "x"}, "policy")],
)
def test_what_is_wrong_is_named(api, loan, body, field):
    response = api.ask("POST", RETURN, role="admin", body=body)
    assert response.status_code == 422
    assert field in response.json["error"]["errors"]


def test_only_an_admin_returns_spares(api, loan):
    assert api.ask("POST", RETURN, role="member").status_code == 403


def test_an_evacuation_takes_the_wish_for_a_spare(api, nova, spare):
    response = api.ask("POST", "/v1/hosts/r1n02/actions/evacuate", role="admin", body={"use_spare": True})
    assert flow(api, response.json["task_id"]).params == {"host": "r1n02", "use_spare": True}
    other = api.ask("POST", "/v1/hosts/r1n02/actions/shutdown", role="admin", body={"use_spare": True})
    assert "use_spare" in other.json["error"]["errors"]


def plan(api, host="r1n02", **body):
    answer = api.post(f"/v1/hosts/{host}/actions/evacuate", {"dry_run": True, **body}, status=200)
    return answer["plan"]["hosts"][0]["spare"]


def test_which_spare_would_stand_in_is_told(api, nova, spare):
    assert plan(api, use_spare=True) == {"host": "r1n03", "node_id": spare, "reason": None}
    assert plan(api) is None
    assert plan(api, "r1n01", use_spare=True) is None


def test_why_none_would_is_told(api, nova, loan):
    found = plan(api, use_spare=True)
    assert found == {"host": None, "node_id": None, "reason": "r1n03: it is lent for r1n02"}
