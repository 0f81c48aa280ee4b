"""Idempotency-Key: a POST that is sent again is answered again, and done once."""

import threading
import time
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.exc import OperationalError

from cloudmanager import idempotency
from cloudmanager.models import FlowRow, IdempotencyKey, Node, utc_now
from tests.api.test_resources import CONTROL, every

KEY = "5b0e4c55-9d2f"
NODE = {"node": {"name": "one"}}


def ask(api, path="/v1/nodes/", body=NODE, key=KEY, **options):
    return api.ask("POST", path, body, headers={"Idempotency-Key": key}, **options)


def same(first, second):
    assert second.status_code == first.status_code
    assert second.data == first.data
    for name in ("Location", "ETag", "Content-Type"):
        assert second.headers.get(name) == first.headers.get(name)
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"
    assert second.headers["X-Openstack-Request-Id"] != first.headers["X-Openstack-Request-Id"]


@every
def test_a_create_is_done_once(api, case):
    before = len(api.get(case.path)[case.plural])
    first = ask(api, case.path, {case.noun: case.create})
    assert first.status_code == 201
    same(first, ask(api, case.path.rstrip("/"), {case.noun: case.create}))
    assert len(api.get(case.path)[case.plural]) == before + 1


VM = "45bb8680-c070-4080-be45-ec4d2312eda8"
ACTIONS = [
    ("/v1/nodes/1/actions/power-on", None),
    ("/v1/nodes/1/actions/power-off", {"soft": True}),
    ("/v1/nodes/1/actions/reset", {}),
    ("/v1/nodes/1/actions/power-on", {"dry_run": True}),
    ("/v1/nodes/1/actions/reserve", {"is_reserved": True}),
    ("/v1/nodes/1/actions/assign-image", {"image_id": 1}),
    ("/v1/nodes/actions/reset?wait=0", {"node_ids": [1]}),
    ("/v1/power-controls/1/actions/power-on", {"coil": 1}),
    ("/v1/power-controls/1/actions/power-off", {"coil": 1}),
    ("/v1/power-controls/1/actions/rotate-password", None),
    ("/v1/power-controls/actions/rotate-password", {"ids": [1, 2]}),
    ("/v1/power-controls/1/actions/rotate-password", {"password": "s3cret-of-aisle"}),
    ("/v1/nodes/2/power-controls/", {"power_control_id": 2, "power_control_port": 1}),
    ("/v1/nodes/1/availability-storages/", {"availability_storages": [1]}),
    ("/v1/availability-storages/1/nodes/", {"nodes": [1, 2]}),
    ("/v1/nodes/", {"nodes": [{"name": "a"}, {"name": "b"}]}),
    ("/v1/hosts/r1n01/actions/evacuate", None),
    ("/v1/hosts/r1n01/actions/shutdown", {"allow_off_vm": True}),
    ("/v1/hosts/r1n01/actions/decommission", {"dry_run": True}),
    ("/v1/hosts/actions/restart", {"hosts": ["r1n01"]}),
    ("/v1/hosts/r1n01/actions/cordon", {"reason": "disk"}),
    ("/v1/hosts/r1n01/actions/uncordon", None),
    (f"/v1/servers/{VM}/actions/balance", None),
    (f"/v1/servers/{VM}/actions/repair", {"fenced": True}),
    (f"/v1/servers/{VM}/actions/recover", None),
    (f"/v1/servers/{VM}/actions/reset-reboot", {"reboot": True}),
    (f"/v1/servers/{VM}/actions/wakeup", {"dry_run": True}),
    (f"/v1/servers/{VM}/actions/clone", {"count": 2}),
    ("/v1/tasks/$task/actions/cancel", None),
]
every_action = pytest.mark.parametrize(("path", "body"), ACTIONS, ids=str)


@pytest.fixture
def busy(api, nova):
    """A powered node, a bare one, a free control, a storage, an open task on a third node; and a server."""
    nova.add_server(VM, "r1n01")
    api.powered_node()
    api.node()
    api.control(title="free")
    storage = {"name": "s", "compute_path": "/a", "controller_path": "/b"}
    api.post("/v1/availability-storages/", {"availability_storage": storage})
    third = api.powered_node()
    location = api.ask("POST", f"/v1/nodes/{third}/actions/power-on").headers["Location"]
    api.task = location.removeprefix("/v1/tasks/")
    return api


def effects(api):
    with api.database.reading() as session:
        counted = [session.scalar(select(func.count()).select_from(table)) for table in (Node, FlowRow)]
    return counted, len(api.bell.rung)


@every_action
def test_an_action_is_done_once(busy, path, body):
    path = path.replace("$task", busy.task)
    first = ask(busy, path, body)
    assert first.status_code < 300, first.text
    after = effects(busy)
    same(first, ask(busy, path, body))
    assert effects(busy) == after


@every_action
def test_a_crash_after_the_effect_loses_no_answer(busy, path, body, monkeypatch):
    """The answer is there when the process dies between the commit and the last write of the answer."""
    path = path.replace("$task", busy.task)
    kept = []
    keep = idempotency.keep

    def die_the_second_time(session, *args):
        kept.append(args)
        if len(kept) > 1:
            raise KeyboardInterrupt
        keep(session, *args)

    monkeypatch.setattr(idempotency, "keep", die_the_second_time)
    try:
        first = ask(busy, path, body)
    except KeyboardInterrupt:
        first = None
    monkeypatch.undo()
    after = effects(busy)
    with busy.database.transaction() as session:
        session.execute(update(IdempotencyKey).values(claimed_until=0.0))
    again = ask(busy, path, body)
    assert again.status_code < 300
    assert again.headers["Idempotency-Replayed"] == "true"
    assert effects(busy) == after
    if first is not None:
        assert again.data == first.data


