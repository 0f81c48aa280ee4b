"""Tasks: listing, showing, cancelling."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from cloudmanager.api.tasks import steps
from cloudmanager.flows import FLOWS, start
from cloudmanager.models import FlowEvent, FlowRow, Status, utc_now


def open_flow(api, kind="reset", subject=None, **params):
    with api.database.transaction() as session:
        return start(
            session, kind, subject=subject, params=params, requested_by="someone", request_id="req-1"
        )


def change(api, task, **values):
    with api.database.transaction() as session:
        session.execute(update(FlowRow).where(FlowRow.id == task).values(**values))


def end(api, task, status, **values):
    change(api, task, status=status, ended_at=utc_now(), **values)


def test_ids_newest_first(api):
    tasks = [open_flow(api) for _ in range(3)]
    assert api.get("/v1/tasks/") == {"tasks": tasks[::-1]}
    assert api.get("/v1/tasks") == {"tasks": tasks[::-1]}


def test_a_hundred_unless_told_otherwise(api):
    tasks = [open_flow(api) for _ in range(103)][::-1]
    response = api.ask("GET", "/v1/tasks/")
    assert response.get_json()["tasks"] == tasks[:100]
    following = response.headers["Link"].split(">")[0].removeprefix("<")
    assert api.get(following)["tasks"] == tasks[100:]
    assert api.get("/v1/tasks/?limit=2&offset=1")["tasks"] == tasks[1:3]


def test_filters(api):
    node = api.node(name="host.example.org")["id"]
    child = open_flow(api, "power-on", f"node:{node}", node_id=node)
    other = open_flow(api, "reset", "coil:1:1")
    end(api, other, Status.FAILURE)
    parent = open_flow(api, "reset-nodes")
    change(api, child, parent_id=parent)

    def found(query):
        return api.get(f"/v1/tasks/?{query}")["tasks"]

    assert found("status=FAILURE") == [other]
    assert found("status=in:PENDING,STARTED") == [parent, child]
    assert found("name=power-on") == [child]
    assert found("host=host.example.org") == [child]
    assert found(f"host=node:{node}") == [child]
    assert found("host=eq:coil:1:1") == [other]
    assert found("host=nobody") == []
    assert found("parent_id=null:true") == [parent, other]
    assert found(f"parent_id={parent}") == [child]
    assert found("sort=created_at") == [child, other, parent]
    for wrong in (
        "colour=red",
        "detail=maybe",
        "detail=true&detail=true",
        "host=%00",
        "limit=x",
        "created_at=x",
    ):
        assert list(api.get(f"/v1/tasks/?{wrong}", 422)["error"]["errors"]) == [wrong.split("=")[0]]


def test_objects_with_detail_in_a_constant_number_of_queries(api, count_queries):
    open_flow(api)
    api.get("/v1/tasks/?detail=true")
    few = count_queries(lambda: api.get("/v1/tasks/?detail=true"))
    task = [open_flow(api) for _ in range(9)][-1]
    assert count_queries(lambda: api.get("/v1/tasks/?detail=true")) == few
    shown = api.get("/v1/tasks/?detail=true&limit=1")["tasks"][0]
    whole = api.get(f"/v1/tasks/{task}")
    assert shown == {name: value for name, value in whole.items() if name not in ("steps", "children")}
    assert api.get("/v1/tasks/?detail=false&limit=1")["tasks"] == [task]


def test_a_new_task(api):
    task = open_flow(api, "reset", "node:5")
    shown = api.get(f"/v1/tasks/{task}", role="reader")
    assert shown.pop("created_at")
    assert shown == {
        "id": task,
        "status": "PENDING",
        "name": "reset",
        "subject": "node:5",
        "result": None,
        "traceback": None,
        "error": None,
        "message": None,
        "progress": {"done": 0, "total": len(FLOWS["reset"].steps)},
        "steps": [],
        "children": [],
        "parent_id": None,
        "requested_by": "someone",
        "request_id": "req-1",
        "cancel_requested": False,
        "started_at": None,
        "ended_at": None,
    }


def test_progress(api):
    total = len(FLOWS["reset"].steps)
    task = open_flow(api)
    progress = lambda: api.get(f"/v1/tasks/{task}")["progress"]  # noqa: E731
    change(api, task, step=3, status=Status.STARTED)
    assert progress() == {"done": 3, "total": total}
    end(api, task, Status.FAILURE, step=0, undoing_to=Status.FAILURE)
    with api.database.transaction() as session:
        for step in ("look", "look", "choose way"):
            session.add(FlowEvent(flow_id=task, step=step, outcome="done"))
        session.add(FlowEvent(flow_id=task, step="send reset", outcome="FAILURE"))
    assert progress() == {"done": 2, "total": total}
    end(api, task, Status.SUCCESS, step=total, undoing_to=None)
    assert progress() == {"done": total, "total": total}


def test_progress_of_a_task_with_others_below_it(api):
    parent = open_flow(api, "reset-nodes")
    children = [open_flow(api, "reset", f"node:{number}") for number in range(3)]
    for child in children:
        change(api, child, parent_id=parent)
    end(api, children[1], Status.SUCCESS)
    shown = api.get(f"/v1/tasks/{parent}")
    assert shown["progress"] == {"done": 1, "total": 3}
    assert shown["children"] == children
    assert api.get(f"/v1/tasks/{children[0]}")["parent_id"] == parent


def test_a_failed_task_tells_why_in_words(api):
    task = open_flow(api)
    end(api, task, Status.FAILURE, error="the device is dead", result={"x": 1})
    shown = api.get(f"/v1/tasks/{task}")
    assert (shown["status"], shown["traceback"], shown["error"]) == (
        "FAILURE",
        "the device is dead",
        "the device is dead",
    )
    assert shown["result"] == {"x": 1}


def test_the_history(api):
    task = open_flow(api)
    begun = utc_now()
    change(api, task, started_at=begun)
    lines = [
        ("look", "node:1", "done", "on"),
        ("confirm", "node:1", "wait", "waiting"),
        ("confirm", "node:1", "SUCCESS", "on"),
    ]
    with api.database.transaction() as session:
        for seconds, (step, target, outcome, message) in enumerate(lines, start=1):
            session.add(
                FlowEvent(
                    flow_id=task,
                    step=step,
                    target=target,
                    outcome=outcome,
                    message=message,
                    time=begun + timedelta(seconds=seconds),
                )
            )
            session.flush()
    look, confirm = api.get(f"/v1/tasks/{task}")["steps"]
    at = lambda seconds: (begun + timedelta(seconds=seconds)).isoformat()  # noqa: E731
    assert look == {
        "name": "look",
        "target": "node:1",
        "status": "done",
        "message": "on",
        "started_at": at(0),
        "ended_at": at(1),
    }
    assert confirm == {
        "name": "confirm",
        "target": "node:1",
        "status": "SUCCESS",
        "message": "on",
        "started_at": at(1),
        "ended_at": at(3),
    }


def test_a_step_that_goes_on_has_no_end():
    event = FlowEvent(flow_id="x", step="confirm", target=None, outcome="retry", message="m", time=utc_now())
    [step] = steps([event], None)
    assert (step["started_at"], step["ended_at"]) == (event.time, None)


@pytest.mark.parametrize(
    "task", ["256e60f6-f948-4bdc-9cc7-1fcdf6d5c5cc", "not-a-uuid", "1", "%00", "x" * 300]
)
def test_unknown_tasks(api, task):
    api.get(f"/v1/tasks/{task}", 404)
    api.post(f"/v1/tasks/{task}/actions/cancel", status=404)


def test_cancel(api):
    parent = open_flow(api, "reset-nodes")
    children = [open_flow(api, "reset", f"node:{number}") for number in range(2)]
    for child in children:
        change(api, child, parent_id=parent)
    end(api, children[0], Status.SUCCESS)
    api.bell.rung.clear()
    response = api.ask("POST", f"/v1/tasks/{parent}/actions/cancel", role="member")
    assert (response.status_code, response.data) == (202, b"")
    assert response.headers["Location"] == f"/v1/tasks/{parent}"
    assert api.bell.rung == [parent, children[1]]
    with api.database.reading() as session:
        asked = session.scalars(select(FlowRow.id).where(FlowRow.cancel_requested)).all()
    assert set(asked) == {parent, children[1]}
    assert api.get(f"/v1/tasks/{parent}")["cancel_requested"] is True


def test_an_ended_task_cannot_be_cancelled(api):
    task = open_flow(api)
    end(api, task, Status.SUCCESS)
    api.bell.rung.clear()
    assert "ended" in api.post(f"/v1/tasks/{task}/actions/cancel", status=409)["error"]["message"]
    assert api.bell.rung == []
    api.post(f"/v1/tasks/{task}/actions/cancel", status=403, role="reader")
