"""Actions on power: what is started, what is planned, what is refused."""

import threading

import pytest
from sqlalchemy import select, update

from cloudmanager.models import FlowRow, PowerAction, Status, utc_now

KINDS = ["power-on", "power-off", "reset"]


def flow(api, response):
    """The row of the task that a response names."""
    task_id = response.headers["Location"].removeprefix("/v1/tasks/")
    with api.database.reading() as session:
        return session.scalars(select(FlowRow).where(FlowRow.id == task_id)).one()


def count_flows(api):
    return len(api.get("/v1/tasks/")["tasks"])


@pytest.mark.parametrize("kind", KINDS)
def test_a_node_action_starts_a_task(api, kind):
    node = api.powered_node()
    response = api.ask("POST", f"/v1/nodes/{node}/actions/{kind}", role="member")
    assert (response.status_code, response.data) == (202, b"")
    assert "Content-Type" not in response.headers
    row = flow(api, response)
    assert (row.kind, row.subject, row.params) == (kind, f"node:{node}", {"node_id": node})
    assert (row.requested_by, row.request_id) == ("the member", response.headers["X-Openstack-Request-Id"])
    assert api.bell.rung == [row.id]
    assert api.get(response.headers["Location"])["status"] == "PENDING"
    [action] = api.get(f"/v1/nodes/{node}/power-actions/")["power_actions"]
    assert action.pop("start_time")
    assert action == {
        "action": kind.replace("-", "_"),
        "id": action["id"],
        "node_id": node,
        "user_name": "the member",
        "end_time": None,
        "result": None,
        "error": None,
        "task_id": row.id,
    }
    assert api.get(f"/v1/nodes/{node}/power-actions/{action['id']}")["power_action"]["task_id"] == row.id


def test_power_actions_belong_to_their_node(api):
    one, two = api.powered_node(), api.powered_node()
    api.post(f"/v1/nodes/{one}/actions/reset", status=202)
    [action] = api.get(f"/v1/nodes/{one}/power-actions/?action=reset")["power_actions"]
    assert api.get(f"/v1/nodes/{two}/power-actions/")["power_actions"] == []
    api.get(f"/v1/nodes/{two}/power-actions/{action['id']}", 404)
    with api.database.transaction() as session:
        session.execute(update(PowerAction).values(result="SUCCESS", end_time=utc_now()))
    assert (
        len(api.get(f"/v1/nodes/{one}/power-actions/?result=SUCCESS&end_time=null:false")["power_actions"])
        == 1
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"content_type": "application/json"},
        {"data": b"{}", "content_type": "application/json"},
        {"data": b"", "content_type": "application/x-www-form-urlencoded"},
        {"data": b"{}"},
    ],
)
def test_the_body_may_be_absent_or_empty(api, kind, sent):
    node = api.powered_node()
    assert api.ask("POST", f"/v1/nodes/{node}/actions/{kind}", **sent).status_code == 202


@pytest.mark.parametrize(
    "body", [{"soft": 1}, {"soft": None}, {"softly": True}, {"dry_run": "yes"}, {"node": {}}]
)
def test_wrong_bodies(api, body):
    node = api.powered_node()
    error = api.post(f"/v1/nodes/{node}/actions/power-off", body, 422)["error"]
    assert list(error["errors"]) == list(body)
    api.post(f"/v1/nodes/{node}/actions/power-on", {"soft": True}, 422)
    assert count_flows(api) == 0


def test_soft_is_passed_on(api):
    node = api.powered_node()
    row = flow(api, api.ask("POST", f"/v1/nodes/{node}/actions/power-off", {"soft": True}))
    assert row.params == {"node_id": node, "soft": True}


def test_a_second_action_is_refused_and_names_the_first(api):
    node = api.powered_node()
    row = flow(api, api.ask("POST", f"/v1/nodes/{node}/actions/reset"))
    for kind in KINDS:
        error = api.post(f"/v1/nodes/{node}/actions/{kind}", status=409)["error"]
        assert error["task_id"] == row.id
        assert row.id in error["message"]
    assert api.bell.rung == [row.id]
    assert len(api.get(f"/v1/nodes/{node}/power-actions/")["power_actions"]) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_node_without_control_says_what_to_do(api, kind):
    node = api.node()["id"]
    for body in (None, {"dry_run": True}):
        message = api.post(f"/v1/nodes/{node}/actions/{kind}", body, 409)["error"]["message"]
        assert f"POST /v1/nodes/{node}/power-controls/" in message
    api.post(f"/v1/nodes/77/actions/{kind}", status=404)


