"""Maintenance windows with all processes of the product: the scheduler opens them, hosts are restarted."""

from __future__ import annotations

import itertools
import os
import signal
from datetime import UTC, datetime, timedelta

import pytest

from tests.e2e.product import wait_until

_NUMBERS = itertools.count(1)
WINDOWS = "/v1/maintenance-windows/"


class Window:
    """A window of the product, and what its only run tells."""

    def __init__(self, operator, *, starts_in=1.0, **values):
        starts_at = datetime.now(UTC) + timedelta(seconds=starts_in)
        body = {
            "name": f"window {next(_NUMBERS)}",
            "action": "restart",
            "schedule": {"starts_at": starts_at.strftime("%Y-%m-%dT%H:%M:%S")},
            "length": 600,
            **values,
        }
        self._operator = operator
        self._product = operator.product
        answer = self._product.post(WINDOWS, {"maintenance_window": body})
        assert answer.status_code == 201, answer.text
        self.path = f"{WINDOWS}{answer.json()['maintenance_window']['id']}"

    def shown(self):
        return self._product.get(self.path).json()["maintenance_window"]

    def change(self, **values):
        answer = self._product.request("PUT", self.path, json={"maintenance_window": values})
        assert answer.status_code == 200, answer.text

    def runs(self):
        return self._product.get(f"{self.path}/runs/").json()["runs"]

    def run(self):
        wait_until(self.runs, within=20, why=self._product.log_end)
        (run,) = self.runs()
        return run

    def told(self):
        """{host: its outcome}."""
        return {row["host"]: row["outcome"] for row in self.run()["hosts"]}

    def end(self):
        """The run, when its task has succeeded."""
        self._operator.done(self.run()["task_id"])
        return self.run()


@pytest.fixture
def hosts(site):
    """Two hosts with servers."""
    first, second = site.hosts[:2]
    site.boot(first, 2)
    site.boot(second, 1)
    return [first, second]


def check_in_service(site, hosts):
    for host in hosts:
        assert site.service(host).status == "enabled"
        assert site.is_up(host)
        assert site.is_on(host)
    assert all(site.state(server_id) == ("active", None) for server_id in site.made)


def test_the_scheduler_opens_a_window_and_its_hosts_are_restarted(operator, site, hosts):
    window = Window(operator, starts_in=2, hosts={"names": hosts})
    assert window.runs() == []
    run = window.end()
    assert window.told() == dict.fromkeys(hosts, "done")
    assert run["begun_at"] >= run["opens_at"]
    assert (run["status"], run["message"]) == ("SUCCESS", "2 of 2 hosts done")
    for row in run["hosts"]:
        task = operator.task(row["task_id"])
        assert (task["name"], task["subject"], task["status"]) == (
            "restart-host",
            f"host:{row['host']}",
            "SUCCESS",
        )
    check_in_service(site, hosts)
    events = operator.product.get("/v1/events/?kind=like:maintenance_window%25&sort=-id&limit=2").json()[
        "events"
    ]
    assert [event["kind"] for event in events] == ["maintenance_window_ended", "maintenance_window_opened"]
    shown = window.shown()
    assert shown["task_id"] is None
    assert shown["next_opens_at"] == run["opens_at"], "it is still open, and does not run twice"
    assert len(window.runs()) == 1


def test_workers_and_scheduler_die_and_the_window_comes_to_its_end(operator, site, hosts):
    window = Window(operator, hosts={"names": hosts})
    operator.until(window.run()["task_id"], lambda task: window.told().get(hosts[0]) == "running")
    for process in ("worker", "scheduler"):
        [pid] = operator.product.pids_of("workers", process)
        os.kill(pid, signal.SIGKILL)
    window.end()
    assert window.told() == dict.fromkeys(hosts, "done")
    assert len(window.runs()) == 1
    check_in_service(site, hosts)


def test_open_tasks_block_until_they_are_over(operator, site, hosts):
    other = site.hosts[2]
    site.boot(other, 1)
    site.slow_down(other, 8)
    blocker = operator.ask(other, "evacuate")
    window = Window(operator, hosts={"names": hosts[:1]}, blockers=[{"tasks": ["evacuate-host"]}])
    task_id = window.run()["task_id"]
    seen = operator.until(task_id, lambda task: "blocked" in (task["message"] or ""))
    assert blocker in seen["message"]
    assert window.told() == {hosts[0]: "waiting"}
    operator.done(blocker)
    window.end()
    assert window.told() == {hosts[0]: "done"}


def test_a_window_that_is_disabled_lets_what_runs_come_to_its_end(operator, site, hosts):
    window = Window(operator, hosts={"names": hosts})
    operator.until(window.run()["task_id"], lambda task: window.told().get(hosts[0]) == "running")
    window.change(enabled=False)
    run = window.end()
    assert window.told() == {hosts[0]: "done", hosts[1]: "not_begun"}
    assert run["hosts"][1]["reason"] == "the window was disabled"
    check_in_service(site, hosts)
