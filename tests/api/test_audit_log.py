"""Who did what: a record for everything that changes something, and for every attempt."""

import csv
import io
import json
from dataclasses import replace
from datetime import timedelta

import pytest
import structlog
from sqlalchemy import delete, update
from sqlalchemy.exc import DBAPIError

from cloudmanager import audit, config
from cloudmanager.api.services import attach
from cloudmanager.models import AuditRecord, utc_now

SECRET = "S3cret-password"
KEYS = {
    "id", "time", "request_id", "user_name", "user_id", "project_id", "roles", "address", "action", "method",
    "path", "subject", "status", "outcome", "detail",
}  # fmt: skip


def records(api, query=""):
    return api.get(f"/v1/audit-log/{query}")["audit_log"]


def last(api):
    return records(api, "?sort=-id&limit=1")[0]


def test_a_change_is_recorded_with_all_that_is_known(api):
    response = api.ask("POST", "/v1/nodes/", {"node": {"name": "n1"}})
    record = last(api)
    assert set(record) == KEYS
    node_id = response.get_json()["node"]["id"]
    assert record | {"id": 0, "time": ""} == {
        "id": 0,
        "time": "",
        "request_id": response.headers["X-Openstack-Request-Id"],
        "user_name": "the admin",
        "user_id": None,
        "project_id": None,
        "roles": "admin",
        "address": "127.0.0.1",
        "action": "create_node",
        "method": "POST",
        "path": "/v1/nodes/",
        "subject": f"node:{node_id}",
        "status": 201,
        "outcome": "success",
        "detail": None,
    }
    assert api.get(f"/v1/audit-log/{record['id']}") == {"audit_log_entry": record}


def test_reading_leaves_no_record(api):
    for method in ("GET", "HEAD", "OPTIONS"):
        api.ask(method, "/v1/nodes/")
    assert records(api) == []


@pytest.mark.parametrize(
    ("status", "role", "request_", "known"),
    [
        (401, "nobody", ("DELETE", "/v1/nodes/7", None), (None, "node:7")),
        (403, "reader", ("POST", "/v1/nodes/", {"node": {}}), ("the reader", None)),
        (404, "admin", ("PUT", "/v1/nodes/77", {"node": {"name": "x"}}), ("the admin", "node:77")),
        (409, "admin", ("DELETE", "/v1/node-classes/1", None), ("the admin", "node_class:1")),
        (422, "admin", ("POST", "/v1/nodes/", {"node": {"cpu_amount": 100}}), ("the admin", None)),
        (400, "admin", ("POST", "/v1/nodes/", ...), ("the admin", None)),
    ],
)
def test_what_is_refused_is_recorded_too(api, status, role, request_, known):
    method, path, body = request_
    options = {"data": b"{"} if body is ... else {"body": body}
    response = api.ask(method, path, role=role, **options)
    assert response.status_code == status
    record = last(api)
    assert (record["status"], record["outcome"]) == (status, "refused")
    assert (record["user_name"], record["subject"]) == known
    assert record["detail"] == response.get_json()["error"]["message"]
    assert record["request_id"] == response.get_json()["error"]["request_id"]


def test_a_failure_of_ours_is_recorded_though_nothing_was_stored(api):
    attach(api.app, replace(api.services, vault=None))
    body = {"control_type": "ET7067", "protocol_type": "modbus", "host": "192.0.2.1", "password": SECRET}
    api.post("/v1/power-controls/", {"power_control": {**body, "port_number": 502}}, 500)
    assert (last(api)["status"], last(api)["outcome"]) == (500, "failed")
    assert api.get("/v1/power-controls/count")["count"] == 0


def test_the_task_that_goes_on_is_named(api):
    node = api.powered_node()
    response = api.ask("POST", f"/v1/nodes/{node}/actions/reset", role="member")
    task = response.headers["Location"].rpartition("/")[2]
    record = last(api)
    assert (record["action"], record["subject"]) == ("reset_node", f"node:{node}")
    assert (record["user_name"], record["roles"]) == ("the member", "member")
    assert record["detail"] == f"task {task}"
    assert record["request_id"] == api.get(f"/v1/tasks/{task}")["request_id"]
    api.post(f"/v1/tasks/{task}/actions/cancel", status=202)
    assert last(api)["subject"] == f"task:{task}"


def test_what_belongs_to_a_node_is_under_the_node(api):
    node, control = api.node()["id"], api.control()["id"]
    api.assign(node, control)
    assert last(api)["subject"] == f"node:{node}"
    api.delete(f"/v1/nodes/{node}/power-controls/{control}")
    assert (last(api)["subject"], last(api)["action"]) == (f"node:{node}", "unassign_power_control")


def test_no_secret_and_no_body(api):
    api.control(password=SECRET)
    api.post("/v1/power-controls/", {"power_control": {"password": SECRET, "nonsense": 1}}, 422)
    api.post("/v1/nodes/?token=S3cret", {"node": {"description": SECRET}}, 422)
    shown = json.dumps(records(api))
    assert "S3cret" not in shown
    assert api.tokens["admin"] not in shown


