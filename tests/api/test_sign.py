"""`/v1/sign`: signatures are made on the node, shown as far as they can be believed, and for admins alone."""

import re
from dataclasses import replace

import pytest
from sqlalchemy import update

from cloudmanager.api.services import attach
from cloudmanager.blocking import Blocking
from cloudmanager.errors import CommandFailed, HostRefused
from cloudmanager.flows.sign.locks import reason_for
from cloudmanager.models import AuditRecord, FlowRow, GuardedNode, Signature
from tests.flows.fake_host import FakeHost
from tests.flows.guarded import LOADER, XML, uuid
from tests.flows.world import Line

MOMENT = re.compile(
    r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d\d:\d\d:\d\d GMT"
)
S1, S2, NOWHERE = uuid(1), uuid(2), uuid(9)


@pytest.fixture
def host(api, nova):
    """Two servers on the first host, which is a node, with definitions on it."""
    node = api.node(name="r1n01")
    machine = FakeHost(Line())
    machine.node_id = node["id"]
    for number in (1, 2):
        nova.add_server(uuid(number), "r1n01", instance_name=f"instance-{number:08x}")

    def definition(asked):
        assert asked.node_id == node["id"]
        record = nova.guests[asked.arguments["server"]].record
        return XML.format(name=record.instance_name, uuid=record.id, loader=LOADER, host=machine.listen)

    machine.listen = "10.0.0.1"
    machine.answer("domain-definition", definition)
    machine.answer("file-digest", lambda asked: f"{'a' * 64} *{asked.arguments['path']}\n")
    api.services = replace(api.services, host=Blocking("host", lambda: machine))
    attach(api.app, api.services)
    return machine


def test_a_server_is_signed_and_shown(api, host):
    response = api.ask("POST", "/v1/sign", {"server_id": S1})
    assert response.status_code == 201
    assert response.headers["Location"] == f"/v1/sign/{S1}"
    sign = response.get_json()["sign"]
    assert MOMENT.fullmatch(sign.pop("created_at"))
    assert sign == {
        "id": 1,
        "instance_name": "instance-00000001",
        "server_id": S1,
        "node_id": host.node_id,
        "is_valid": "true",
        "reason": None,
        "updated_at": None,
    }
    assert api.get(f"/v1/sign/{S1}")["sign"]["is_valid"] == "true"
    assert api.get("/v1/sign")["signs"] == [api.get(f"/v1/sign/{S1}")["sign"]]


def test_it_is_recalculated(api, host):
    api.post("/v1/sign", {"server_id": S1})
    host.listen = "10.0.0.2"
    before = stored(api).baseline
    sign = api.put("/v1/sign", {"server_id": S1})["sign"]
    assert MOMENT.fullmatch(sign["updated_at"])
    assert (sign["id"], sign["is_valid"]) == (1, "true")
    assert stored(api).baseline["strict"] != before["strict"]


def stored(api):
    with api.database.reading() as session:
        return session.query(Signature).one()


def test_lists_have_pages(api, host):
    for server_id in (S1, S2):
        api.post("/v1/sign", {"server_id": server_id})
    answer = api.ask("GET", "/sign?offset=0&limit=1")
    assert [sign["server_id"] for sign in answer.get_json()["signs"]] == [S1]
    assert answer.headers["Link"] == '</v1/sign?offset=1&limit=1>; rel="next"'
    answer = api.ask("GET", "/v1/sign?offset=1&limit=1")
    assert [sign["server_id"] for sign in answer.get_json()["signs"]] == [S2]
    assert "Link" not in answer.headers
    assert [sign["id"] for sign in api.get("/v1/sign?sort=-id")["signs"]] == [2, 1]
    assert api.get("/v1/sign?node_id=999")["signs"] == []
    assert api.get("/v1/sign?is_valid=true", 422)["error"]["errors"] == {"is_valid": ["unknown parameter"]}