@pytest.mark.parametrize("kind", KINDS)
def test_a_dry_run_names_the_controls_in_their_order_and_starts_nothing(api, kind):
    node = api.powered_node()
    others = [api.control(title=title)["id"] for title in ("b", "c")]
    for control in others:
        api.assign(node, control, is_default=control == others[1])
    plan = api.post(f"/v1/nodes/{node}/actions/{kind}", {"dry_run": True}, 200)["plan"]
    assert (plan["action"], plan["node_id"]) == (kind, node)
    assert [control["power_control_id"] for control in plan["controls"]] == [
        others[1],
        others[0] - 1,
        others[0],
    ]
    assert plan["controls"][0]["power_control_port"] == "1"
    assert count_flows(api) == 0
    assert api.bell.rung == []


def test_readers_switch_nothing(api):
    node = api.powered_node()
    for kind in KINDS:
        api.post(f"/v1/nodes/{node}/actions/{kind}", status=403, role="reader")
    for kind in KINDS:
        api.post(f"/v1/nodes/actions/{kind}", {"node_ids": [node]}, 403, role="reader")
    for kind in KINDS[:2]:
        api.post(f"/v1/power-controls/1/actions/{kind}", {"coil": 1}, 403, role="member")


# Coils


@pytest.mark.parametrize("kind", KINDS[:2])
def test_a_bare_coil(api, kind):
    control = api.control(control_type="ET7067", protocol_type="modbus")["id"]
    for coil in (3, "4"):
        row = flow(api, api.ask("POST", f"/v1/power-controls/{control}/actions/{kind}", {"coil": coil}))
        assert (row.kind, row.subject) == (kind, f"coil:{control}:{coil}")
        assert row.params == {"control_id": control, "port": str(coil)}
        assert api.bell.rung[-1] == row.id
    error = api.post(f"/v1/power-controls/{control}/actions/{kind}", {"coil": "3"}, 409)["error"]
    assert "task_id" in error


def test_the_coil_of_a_node_is_an_action_on_the_node(api):
    node = api.powered_node()
    control = api.get(f"/v1/nodes/{node}")["node"]["node_controls"][0]["power_control_id"]
    row = flow(
        api, api.ask("POST", f"/v1/power-controls/{control}/actions/power-off", {"coil": 1, "soft": True})
    )
    assert row.subject == f"node:{node}"
    assert row.params == {"node_id": node, "control_id": control, "port": "1", "soft": True}
    assert len(api.get(f"/v1/nodes/{node}/power-actions/")["power_actions"]) == 1
    api.post(f"/v1/nodes/{node}/actions/reset", status=409)


@pytest.mark.parametrize(
    "body",
    [None, {}, {"coil": 9}, {"coil": 0}, {"coil": "x"}, {"coil": None}, {"coil": True}, {"coil": 10**30}],
)
def test_wrong_coils(api, body):
    control = api.control(control_type="ET7067", protocol_type="modbus")["id"]
    error = api.post(f"/v1/power-controls/{control}/actions/power-on", body, 422)["error"]
    assert list(error["errors"]) == ["coil"]
    api.post("/v1/power-controls/77/actions/power-on", {"coil": 1}, 404)
    api.post(f"/v1/power-controls/{control}/actions/reset", {"coil": 1}, 404)


def test_a_dry_run_on_a_coil(api):
    control = api.control()["id"]
    plan = api.post(f"/v1/power-controls/{control}/actions/power-on", {"coil": 1, "dry_run": True}, 200)[
        "plan"
    ]
    assert plan == {"action": "power-on", "control_id": control, "port": "1"}
    assert count_flows(api) == 0


# Many nodes


def finish(api, succeed, *, after=0.0, end=True):
    """A worker that ends what some nodes are told with success, the others with failure."""

    def work(ids):
        [parent_id] = ids
        with api.database.transaction() as session:
            parent = session.scalars(select(FlowRow).where(FlowRow.id == parent_id)).one()
            for number, node_id in enumerate(parent.params["node_ids"]):
                status = Status.SUCCESS if node_id in succeed else Status.FAILURE
                session.add(
                    FlowRow(
                        id=f"{parent_id[:20]}-{number}", kind=parent.kind[:-6], subject=f"node:{node_id}", parent_id=parent_id,
                        params={"node_id": node_id}, status=status, wake_at=0.0, ended_at=utc_now(),
                    )
                )  # fmt: skip
            if end:
                parent.status, parent.ended_at = Status.SUCCESS, utc_now()

    api.bell.on_ring = lambda ids: threading.Timer(after, work, [ids]).start() if after else work(ids)