@pytest.mark.parametrize(
    ("trusted", "forwarded", "address"),
    [
        ("", "203.0.113.9", "127.0.0.1"),
        ("127.0.0.1", "203.0.113.9", "203.0.113.9"),
        (
            "127.0.0.0/8",
            "1.1.1.1, 203.0.113.9",
            "203.0.113.9",
        ),  # what the client says of itself counts for nothing
        ("127.0.0.1,203.0.113.0/24", "1.1.1.1,203.0.113.9", "1.1.1.1"),
        ("127.0.0.1", "2001:db8::7", "2001:db8::7"),
        ("127.0.0.1", "nonsense", "127.0.0.1"),
        ("127.0.0.1", "", "127.0.0.1"),
    ],
)
def test_only_a_trusted_proxy_says_who_is_behind_it(api, tmp_path, trusted, forwarded, address):
    file = tmp_path / "cloudmanager.conf"
    file.write_text(f"[api]\ntrusted_proxies = {trusted}\n")
    attach(api.app, replace(api.services, config=config.load(file)))
    api.ask("POST", "/v1/nodes/", {"node": {}}, headers={"X-Forwarded-For": forwarded})
    assert last(api)["address"] == address


def test_a_record_that_cannot_be_written_is_logged_and_the_answer_stands(api, monkeypatch):
    def fail(*_):
        raise RuntimeError("disk full")

    monkeypatch.setattr("cloudmanager.api.audit.audit.write", fail)
    with structlog.testing.capture_logs() as lines:
        api.post("/v1/nodes/", {"node": {"name": "kept"}})
    [line] = [line for line in lines if line["event"] == "audit record not written"]
    assert line["log_level"] == "error"
    assert (line["action"], line["user_name"], line["status"]) == ("create_node", "the admin", 201)
    assert api.get("/v1/nodes/count?name=kept")["count"] == 1


def test_only_administrators_see_it_and_nobody_changes_it(api):
    for path in ("/v1/audit-log/", "/v1/audit-log/count", "/v1/audit-log/1"):
        for role in ("reader", "member"):
            api.get(path, 403, role=role)
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert api.ask(method, "/v1/audit-log/").status_code == 405
        assert api.ask(method, "/v1/audit-log/1").status_code in (404, 405)


def test_filters_paging_and_count(api):
    for name in ("a", "b", "c"):
        api.post("/v1/nodes/", {"node": {"name": name}})
    api.post("/v1/nodes/", {"node": {"name": "c"}}, 409)
    api.delete("/v1/nodes/1", role="member", status=403)
    assert [record["status"] for record in records(api, "?outcome=refused&sort=status")] == [403, 409]
    assert len(records(api, "?status=gte:400&user_name=like:%25ADMIN")) == 1
    assert len(records(api, "?subject=node:2&action=in:create_node,x&method=POST&address=127.0.0.1")) == 1
    assert api.get("/v1/audit-log/count?time=gt:2020-01-01&path=/v1/nodes/")["count"] == 4
    assert api.get("/v1/audit-log/count?time=lt:2020-01-01")["count"] == 0
    assert len(records(api, "?offset=1&limit=2")) == 2
    for name in sorted(KEYS):
        api.get(f"/v1/audit-log/count?{name}=null:false")
    api.get("/v1/audit-log/?body=x", 422)


def test_rows_are_not_changed_and_recent_ones_not_deleted(api):
    api.post("/v1/nodes/", {"node": {}})
    for statement in (update(AuditRecord).values(user_name="somebody else"), delete(AuditRecord)):
        with pytest.raises(DBAPIError, match="append-only"), api.database.transaction() as session:
            session.execute(statement)


def old(days):
    return {
        "time": utc_now() - timedelta(days=days),
        "request_id": "req-1",
        "action": "create_node",
        "method": "POST",
        "path": f"/v1/nodes/{days}",
        "status": 201,
        "outcome": "success",
    }


def test_old_records_are_pruned(api):
    for days in (400, 366, 364):
        audit.write(api.database, old(days))
    assert audit.prune(api.database, utc_now() - timedelta(days=365)) == 2
    assert [record["path"] for record in records(api)] == ["/v1/nodes/364"]


def test_export(api, monkeypatch):
    monkeypatch.setattr(audit, "CHUNK", 2)
    for days in (50, 40, 30, 20, 10):
        audit.write(api.database, old(days) | {"detail": 'a "quoted",\nlong word'})

    def exported(form, since=None, until=None):
        return "".join(audit.export(api.database, form, since, until))

    lines = [json.loads(line) for line in exported("jsonl").splitlines()]
    assert lines == records(api)
    rows = list(csv.DictReader(io.StringIO(exported("csv"))))
    assert [row["path"] for row in rows] == [line["path"] for line in lines]
    assert rows[0]["detail"] == lines[0]["detail"]
    assert rows[0]["time"] == lines[0]["time"]
    since, until = utc_now() - timedelta(days=41), utc_now() - timedelta(days=20, minutes=1)
    assert exported("jsonl", since, until).count("\n") == 2
    assert len(list(audit.export(api.database, "jsonl", None, None))) == 3


def test_export_from_the_command_line(api, tmp_path):
    from click.testing import CliRunner

    from cloudmanager.cli import main

    api.post("/v1/nodes/", {"node": {"name": "n1"}})
    file = tmp_path / "cloudmanager.conf"
    url = api.database.engine.url.render_as_string(hide_password=False).replace("$", "$$")
    file.write_text(f"[database]\nconnection = {url}\n")
    run = CliRunner().invoke(main, ["audit", "export", "--since", "2020-01-01", "--config", str(file)])
    assert run.exit_code == 0, run.output
    assert json.loads(run.stdout)["action"] == "create_node"
    run = CliRunner().invoke(
        main, ["audit", "export", "--until", "2020-01-01", "--format", "csv", "--config", str(file)]
    )
    assert run.stdout.splitlines() == [",".join(AuditRecord.__table__.columns.keys())]
