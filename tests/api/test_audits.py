"""Audits through the API: beginning, applying, reading, explaining; what is refused before."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import select, update

from cloudmanager.audits.packing import pack
from cloudmanager.drs.options import Options
from cloudmanager.drs.planner import plan
from cloudmanager.flows.audits.look import Terms, look
from cloudmanager.load_sources.allocation import AllocationSource
from cloudmanager.models import Audit, FlowRow, utc_now
from cloudmanager.openstack.records import Aggregate, Flavor

BASE = "/v1/aggregates/5"
ACTIONS = f"{BASE}/actions"


@pytest.fixture
def aggregate(nova):
    """One of two hosts, the first of which carries six servers."""
    nova.host_aggregates = [Aggregate(5, "prod", None, frozenset({"r1n01", "r1n03"}))]
    for number in range(6):
        nova.add_server(f"s{number}", "r1n01", flavor=Flavor("m1.big", 4, 8192, 20))
    return nova


@pytest.fixture
def planned_here(monkeypatch):
    """The process of the API would ask another one to plan."""

    async def plan_here(snapshot, options):
        return plan(snapshot, options)

    monkeypatch.setattr("cloudmanager.flows.audits.execute.plan_apart", plan_here)


def execute(api, body=None, **options):
    return api.ask("POST", f"{ACTIONS}/execute-audit", body, **options)


def apply(api, audit_id, **body):
    return api.ask("POST", f"{ACTIONS}/apply-audit", {"audit_id": audit_id, **body})


@pytest.fixture
def planned(api, aggregate):
    """An audit that has its plan; answers its id."""
    audit_id = execute(api).json["audit"]["id"]
    hosts = aggregate.host_aggregates[0].hosts
    seen = api.services.cloud.ask(lambda cloud: look(cloud, hosts, AllocationSource(), Terms(), time.time()))
    made = plan(seen.snapshot, Options())
    values = {
        "status": "DONE",
        "plan": made.told(),
        "moves": len(made.moves),
        "gigabytes": made.gigabytes,
        "snapshot": pack(seen.snapshot, Options()),
        "planned_at": time.time(),
    }
    with api.database.transaction() as session:
        session.execute(update(Audit).values(values))
        session.execute(update(FlowRow).values(ended_at=utc_now()))
    return audit_id


def flows(api):
    with api.database.reading() as session:
        return session.scalars(select(FlowRow).order_by(FlowRow.sequence)).all()


def test_an_audit_is_begun_as_the_reference_shows(api, aggregate):
    response = execute(api)
    assert response.status_code == 202, response.text
    (row,) = flows(api)
    audit_id = response.json["audit"]["id"]
    assert response.json == {"audit": {"id": audit_id, "status": "NEW"}}
    assert response.headers["Location"] == f"/v1/tasks/{row.id}"
    assert (row.kind, row.subject) == ("execute-audit", "aggregate:5")
    assert row.params == {"aggregate_id": 5, "aggregate_name": "prod", "mode": "balance"}
    assert api.bell.rung == [row.id]
    status = api.ask("POST", f"{ACTIONS}/get-audit-status", {"audit_id": audit_id})
    assert (status.status_code, status.json) == (200, response.json)


def test_a_second_audit_meanwhile_is_refused(api, aggregate):
    execute(api)
    response = execute(api)
    assert response.status_code == 409
    assert flows(api)[0].id in response.json["error"]["message"]
    with api.database.reading() as session:
        assert len(session.scalars(select(Audit)).all()) == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"mode": "chaos"}, "mode"),
        ({"max_moves": 0}, "max_moves"),
        ({"min_gain": "0.1"}, "min_gain"),
        ({"min_gain": True}, "min_gain"),
        ({"low": 0.9, "high": 0.8}, "low"),
        ({"low": 0.99}, "low"),
        ({"auto_apply": "yes"}, "auto_apply"),
        ({"balance": 1}, "balance"),
    ],
    ids=["mode", "moves", "text", "boolean", "marks", "configured-mark", "flag", "unknown"],
)
def test_wrong_values_name_their_field(api, aggregate, body, field):
    response = execute(api, body)
    assert response.status_code == 422, response.text
    assert field in response.json["error"]["errors"]
    assert flows(api) == []


@pytest.mark.parametrize("path", ["actions/execute-audit", "actions/apply-audit", "audits/"])
def test_an_aggregate_that_nova_does_not_know(api, nova, path):
    method = "GET" if path == "audits/" else "POST"
    body = {"audit_id": 1} if "apply" in path else None
    response = api.ask(method, f"/v1/aggregates/77/{path}", body)
    assert response.status_code == 404
    assert "no aggregate 77" in response.json["error"]["message"]


@pytest.mark.parametrize("role", ["reader", "member"])
def test_only_admins_plan_and_move(api, planned, role):
    api.role = role
    assert execute(api).status_code == 403
    assert apply(api, planned).status_code == 403
    assert api.ask("POST", f"{ACTIONS}/get-audit-status", {"audit_id": planned}).status_code == 200
    for path in ("audits/", f"audits/{planned}", f"audits/{planned}/diff"):
        assert api.ask("GET", f"{BASE}/{path}").status_code == 200


def test_dry_run_answers_the_plan_and_keeps_nothing(api, aggregate, planned_here):
    response = execute(api, {"dry_run": True, "mode": "relieve", "high": 0.6, "low": 0.5})
    assert response.status_code == 200, response.text
    made = response.json["plan"]
    assert made["mode"] == "relieve"
    assert made["moves"]
    assert {move["destination"] for move in made["moves"]} == {"r1n03"}
    assert flows(api) == []
    assert aggregate.asked == []
    with api.database.reading() as session:
        assert session.scalars(select(Audit)).all() == []


@pytest.mark.both_databases
def test_a_plan_is_read(api, planned):
    audit = api.ask("GET", f"{BASE}/audits/{planned}").json["audit"]
    assert audit["status"] == "DONE"
    assert audit["moves"] == len(audit["plan"]["moves"]) == 3
    assert audit["outcomes"] is None
    assert audit["expires_at"] > audit["planned_at"]
    assert all(move["reason"].startswith(("cpu of r1n01", "ram of r1n01")) for move in audit["plan"]["moves"])
    (listed,) = api.ask("GET", f"{BASE}/audits/?status=DONE&mode=balance").json["audits"]
    assert listed == {name: value for name, value in audit.items() if name not in ("plan", "outcomes")}
    assert api.ask("GET", f"{BASE}/audits/?status=APPLIED").json == {"audits": []}


def test_a_plan_is_told_in_sentences(api, planned):
    response = api.ask("GET", f"{BASE}/audits/{planned}/diff")
    assert response.content_type == "text/plain; charset=utf-8"
    lines = response.text.splitlines()
    assert lines[0] == "3 moves in 2 waves copy 24.0 GB."
    assert any(line.startswith("Wave 1: vm-s") for line in lines)


@pytest.mark.both_databases
def test_a_server_is_explained(api, planned):
    audit = api.ask("GET", f"{BASE}/audits/{planned}").json["audit"]
    moved = audit["plan"]["moves"][0]["server_id"]
    told = api.ask("GET", f"{BASE}/audits/{planned}/explain?server={moved}").json["explanation"]
    assert told["moves"][0].startswith("Wave 1: r1n01 -> r1n03: ")
    assert told["sentences"][0] == f"vm-{moved} is on r1n03."
    stays = api.ask("GET", f"{BASE}/audits/{planned}/explain?server=a").json["explanation"]
    assert stays["moves"] == []
    assert stays["sentences"][0] == "vm-a is on r1n01."
    assert len(stays["sentences"]) > 1
    assert api.ask("GET", f"{BASE}/audits/{planned}/explain?server=x").status_code == 404
    missing = api.ask("GET", f"{BASE}/audits/{planned}/explain")
    assert missing.status_code == 422
    assert "server" in missing.json["error"]["errors"]


def test_what_has_no_plan_cannot_be_told(api, aggregate):
    audit_id = execute(api).json["audit"]["id"]
    for path in ("diff", "explain?server=a"):
        response = api.ask("GET", f"{BASE}/audits/{audit_id}/{path}")
        assert response.status_code == 409
        assert "has no plan: it is NEW" in response.json["error"]["message"]


def test_audits_belong_to_their_aggregate(api, planned):
    for path in ("", "/diff", "/explain?server=a"):
        assert api.ask("GET", f"/v1/aggregates/6/audits/{planned}{path}").status_code == 404
    response = api.ask("POST", "/v1/aggregates/6/actions/get-audit-status", {"audit_id": planned})
    assert response.status_code == 404
    missing = api.ask("POST", f"{ACTIONS}/get-audit-status")
    assert missing.status_code == 422
    assert "audit_id" in missing.json["error"]["errors"]


@pytest.mark.both_databases
def test_a_plan_is_applied_once(api, planned):
    response = apply(api, planned, deadline=600)
    assert response.status_code == 202, response.text
    assert response.data == b""
    row = flows(api)[-1]
    assert response.headers["Location"] == f"/v1/tasks/{row.id}"
    assert (row.kind, row.subject, row.deadline is None) == ("apply-audit", "aggregate:5", False)
    again = apply(api, planned)
    assert again.status_code == 409
    assert "it is being applied" in again.json["error"]["message"]
    status = api.ask("POST", f"{ACTIONS}/get-audit-status", {"audit_id": planned})
    assert status.json["audit"]["status"] == "APPLYING"


def test_an_old_plan_is_stale(api, planned):
    with api.database.transaction() as session:
        session.execute(update(Audit).values(planned_at=time.time() - 1801))
    response = apply(api, planned)
    assert response.status_code == 409
    assert "its plan is stale" in response.json["error"]["message"]


def test_a_dry_run_says_what_would_be_skipped(api, aggregate, planned):
    moves = api.ask("GET", f"{BASE}/audits/{planned}").json["audit"]["plan"]["moves"]
    del aggregate.guests[moves[0]["server_id"]]
    with api.database.transaction() as session:
        row = session.scalars(select(FlowRow)).one()
        session.add(FlowRow(id="0" * 36, kind="restart-host", subject="host:nobody", params={}, wake_at=9e9))
        assert row.ended_at
    response = apply(api, planned, dry_run=True)
    assert response.status_code == 200, response.text
    first, *others = response.json["plan"]["moves"]
    assert "deleted" in first["reason"]
    assert [move["reason"] for move in others] == [None, None]
    assert len(flows(api)) == 2
    with api.database.transaction() as session:
        session.execute(update(FlowRow).where(FlowRow.id == "0" * 36).values(subject="host:r1n03"))
    held = apply(api, planned, dry_run=True).json["plan"]["moves"]
    assert {move["reason"] for move in held} == {f"r1n03 is held by task {'0' * 36}"}


def test_the_same_key_begins_one_audit(api, aggregate):
    first, second = (execute(api, headers={"Idempotency-Key": "k"}) for _ in range(2))
    assert (first.status_code, first.json) == (second.status_code, second.json)
    assert first.headers["Location"] == second.headers["Location"]
    assert len(flows(api)) == 1