@pytest.mark.parametrize("kind", KINDS)
def test_a_bulk_action_answers_when_all_have_ended(api, kind):
    nodes = [api.node()["id"] for _ in range(3)]
    finish(api, succeed=nodes[::2], after=0.3)
    response = api.ask(
        "POST",
        f"/v1/nodes/actions/{kind}",
        {"node_ids": [nodes[1], nodes[2], nodes[1], nodes[0]]},
        role="member",
    )
    assert response.status_code == 200
    assert response.get_json() == {"success": [nodes[2], nodes[0]], "failed": [nodes[1]]}
    row = flow(api, response)
    assert (row.kind, row.subject, row.params) == (
        f"{kind}-nodes",
        None,
        {"node_ids": [nodes[1], nodes[2], nodes[0]]},
    )
    assert row.requested_by == "the member"


def test_what_has_not_ended_in_time_counts_as_failed(api):
    nodes = [api.node()["id"] for _ in range(2)]
    finish(api, succeed=nodes[:1], end=False)
    answer = api.post("/v1/nodes/actions/reset?wait=0", {"node_ids": nodes}, 200)
    assert answer == {"success": nodes[:1], "failed": nodes[1:]}
    answer = api.post("/v1/nodes/actions/reset?wait=1", {"node_ids": [api.node()["id"]]}, 200)
    assert answer["success"] == []


def test_unknown_nodes_are_all_named_and_nothing_is_started(api):
    node = api.node()["id"]
    message = api.post("/v1/nodes/actions/reset", {"node_ids": [node, 77, 2**31 - 1]}, 404)["error"][
        "message"
    ]
    assert "77, 2147483647" in message
    assert count_flows(api) == 0


@pytest.mark.parametrize(
    "node_ids", [[], None, 1, "1", ["1"], [1.5], [True], [0], [-1], [2**31], [10**30], [[1]], {"1": 1}]
)
def test_wrong_node_ids(api, node_ids):
    error = api.post("/v1/nodes/actions/reset", {"node_ids": node_ids}, 422)["error"]
    assert {name.split(".")[0] for name in error["errors"]} == {"node_ids"}


def test_limits_of_a_bulk_action(api):
    api.services.config.set_override("max_bulk_nodes", 2, group="api")
    nodes = [api.node()["id"] for _ in range(3)]
    assert "node_ids" in api.post("/v1/nodes/actions/reset", {"node_ids": nodes}, 422)["error"]["errors"]
    for wait in ("301", "-1", "x", "1.5", ""):
        assert (
            "wait"
            in api.post(f"/v1/nodes/actions/reset?wait={wait}", {"node_ids": nodes[:1]}, 422)["error"][
                "errors"
            ]
        )


@pytest.mark.parametrize("kind", KINDS)
def test_a_dry_run_of_a_bulk_action(api, kind):
    nodes = [api.powered_node(), api.node()["id"]]
    plan = api.post(f"/v1/nodes/actions/{kind}", {"node_ids": nodes, "dry_run": True}, 200)["plan"]
    assert plan["action"] == kind
    assert [(entry["node_id"], len(entry["controls"])) for entry in plan["nodes"]] == [
        (nodes[0], 1),
        (nodes[1], 0),
    ]
    assert count_flows(api) == 0


def test_only_a_power_off_of_many_may_be_soft(api):
    body = {"node_ids": [api.node()["id"]], "soft": True}
    row = flow(api, api.ask("POST", "/v1/nodes/actions/power-off?wait=0", body))
    assert (row.kind, row.params) == ("power-off-nodes", body)
    plan = api.post("/v1/nodes/actions/power-off", {**body, "dry_run": True}, 200)["plan"]
    assert plan["soft"] is True
    for kind in ("power-on", "reset"):
        error = api.post(f"/v1/nodes/actions/{kind}", body, 422)["error"]
        assert list(error["errors"]) == ["soft"]


def test_a_bulk_action_with_a_key_is_done_once(api):
    nodes = [api.node()["id"] for _ in range(2)]
    finish(api, succeed=nodes)
    key = {"Idempotency-Key": "4f0c-night"}
    answers = [
        api.ask("POST", "/v1/nodes/actions/power-on", {"node_ids": nodes}, headers=key) for _ in range(2)
    ]
    assert answers[0].headers["Location"] == answers[1].headers["Location"]
    assert count_flows(api) == 1 + len(nodes)
