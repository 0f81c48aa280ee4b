"""Maintenance windows: what bodies may say, what answers tell, and opening one by hand."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, select, update

from cloudmanager.api.services import attach
from cloudmanager.blocking import Blocking
from cloudmanager.errors import InvalidInput, Unavailable
from cloudmanager.flows.maintenance.openings import open_due
from cloudmanager.models import FlowRow, MaintenanceRun, utc_now
from cloudmanager.openstack.records import Aggregate
from cloudmanager.prometheus import Prometheus
from tests.flows.fake_cloud import FakeCloud
from tests.flows.world import Line, Machine, VirtualClock

PATH = "/v1/maintenance-windows/"
WEEKLY = {"cron": "0 22 * * SAT", "time_zone": "Europe/Berlin"}
WINDOW = {
    "name": "weekly",
    "action": "restart",
    "hosts": {"node_classes": ["hypervisor"]},
    "schedule": WEEKLY,
    "length": 3600,
}


def create(api, status=201, **values):
    answer = api.post(PATH, {"maintenance_window": {**WINDOW, **values}}, status)
    return answer["maintenance_window"] if status == 201 else answer["error"]


def change(api, status=200, key=1, **values):
    answer = api.put(f"{PATH}{key}", {"maintenance_window": values}, status)
    return answer["maintenance_window"] if status == 200 else answer["error"]


@pytest.fixture
def cloudy(api, application):
    """The API with a cloud of two hosts."""
    clock = VirtualClock()
    nova = FakeCloud(Line(), clock)
    for name in ("h1", "h2"):
        nova.add_host(name, Machine(clock))
    nova.add_server("s1", "h1")
    nova.host_aggregates = [Aggregate(5, "gpu", None, frozenset({"h2"}))]
    attach(application, replace(api.services, cloud=Blocking("cloud", lambda: nova)))
    return api


@pytest.fixture
def alerts(api, monkeypatch):
    """What Prometheus answers."""
    api.services.config.set_override("url", "http://prometheus.example", group="prometheus")
    said = {"found": [], "error": None}

    async def found_by(_self, _query):
        if said["error"]:
            raise said["error"]
        return said["found"]

    monkeypatch.setattr(Prometheus, "found_by", found_by)
    return said


@pytest.mark.both_databases
def test_a_new_window_has_its_defaults(api):
    window = create(api)
    opens = datetime.fromisoformat(window["next_opens_at"])
    assert window == {
        "id": 1,
        "name": "weekly",
        "enabled": True,
        "action": "restart",
        "parameters": {},
        "hosts": {"node_classes": ["hypervisor"]},
        "schedule": WEEKLY,
        "length": 3600,
        "batch": 1,
        "stop_after_failures": 1,
        "blockers": [],
        "created_at": window["created_at"],
        "updated_at": None,
        "next_opens_at": window["next_opens_at"],
        "next_closes_at": (opens + timedelta(hours=1)).isoformat(),
        "task_id": None,
    }
    assert opens.weekday() == 5
    assert opens.hour in (20, 21), "ten in the evening in Berlin"
    assert api.get(f"{PATH}1")["maintenance_window"] == window
    assert api.get(PATH)["maintenance_windows"] == [window]
    assert api.get(f"{PATH}count?action=restart") == {"count": 1}
    assert api.get(f"{PATH}?enabled=false")["maintenance_windows"] == []


def test_everything_can_be_changed(api, alerts):
    create(api)
    new = {
        "name": "monthly",
        "enabled": False,
        "action": "decommission",
        "parameters": {"power_off": True, "allow_off_vm": True, "policy": "cold"},
        "hosts": {"racks": [{"dtc_number": 1, "rack_number": 7}]},
        "schedule": {"starts_at": "2099-01-01T00:00:00"},
        "length": 7200,
        "batch": 3,
        "stop_after_failures": 2,
        "blockers": [{"prometheus": {"query": "ALERTS"}}, {"tasks": ["evacuate-host"]}],
    }
    changed = change(api, **new)
    assert {key: changed[key] for key in new} == new
    assert (changed["next_opens_at"], changed["next_closes_at"]) == (None, None), "it is disabled"
    enabled = change(api, enabled=True)
    assert (enabled["next_opens_at"], enabled["next_closes_at"]) == (
        "2099-01-01T00:00:00",
        "2099-01-01T02:00:00",
    )
    assert {key: enabled[key] for key in new if key != "enabled"} == {
        key: new[key] for key in new if key != "enabled"
    }


def test_the_time_zone_is_utc_unless_it_is_said(api):
    assert create(api, schedule={"cron": "0 1 * * *"})["schedule"] == {
        "cron": "0 1 * * *",
        "time_zone": "UTC",
    }


def test_names_are_unique(api):
    create(api)
    assert "their names are unique" in create(api, 409)["message"]


NEVER = {"cron": "0 0 31 2 *"}
GONE = {"starts_at": "2020-01-01T00:00:00"}


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"action": "explode"}, "action"),
        ({"hosts": {}}, "hosts._schema"),
        ({"hosts": {"names": []}}, "hosts.names"),
        ({"hosts": {"node_classes": ["nothing"]}}, "hosts.node_classes.0"),
        ({"hosts": {"node_classes": [1, 77]}}, "hosts.node_classes.1"),
        ({"hosts": {"racks": [{}]}}, "hosts.racks.0._schema"),
        ({"hosts": {"racks": [{"rack_number": 100}]}}, "hosts.racks.0.rack_number"),
        ({"hosts": {"aggregates": [True]}}, "hosts.aggregates.0"),
        ({"schedule": {}}, "schedule.cron"),
        ({"schedule": {"cron": "0 0 * * *", "starts_at": "2099-01-01T00:00:00"}}, "schedule.cron"),
        ({"schedule": {"cron": "0 0 * *"}}, "schedule.cron"),
        ({"schedule": {"cron": "0 0 0 * * *"}}, "schedule.cron"),
        ({"schedule": {"cron": "60 0 * * *"}}, "schedule.cron"),
        ({"schedule": {"cron": "0 0 * * MON#1/2"}}, "schedule.cron"),
        ({"schedule": NEVER}, "schedule.cron"),
        ({"schedule": {"cron": "0 0 * * *", "time_zone": "Mars/Phobos"}}, "schedule.time_zone"),
        ({"schedule": {"cron": "0 0 * * *", "time_zone": "../etc/passwd"}}, "schedule.time_zone"),
        ({"schedule": {"starts_at": "2099-01-01T00:00:00", "time_zone": "UTC"}}, "schedule.time_zone"),
        ({"schedule": {"starts_at": "2099-02-30T00:00:00"}}, "schedule.starts_at"),
        ({"schedule": {"starts_at": "tomorrow"}}, "schedule.starts_at"),
        ({"schedule": GONE}, "schedule.starts_at"),
        ({"schedule": {"cron": "*/30 * * * *"}}, "length"),
        ({"length": 59}, "length"),
        ({"length": 7 * 24 * 3600 + 1}, "length"),
        ({"batch": 0}, "batch"),
        ({"stop_after_failures": 0}, "stop_after_failures"),
        ({"parameters": {"explode": True}}, "parameters.explode"),
        ({"parameters": {"power_off": True}}, "parameters.power_off"),
        ({"parameters": {"fenced": True}}, "parameters.fenced"),
        ({"parameters": {"dry_run": True}}, "parameters.dry_run"),
        ({"parameters": {"policy": "pray"}}, "parameters.policy"),
        ({"blockers": [{}]}, "blockers.0.prometheus"),
        ({"blockers": [{"tasks": ["dance"]}]}, "blockers.0.tasks.0"),
        ({"blockers": [{"tasks": []}]}, "blockers.0.tasks"),
        ({"blockers": [{"prometheus": {"query": ""}}]}, "blockers.0.prometheus.query"),
        ({"blockers": [{"prometheus": {"query": "up"}, "tasks": ["reset"]}]}, "blockers.0.prometheus"),
        ({"name": " "}, "name"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_named(api, values, field):
    assert field in create(api, 422, **values)["errors"]
    create(api)
    assert field in change(api, 422, **values)["errors"]
    assert len(api.get(PATH)["maintenance_windows"]) == 1


def test_a_change_is_judged_with_what_stays(api):
    create(api, action="decommission", parameters={"power_off": True})
    assert "parameters.power_off" in change(api, 422, action="restart")["errors"]
    change(api, action="restart", parameters={})
    assert "length" in change(api, 422, schedule={"cron": "30 * * * *"}, length=3601)["errors"]
    change(api, schedule={"cron": "30 * * * *"})
    assert "length" in change(api, 422, length=3601)["errors"]


def test_a_window_of_the_past_can_still_be_renamed(api):
    begins = (datetime.now(UTC) - timedelta(seconds=30)).replace(tzinfo=None, microsecond=0).isoformat()
    window = create(api, schedule={"starts_at": begins})
    assert window["next_opens_at"] == begins, "it is open"
    with api.database.transaction() as session:
        session.execute(update(_table()).values(schedule=GONE))
    assert change(api, name="past")["next_opens_at"] is None
    assert "schedule.starts_at" in change(api, 422, length=7200)["errors"]


def _table():
    from cloudmanager.models import MaintenanceWindow

    return MaintenanceWindow


def test_names_that_the_cloud_does_not_know(cloudy):
    error = create(cloudy, 422, hosts={"names": ["h1", "h9"]})
    assert list(error["errors"]) == ["hosts.names.1"]
    error = create(cloudy, 422, hosts={"aggregates": ["gpu", 5, "cpu", 6]})
    assert "there is no aggregate cpu, 6" in error["message"]
    create(cloudy, hosts={"names": ["h1"], "aggregates": ["gpu", 5]})


def test_without_a_cloud_names_are_taken_as_they_are(api):
    create(api, hosts={"names": ["h9"]})


def test_queries_are_tried(api, alerts):
    blockers = [{"tasks": ["reset"]}, {"prometheus": {"query": "up{"}}]
    alerts["error"] = InvalidInput("parse error", {"query": ["parse error"]})
    error = create(api, 422, blockers=blockers)
    assert error["errors"] == {"blockers.1.prometheus.query": ["parse error"]}
    alerts["error"] = Unavailable("silence")
    create(api, blockers=blockers)


def test_a_query_needs_somebody_to_ask(api):
    error = create(api, 422, blockers=[{"prometheus": {"query": "up"}}])
    assert "[prometheus] url" in error["message"]


def test_who_may_open_a_window(api):
    create(api)
    for role in ("reader", "member"):
        api.get(f"{PATH}1/runs/", role=role)
        api.post(f"{PATH}1/actions/run", {}, 403, role=role)


def test_nobody_overwrites_what_he_has_not_seen(api):
    create(api)
    tag = api.ask("GET", f"{PATH}1").headers["ETag"]
    body = {"maintenance_window": {"batch": 2}}
    headers = {"If-Match": tag}
    api.put(f"{PATH}1", body, headers=headers)
    api.put(f"{PATH}1", body, 412, headers=headers)
    api.delete(f"{PATH}1", 412, headers=headers)


def test_sent_again_with_its_key_it_is_made_once(api):
    body = {"maintenance_window": WINDOW}
    first, second = (api.ask("POST", PATH, body, headers={"Idempotency-Key": "k"}) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 201)
    assert second.headers["Idempotency-Replayed"] == "true"
    assert api.get(f"{PATH}count") == {"count": 1}


# --- opening ---------------------------------------------------------------------------------------------


@pytest.mark.both_databases
def test_run_now(api):
    create(api, enabled=False)
    task_id = api.post(f"{PATH}1/actions/run", {}, 202)["task_id"]
    assert api.bell.rung == [task_id]
    assert api.get(f"{PATH}1")["maintenance_window"]["task_id"] == task_id
    task = api.get(f"/v1/tasks/{task_id}")
    assert (task["name"], task["subject"], task["requested_by"]) == (
        "maintenance-window",
        "window:1",
        "the admin",
    )
    (run,) = api.get(f"{PATH}1/runs/")["runs"]
    assert (run["task_id"], run["status"], run["ended_at"], run["hosts"]) == (task_id, "PENDING", None, [])
    length = datetime.fromisoformat(run["closes_at"]) - datetime.fromisoformat(run["opens_at"])
    assert length == timedelta(hours=1)
    error = api.post(f"{PATH}1/actions/run", {}, 409)["error"]
    assert error["task_id"] == task_id
    assert len(api.get(f"{PATH}1/runs/")["runs"]) == 1


def test_a_window_stays_while_it_is_worked_for(api):
    create(api)
    task_id = api.post(f"{PATH}1/actions/run", {}, 202)["task_id"]
    assert api.delete(f"{PATH}1", 409)["error"]["task_id"] == task_id
    with api.database.transaction() as session:
        session.execute(update(FlowRow).values(ended_at=utc_now()))
    api.delete(f"{PATH}1")
    with api.database.reading() as session:
        assert session.scalars(select(MaintenanceRun)).all() == [], "its history goes with it"


def test_the_plan_of_a_window(cloudy, alerts):
    create(cloudy, hosts={"names": ["h1", "h2"]}, batch=2, blockers=[{"prometheus": {"query": "up"}}])
    alerts["found"] = ["an alert"]
    with cloudy.database.transaction() as session:
        session.execute(update(_table()).values(hosts={"names": ["h1", "h2", "h9"]}))
    plan = cloudy.post(f"{PATH}1/actions/run", {"dry_run": True}, 200)["plan"]
    assert [host["host"] for host in plan.pop("hosts")] == ["h1", "h2"]
    assert plan == {
        "action": "restart",
        "at_a_time": 1,
        "blocked": "Prometheus has an alert",
        "unknown_hosts": ["h9"],
        "aggregates": [],
    }
    assert cloudy.get(f"{PATH}1/runs/")["runs"] == []
    assert cloudy.bell.rung == []


def test_a_plan_needs_the_cloud(api):
    create(api)
    api.post(f"{PATH}1/actions/run", {"dry_run": True}, 501)


def test_unknown_windows(api):
    api.post(f"{PATH}7/actions/run", {}, 404)
    api.post(f"{PATH}7/actions/run", {"dry_run": True}, 404)
    api.get(f"{PATH}7/runs/", 404)
    api.put(f"{PATH}7", {"maintenance_window": {"batch": 2}}, 404)


def test_what_the_scheduler_opens(api):
    """From a window that was written to the flow that works for it."""
    begins = datetime.fromtimestamp(time.time() - 5, UTC).replace(tzinfo=None, microsecond=0).isoformat()
    create(api, schedule={"starts_at": begins})
    (task_id,) = open_due(api.database, time.time(), api.bell.ring)
    assert api.bell.rung == [task_id]
    task = api.get(f"/v1/tasks/{task_id}")
    assert task["requested_by"] == "maintenance window weekly"
    (run,) = api.get(f"{PATH}1/runs/?status=PENDING")["runs"]
    assert (run["opens_at"], run["task_id"]) == (begins, task_id)
    assert api.get(f"{PATH}1/runs/{run['id']}")["run"] == run
    assert api.get(f"{PATH}1/runs/count") == {"count": 1}


def test_runs_of_others_are_not_shown(api):
    create(api)
    create(api, name="second")
    values = {"window_id": 2, "opens_at": utc_now(), "closes_at": utc_now(), "status": "SUCCESS", "hosts": []}
    with api.database.transaction() as session:
        session.execute(insert(MaintenanceRun).values(**values))
    assert api.get(f"{PATH}1/runs/")["runs"] == []
    assert len(api.get(f"{PATH}2/runs/")["runs"]) == 1


def test_a_window_that_audits_is_for_aggregates(cloudy):
    for hosts in ({"names": ["h1"]}, {"aggregates": ["gpu"], "names": ["h1"]}):
        refused = create(cloudy, 422, action="audit", hosts=hosts)
        assert refused["errors"] == {"hosts.names": ["An audit is of aggregates."]}
    wrong = create(cloudy, 422, action="audit", hosts={"aggregates": ["gpu"]}, parameters={"power_off": True})
    assert "parameters.power_off" in wrong["errors"]
    parameters = {"mode": "relieve", "auto_apply": False}
    create(cloudy, action="audit", hosts={"aggregates": ["gpu"]}, parameters=parameters)
    plan = cloudy.post(f"{PATH}1/actions/run", {"dry_run": True}, 200)["plan"]
    assert (plan["action"], plan["aggregates"], plan["hosts"]) == ("audit", ["gpu"], [])