def test_a_crash_before_the_effect_leaves_the_key_to_the_next(api, monkeypatch):
    def die(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(idempotency, "keep", die)
    with pytest.raises(KeyboardInterrupt):
        ask(api)
    monkeypatch.undo()
    assert api.get("/v1/nodes/count") == {"count": 0}
    assert ask(api).status_code == 409
    with api.database.transaction() as session:
        session.execute(update(IdempotencyKey).values(claimed_until=time.time() - 1))
    assert ask(api).status_code == 201


def test_who_lost_the_claim_changes_nothing(api, monkeypatch):
    keep = idempotency.keep

    def too_late(session, claim, *args):
        taken = update(IdempotencyKey).values(claim="another")
        session.execute(taken)
        keep(session, claim, *args)

    monkeypatch.setattr(idempotency, "keep", too_late)
    assert ask(api).status_code == 409
    assert api.get("/v1/nodes/count") == {"count": 0}


def test_another_request_with_the_key_is_422(api):
    ask(api)
    for path, body in (
        ("/v1/nodes/", {"node": {"name": "two"}}),
        ("/v1/nodes/1/actions/reserve", {"is_reserved": True}),
        ("/v1/nodes/1/actions/power-on", None),
    ):
        response = ask(api, path, body)
        assert response.status_code == 422
        assert list(response.get_json()["error"]["errors"]) == ["Idempotency-Key"]
    plain = ask(api, "/v1/nodes/actions/reset?wait=0", {"node_ids": [1]}, key="other")
    assert plain.status_code == 200
    assert ask(api, "/v1/nodes/actions/reset?wait=1", {"node_ids": [1]}, key="other").status_code == 422


def test_what_is_in_flight_is_409(api):
    api.node()
    answers = []

    def at_work(_ids):
        answers.append(ask(api, "/v1/nodes/actions/reset?wait=0", {"node_ids": [1]}).status_code)

    api.bell.on_ring = at_work
    first = ask(api, "/v1/nodes/actions/reset?wait=0", {"node_ids": [1]})
    assert (first.status_code, answers) == (200, [409])
    same(first, ask(api, "/v1/nodes/actions/reset?wait=0", {"node_ids": [1]}))


@pytest.mark.both_databases
def test_of_requests_at_once_one_is_done(api):
    gate = threading.Barrier(4)
    answers = []

    def send():
        gate.wait()
        answers.append(ask(api, body={"node": {}}).status_code)

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(answers) <= {201, 409}
    assert 201 in answers
    assert api.get("/v1/nodes/count") == {"count": 1}


@pytest.mark.parametrize("body", [{"node": {"name": " "}}, {"node": {"name": "taken"}}], ids=str)
def test_what_was_refused_may_be_sent_again(api, body):
    made = api.node(name="taken")
    assert ask(api, body=body).status_code in (409, 422)
    api.delete(f"/v1/nodes/{made['id']}")
    assert ask(api, body=NODE if body["node"]["name"] == " " else body).status_code == 201


def test_keys_belong_to_their_caller(api):
    api.node()
    body = {"is_reserved": True}
    assert ask(api, "/v1/nodes/1/actions/reserve", body, role="member").status_code == 204
    other = ask(api, "/v1/nodes/1/actions/reserve", body)
    assert "Idempotency-Replayed" not in other.headers


def test_who_may_not_is_told_so_every_time(api):
    assert ask(api, role="reader").status_code == 403
    assert ask(api, role="nobody").status_code == 401
    with api.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(IdempotencyKey)) == 0


@pytest.mark.parametrize("key", ["", "x" * 256, "a b", "\u00e9", "a\tb"])
def test_wrong_keys(api, key):
    assert ask(api, key=key).status_code == 422


def test_a_body_over_the_limit_is_413(api):
    response = api.ask("POST", "/v1/nodes/", data=b" " * 8_388_609, headers={"Idempotency-Key": KEY})
    assert response.status_code == 413


def test_other_methods_take_no_notice(api):
    api.node()
    for _ in range(2):
        response = api.ask("PUT", "/v1/nodes/1", {"node": {}}, headers={"Idempotency-Key": KEY})
        assert (response.status_code, response.headers.get("Idempotency-Replayed")) == (200, None)


def test_keys_expire_and_are_pruned(api):
    first = ask(api)
    with api.database.transaction() as session:
        session.execute(update(IdempotencyKey).values(created_at=utc_now() - timedelta(hours=25)))
    assert ask(api).status_code == 409  # done anew, and the name is taken
    api.delete(first.headers["Location"])
    again = ask(api)
    assert (again.status_code, again.headers.get("Idempotency-Replayed")) == (201, None)
    idempotency.prune(api.database, utc_now() - timedelta(hours=1))
    same(again, ask(api))
    idempotency.prune(api.database, utc_now() + timedelta(seconds=1))
    assert ask(api).status_code == 409


def test_nothing_that_is_kept_tells_a_password(api):
    body = {"power_control": {**CONTROL, "password": "hunter2"}}
    ask(api, "/v1/power-controls/", body)
    with api.database.reading() as session:
        row = session.scalars(select(IdempotencyKey)).one()
        assert "hunter2" not in str(vars(row))


def test_a_failure_to_give_the_key_back_hides_nothing(api, monkeypatch):
    def away(*_):
        raise OperationalError("", {}, Exception())

    monkeypatch.setattr(idempotency, "release", away)
    api.node(name="one")
    assert ask(api).status_code == 409
    assert "name" in ask(api, key="another").get_json()["error"]["message"]
