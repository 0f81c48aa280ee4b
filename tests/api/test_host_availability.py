"""The availability of a host through the API: the evidence, the gates, and that nothing is done."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from cloudmanager.models import FlowRow, TrackedHost

OUTCOMES = {"passed", "waiting", "refused"}


def availability(api, host="r1n02", role="reader"):
    return api.get(f"/v1/hosts/{host}/availability", role=role)["availability"]


def check(api, host="r1n02"):
    return api.post(f"/v1/hosts/{host}/actions/check-availability", status=200, role="member")["availability"]


@pytest.fixture
def storage(api, tmp_path):
    """A storage in which r1n01 and r1n02 show that they live."""
    body = {"name": "beats", "compute_path": "/beats", "controller_path": str(tmp_path)}
    storage = api.post("/v1/availability-storages/", {"availability_storage": body})["availability_storage"]
    nodes = [api.node(name=name)["id"] for name in ("r1n01", "r1n02")]
    api.post(f"/v1/availability-storages/{storage['id']}/nodes/", {"nodes": nodes}, status=204)
    return tmp_path


def beat(storage, host):
    written_at = datetime.now(UTC).isoformat()
    instances = [{"uuid": "a", "state": "running"}]
    document = {"host": host, "written_at": written_at, "boot_id": "b1", "instances": instances}
    (storage / f"{host}.json").write_text(json.dumps(document))


def test_a_host_that_is_up(api, nova):
    found = availability(api, "r1n01")
    assert (found["state"], found["up"], found["alarm"]) == ("up", True, None)
    assert found["gates"] == [{"gate": "nova_says_down", "outcome": "refused", "reason": "it is up"}]
    assert found["reported_at"] == "2023-11-14T22:13:20"


def test_a_host_that_is_down_shows_every_gate_and_what_is_next(api, nova):
    found = availability(api)
    gates = {row["gate"]: row["outcome"] for row in found["gates"]}
    assert found["state"] == "counting"
    assert (gates["nova_says_down"], gates["seen_down_often"], gates["few_are_down"]) == (
        "passed",
        "waiting",
        "refused",
    )
    assert set(gates.values()) <= OUTCOMES
    assert "seen down 0 of 3" in found["next"]
    assert found["mode"] == "True"


def test_what_was_counted_and_decided_is_shown(api, nova):
    task = api.ask("POST", "/v1/hosts/r1n02/actions/evacuate", role="admin").json["task_id"]
    with api.database.transaction() as session:
        session.add(
            TrackedHost(
                host="r1n02",
                state="explained",
                seen_at=0,
                down_since=1_700_000_000.5,
                down_count=3,
                decision_id=task,
                decided_at=1_700_000_090.0,
            )
        )
    found = availability(api)
    assert (found["down_count"], found["down_since"]) == (3, "2023-11-14T22:13:20")
    assert found["decision"] == {"task_id": task, "made_at": "2023-11-14T22:14:50", "outcome": "open"}
    assert found["state"] == "explained"


def test_a_check_reads_the_storages_now(api, nova, storage):
    assert check(api)["storages"][0]["sign"] == "unreadable"
    beat(storage, "r1n02")
    found = check(api)
    [evidence] = found["storages"]
    assert (evidence["name"], evidence["sign"], evidence["running_servers"], evidence["boot_id"]) == (
        "beats",
        "fresh",
        1,
        "b1",
    )
    assert found["expected_servers"] == 0
    assert availability(api)["storages"] == []


def test_a_check_changes_nothing(api, nova, storage):
    check(api)
    assert nova.asked == []
    with api.database.reading() as session:
        assert session.scalars(select(FlowRow)).all() == []
        assert session.scalars(select(TrackedHost)).all() == []


def test_who_may_check(api, nova):
    path = "/v1/hosts/r1n01/actions/check-availability"
    assert api.ask("POST", path, role="reader").status_code == 403
    assert api.ask("POST", path, role="member").status_code == 200


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "availability"), ("POST", "actions/check-availability")], ids=str
)
def test_unknown_hosts_and_absent_clouds(api, nova, method, path):
    assert api.ask(method, f"/v1/hosts/nowhere/{path}", role="admin").status_code == 404


def test_without_openstack_the_way_out_is_told(api):
    assert api.ask("GET", "/v1/hosts/r1n01/availability", role="admin").status_code == 501