def test_every_operation_also_answers_without_the_version(api, host):
    api.post("/sign", {"server_id": S1})
    api.put("/sign/", {"server_id": S1})
    assert api.get(f"/sign/{S1}")["sign"]["server_id"] == S1
    api.post(f"/sign/node/{host.node_id}/action", {"action": "activate"}, 202)


def test_admins_only(api, host):
    for role in ("reader", "member"):
        for method, path in (
            ("GET", "/v1/sign"),
            ("GET", f"/v1/sign/{S1}"),
            ("POST", "/v1/sign"),
            ("PUT", "/v1/sign"),
            ("GET", f"/v1/sign/node/{host.node_id}/action"),
            ("POST", f"/v1/sign/node/{host.node_id}/action"),
        ):
            assert api.ask(method, path, {"server_id": S1}, role=role).status_code == 403


def test_what_cannot_be_signed(api, host, nova):
    assert list(api.post("/v1/sign", {"server_id": "x"}, 422)["error"]["errors"]) == ["server_id"]
    assert list(api.post("/v1/sign", {}, 422)["error"]["errors"]) == ["server_id"]
    assert list(api.post("/v1/sign", {"server_id": S1, "x": 1}, 422)["error"]["errors"]) == ["x"]
    api.post("/v1/sign", {"server_id": NOWHERE}, 404)
    api.put("/v1/sign", {"server_id": S1}, 404)
    api.get(f"/v1/sign/{S1}", 404)
    api.get("/v1/sign/nonsense", 404)
    nova._change(nova.guests[S1], task_state="migrating")
    assert "migrating" in api.post("/v1/sign", {"server_id": S1}, 409)["error"]["message"]
    nova._change(nova.guests[S1], task_state=None, host=None)
    assert "on no host" in api.post("/v1/sign", {"server_id": S1}, 409)["error"]["message"]
    nova._change(nova.guests[S1], host="r1n03")
    assert "no node of the inventory" in api.post("/v1/sign", {"server_id": S1}, 409)["error"]["message"]
    assert api.get("/v1/sign")["signs"] == []


def test_a_second_one_is_refused_and_put_is_the_way(api, host):
    api.post("/v1/sign", {"server_id": S1})
    calls = len(host.calls)
    assert "PUT" in api.post("/v1/sign", {"server_id": S1}, 409)["error"]["message"]
    assert len(host.calls) == calls, "the node is not asked for nothing"


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        ("dead", 504),
        (HostRefused("another host key"), 502),
        (CommandFailed("no such domain", status=1), 502),
        ("<!DOCTYPE x><domain/>", 502),
        ("", 502),
    ],
    ids=["dead", "refused", "failed", "entities", "empty"],
)
def test_a_node_that_does_not_tell(api, host, failure, status):
    if failure == "dead":
        host.dead.add(host.node_id)
    else:
        host.answer("domain-definition", failure)
    api.post("/v1/sign", {"server_id": S1}, status)
    assert api.get("/v1/sign")["signs"] == []


def test_another_server_than_the_one_asked_for_is_not_signed(api, host):
    host.answer("domain-definition", XML.format(name="i", uuid=S2, loader=LOADER, host="h"))
    assert S2 in api.post("/v1/sign", {"server_id": S1}, 502)["error"]["message"]


def test_a_record_that_others_changed_is_shown_as_false(api, host):
    api.post("/v1/sign", {"server_id": S1})
    with api.database.transaction() as session:
        session.execute(update(Signature).values(instance_name="other"))
    for sign in (api.get(f"/v1/sign/{S1}")["sign"], *api.get("/v1/sign")["signs"]):
        assert sign["is_valid"] == "false"
        assert "other hands" in sign["reason"]
    assert api.put("/v1/sign", {"server_id": S1})["sign"]["is_valid"] == "true"


def test_one_that_was_never_calculated_can_be_created(api, host):
    api.post("/v1/sign", {"server_id": S1})
    with api.database.transaction() as session:
        session.execute(update(Signature).values(baseline=None, is_valid="unknown"))
    assert api.post("/v1/sign", {"server_id": S1})["sign"]["is_valid"] == "true"


