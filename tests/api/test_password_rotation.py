"""Giving a power device another password: what is stored, what is refused, and what never comes out."""

import itertools

import pytest
from sqlalchemy import select, update

from cloudmanager.api.password_rotation import KINDS, LENGTH, generated
from cloudmanager.models import AuditRecord, FlowRow, IdempotencyKey, PowerControl, utc_now

OLD, NEW = "the old password", "north-Aisle-07"


@pytest.fixture
def control(api):
    return api.control(password=OLD, login="ADMIN")["id"]


def path(control):
    return f"/v1/power-controls/{control}/actions/rotate-password"


def stored(api, control):
    """The current and the pending password."""
    with api.database.reading() as session:
        row = session.get(PowerControl, control)
        return tuple(
            api.services.vault.open(each) for each in (row.sealed_password, row.sealed_pending_password)
        )


def end(api, task, status="FAILURE"):
    with api.database.transaction() as session:
        session.execute(update(FlowRow).where(FlowRow.id == task).values(ended_at=utc_now(), status=status))


def rotate(api, control, **body):
    return api.post(path(control), body or None, 202)["task_id"]


def test_it_is_a_task(api, control):
    response = api.ask("POST", path(control))
    assert response.status_code == 202
    task_id = response.get_json()["task_id"]
    assert response.headers["Location"] == f"/v1/tasks/{task_id}"
    assert api.bell.rung == [task_id]
    task = api.get(f"/v1/tasks/{task_id}")
    assert task["name"] == "rotate-password"
    assert task["subject"] == f"control:{control}"


def test_the_new_password_is_stored_beside_the_old_one(api, control):
    rotate(api, control, password=NEW)
    assert stored(api, control) == (OLD, NEW)


def test_a_generated_password_suits_devices(api, control):
    rotate(api, control)
    old, new = stored(api, control)
    assert old == OLD
    assert len(new) == LENGTH


def test_generated_passwords():
    seen = {generated() for _ in range(300)}
    assert len(seen) == 300
    for password in seen:
        assert len(password) == 16 == len(password.encode())
        assert password[0].isalpha()
        assert set(password) <= set("".join(KINDS))
        assert all(any(character in kind for character in password) for kind in KINDS)
        assert all(one != after for one, after in itertools.pairwise(password))


def test_only_an_administrator_may(api, control):
    for role in ("member", "reader"):
        assert api.ask("POST", path(control), role=role).status_code == 403
    assert stored(api, control) == (OLD, "")


def test_a_control_that_is_not_there(api):
    api.post(path(99), status=404)


def test_a_device_that_cannot(api):
    board = api.control(control_type="ET7067", protocol_type="modbus")["id"]
    error = api.post(path(board), status=409)["error"]
    assert "cannot change its password over the network" in error["message"]
    assert stored(api, board) == ("", "")


@pytest.mark.parametrize("password", ["", "x" * 21, "ю" * 11, None, 5, "a\0b"])
def test_a_password_that_the_device_cannot_have(api, control, password):
    response = api.ask("POST", path(control), {"password": password})
    assert response.status_code == 422
    assert "password" in response.get_json()["error"]["errors"]
    assert stored(api, control) == (OLD, "")
    assert api.bell.rung == []


def test_one_at_a_time(api, control):
    task = rotate(api, control, password=NEW)
    error = api.post(path(control), {"password": "another"}, 409)["error"]
    assert error["task_id"] == task
    assert stored(api, control) == (OLD, NEW)


def test_an_unfinished_rotation_is_finished_with_its_password(api, control):
    """The device may have it: it must not get lost."""
    end(api, rotate(api, control, password=NEW))
    error = api.post(path(control), {"password": "another"}, 409)["error"]
    assert "finish that one first" in error["message"]
    task = rotate(api, control)
    assert stored(api, control) == (OLD, NEW)
    with api.database.reading() as session:
        params = session.scalar(select(FlowRow.params).where(FlowRow.id == task))
    assert params == {"control_id": control, "resumes": True}


def test_a_control_stays_as_it_is_meanwhile(api, control):
    task = rotate(api, control)
    body = {"power_control": {"password": "by hand"}}
    assert api.put(f"/v1/power-controls/{control}", body, 409)["error"]["task_id"] == task
    assert api.delete(f"/v1/power-controls/{control}", 409)["error"]["task_id"] == task
    end(api, task)
    api.delete(f"/v1/power-controls/{control}")


def test_a_password_that_is_stored_by_hand_is_the_only_one(api, control):
    end(api, rotate(api, control, password=NEW))
    api.put(f"/v1/power-controls/{control}", {"power_control": {"title": "another"}})
    assert stored(api, control) == (OLD, NEW)
    api.put(f"/v1/power-controls/{control}", {"power_control": {"password": "by hand"}})
    assert stored(api, control) == ("by hand", "")


def test_no_secret_is_kept_anywhere_else(api, control, caplog):
    caplog.set_level(0)
    key = {"Idempotency-Key": "one"}
    first = api.ask("POST", path(control), {"password": NEW}, headers=key)
    again = api.ask("POST", path(control), {"password": NEW}, headers=key)
    other = api.ask("POST", path(control), {"password": f"{NEW}!"}, headers=key)
    assert (first.status_code, again.status_code, other.status_code) == (202, 202, 422)
    assert again.get_json() == first.get_json()
    api.ask("POST", path(control), {"password": NEW})
    with api.database.reading() as session:
        kept = [
            {name: value for name, value in vars(row).items() if name != "_sa_instance_state"}
            for table in (FlowRow, IdempotencyKey, AuditRecord, PowerControl)
            for row in session.scalars(select(table))
        ]
    assert len(kept) >= 4
    assert NEW not in repr(kept)
    assert NEW not in caplog.text
    assert NEW not in api.ask("GET", f"/v1/power-controls/{control}").text
    assert NEW not in api.ask("GET", f"/v1/tasks/{first.get_json()['task_id']}").text


MANY = "/v1/power-controls/actions/rotate-password"


def test_many_are_one_task_and_each_gets_its_own_password(api, control):
    other = api.control(password=OLD, login="ADMIN", title="other")["id"]
    task_id = api.post(MANY, {"ids": [control, other, control]}, 202)["task_id"]
    task = api.get(f"/v1/tasks/{task_id}")
    assert task["name"] == "rotate-passwords"
    new = [stored(api, each)[1] for each in (control, other)]
    assert all(new)
    assert new[0] != new[1]
    with api.database.reading() as session:
        params = session.scalars(select(FlowRow.params).where(FlowRow.id == task_id)).one()
    assert params == {"control_ids": [control, other], "resumes": []}


@pytest.mark.parametrize("wrong", ["unknown", "held", "cannot"])
def test_nothing_is_begun_when_one_of_many_cannot(api, control, wrong):
    if wrong == "held":
        other = api.control(password=OLD, login="ADMIN", title="other")["id"]
        rotate(api, other)
    elif wrong == "cannot":
        other = api.control(title="board", control_type="ET7067", protocol_type="modbus")["id"]
    else:
        other = 999
    response = api.ask("POST", MANY, {"ids": [control, other]})
    assert response.status_code == (404 if wrong == "unknown" else 409)
    assert stored(api, control) == (OLD, "")