def test_a_key_of_the_caller_makes_one_of_two_requests(api, host):
    headers = {"Idempotency-Key": "k1"}
    first = api.post("/v1/sign", {"server_id": S1}, headers=headers)
    assert api.post("/v1/sign", {"server_id": S1}, headers=headers) == first


# --- nodes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("action", ["activate", "deactivate"])
def test_an_action_on_a_node_is_a_task(api, host, method, action):
    path = f"/v1/sign/node/{host.node_id}/action"
    response = api.ask(method, path, {"action": action})
    assert response.status_code == 202
    body = response.get_json()
    task_id = body.pop("task_id")
    assert body == {"action": action, "node_id": host.node_id, "success": True}
    assert response.headers["Location"] == f"/v1/tasks/{task_id}"
    assert api.bell.rung == [task_id]
    with api.database.reading() as session:
        flow = session.query(FlowRow).one()
        assert (flow.kind, flow.subject) == (f"{action}-signing", f"sign:{host.node_id}")
        assert flow.params == {"node_id": host.node_id, "host": "r1n01"}
        last = session.query(AuditRecord).order_by(AuditRecord.id.desc()).first()
        assert (last.method, last.path, last.subject) == (method, path, f"node:{host.node_id}")
        assert last.detail == f"task {task_id}"
    assert api.ask(method, path, {"action": action}).status_code == 409, "it is under way"


def test_a_plan_touches_nothing(api, host, nova):
    nova._lock(S2, "mine")
    body = {"action": "activate", "dry_run": True}
    plan = api.post(f"/v1/sign/node/{host.node_id}/action", body, 200)["plan"]
    locks = {server["server_id"]: server["lock"] for server in plan["servers"]}
    assert locks == {"a": "ours", "b": "ours", S1: "ours", S2: "somebody else's"}
    assert (plan["action"], plan["host"], plan["node_id"]) == ("activate", "r1n01", host.node_id)
    nova._lock(S1, reason_for(host.node_id))
    body = {"action": "deactivate", "dry_run": True}
    plan = api.post(f"/v1/sign/node/{host.node_id}/action", body, 200)["plan"]
    assert [server["server_id"] for server in plan["servers"]] == [S1]
    assert nova.asked == []
    assert api.bell.rung == []


def test_what_is_refused_of_a_node(api, host):
    path = f"/v1/sign/node/{host.node_id}/action"
    assert list(api.post(path, {"action": "x"}, 422)["error"]["errors"]) == ["action"]
    assert list(api.post(path, {}, 422)["error"]["errors"]) == ["action"]
    api.post("/v1/sign/node/999/action", {"action": "activate"}, 404)
    other = api.node(name="no-host")["id"]
    assert (
        "no host"
        in api.post(f"/v1/sign/node/{other}/action", {"action": "activate"}, 409)["error"]["message"]
    )


def test_a_node_is_guarded_once_and_not_deleted_meanwhile(api, host):
    with api.database.transaction() as session:
        session.add(GuardedNode(node_id=host.node_id, host="r1n01"))
    path = f"/v1/sign/node/{host.node_id}/action"
    assert "already" in api.post(path, {"action": "activate"}, 409)["error"]["message"]
    assert "deactivate" in api.ask("DELETE", f"/v1/nodes/{host.node_id}").get_json()["error"]["message"]
    api.post(path, {"action": "deactivate"}, 202)


def test_a_node_that_is_no_host_any_more_can_be_released(api, host, nova):
    with api.database.transaction() as session:
        session.add(GuardedNode(node_id=host.node_id, host="r1n01"))
    del nova.hosts["r1n01"]
    api.post(f"/v1/sign/node/{host.node_id}/action", {"action": "deactivate"}, 202)


def test_signatures_go_with_their_node(api, host):
    api.post("/v1/sign", {"server_id": S1})
    api.delete(f"/v1/nodes/{host.node_id}")
    assert api.get("/v1/sign")["signs"] == []
