"""Power through REST, over real sockets, with devices that misbehave and workers that are killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest

from .product import Product, wait_until
from .tasks import QUICK, ended, task_of


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    """A demo of our own, with short leases, that may be disturbed."""
    with Product(tmp_path_factory.mktemp("fleet"), demo=True, config=QUICK) as product:
        yield product


def lab(product):
    """The truth about each simulated node and its device."""
    status = json.loads(product.cli("lab", "status", "--json").stdout)
    devices = {device["name"]: device for device in status["devices"]}
    return {node["name"]: node | {"device": devices[node["devices"][0]]} for node in status["nodes"]}


def disturb(product, device, **faults):
    said = product.cli("lab", "fault", device, *(f"{name}={value}" for name, value in faults.items()))
    assert said.returncode == 0, said.stderr


def _with_bmc(product):
    """The ids of the nodes in the racks of machines that have a BMC each."""
    nodes = product.get("/v1/nodes/?rack_number=lte:3").json()["nodes"]
    return {node["name"]: node["id"] for node in nodes}


def test_one_dead_bmc_among_sixty(fleet):
    nodes = _with_bmc(fleet)
    dead = nodes["r2n10.demo.local"]
    boots = {name: node["boots"] for name, node in lab(fleet).items()}
    disturb(fleet, "bmc-r2n10", dead="true")
    try:
        answer = fleet.post("/v1/nodes/actions/reset?wait=30", {"node_ids": list(nodes.values())})
    finally:
        fleet.cli("lab", "heal", "bmc-r2n10")
    outcome = answer.json()
    assert outcome["failed"] == [dead]
    assert len(outcome["success"]) == 59
    task = fleet.get(answer.headers["Location"]).json()
    assert task["status"] == "FAILURE"
    assert "r2n10.demo.local" in task["error"]
    truth = lab(fleet)
    changed = {name for name, node in truth.items() if node["boots"] == boots[name] + 1}
    assert changed == set(nodes) - {"r2n10.demo.local"}
    children = fleet.get("/v1/tasks/?name=reset&detail=true&limit=100").json()["tasks"]
    slow = [child["subject"] for child in children if seconds(child) > 3 and child["status"] == "SUCCESS"]
    assert slow == [], "a dead BMC held others up"


def seconds(task):
    begun, ended_at = (datetime.fromisoformat(task[name]) for name in ("started_at", "ended_at"))
    return (ended_at - begun).total_seconds()


def test_two_workers_fifty_resets_of_one_node(fleet):
    """One runs, 49 are told who has the node, and the BMC sees one reset."""
    config = fleet.directory.config_file
    second = subprocess.Popen(
        [sys.executable, "-m", "cloudmanager", "worker", "--config", str(config), "--name", "second"],
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: second.poll() is None and second.pid, within=5)
        time.sleep(2)
        name, node = next((name, node) for name, node in sorted(lab(fleet).items()) if node["on"])
        node_id = fleet.get(f"/v1/nodes/?name={name}").json()["nodes"][0]["id"]
        disturb(fleet, node["device"]["name"], lag=0.3)
        with ThreadPoolExecutor(50) as pool:
            answers = list(pool.map(lambda _: fleet.post(f"/v1/nodes/{node_id}/actions/reset"), range(50)))
        accepted = [answer for answer in answers if answer.status_code == 202]
        refused = [answer for answer in answers if answer.status_code == 409]
        assert (len(accepted), len(refused)) == (1, 49)
        winner = task_of(accepted[0])
        assert all(answer.json()["error"]["task_id"] == winner for answer in refused)
        assert all(winner in answer.json()["error"]["message"] for answer in refused)
        assert ended(fleet, winner)["status"] == "SUCCESS"
        assert lab(fleet)[name]["resets"] == node["resets"] + 1
        counters = [lab(fleet)[name]["device"]["counters"]["resets_accepted"]]
        assert counters == [node["device"]["counters"]["resets_accepted"] + 1]
    finally:
        fleet.cli("lab", "heal", node["device"]["name"])
        second.terminate()
        assert second.wait(20) == 0


def test_killed_worker_in_the_middle_of_a_flow(fleet):
    """SIGKILL between command and confirmation: another worker confirms, the command is not repeated."""
    name, node = next((name, node) for name, node in sorted(lab(fleet).items()) if node["on"])
    node_id = fleet.get(f"/v1/nodes/?name={name}").json()["nodes"][0]["id"]
    disturb(fleet, node["device"]["name"], power_off_lag=4)
    [worker] = fleet.pids_of("workers", "worker")
    task_id = task_of(fleet.post(f"/v1/nodes/{node_id}/actions/power-off"))

    def steps():
        return [step["name"] for step in fleet.get(f"/v1/tasks/{task_id}").json()["steps"]]

    wait_until(lambda: "cut power" in steps(), within=10, why=fleet.log_end)
    os.kill(worker, signal.SIGKILL)
    task = ended(fleet, task_id)
    assert task["status"] == "SUCCESS", task
    fleet.cli("lab", "heal", node["device"]["name"])
    truth = lab(fleet)[name]
    assert not truth["on"]
    controls = truth["device"]["counters"]["commands"]["00/02"]
    assert controls == node["device"]["counters"]["commands"].get("00/02", 0) + 1
    assert fleet.pids_of("workers", "worker") != {worker}


def test_cancel_while_it_waits_for_the_device(fleet):
    """A dead device is tried for a while; a cancel ends that."""
    name, node = next((name, node) for name, node in sorted(lab(fleet).items()) if node["on"])
    node_id = fleet.get(f"/v1/nodes/?name={name}").json()["nodes"][0]["id"]
    disturb(fleet, node["device"]["name"], dead="true")
    try:
        task_id = task_of(fleet.post(f"/v1/nodes/{node_id}/actions/power-off"))
        assert fleet.post(f"/v1/tasks/{task_id}/actions/cancel").status_code == 202
        assert ended(fleet, task_id)["status"] == "REVOKED"
    finally:
        fleet.cli("lab", "heal", node["device"]["name"])
    assert lab(fleet)[name]["on"]
    actions = fleet.get(f"/v1/nodes/{node_id}/power-actions/").json()["power_actions"]
    assert (actions[-1]["action"], actions[-1]["result"]) == ("power_off", "REVOKED")


def test_the_monitor_sees_what_nobody_asked_for(fleet):
    """Somebody presses the button, and a BMC dies: the state follows, unknown is not off, both are events."""

    def node(name):
        return fleet.get(f"/v1/nodes?name={name}").json()["nodes"][0]

    def events(subject):
        return [event["kind"] for event in fleet.get(f"/v1/events?subject={subject}").json()["events"]]

    pressed, silent = node("r3n01.demo.local"), node("r3n02.demo.local")
    was_on = pressed["power_state"] == "power_on"
    fleet.cli("lab", "power", pressed["name"], "off" if was_on else "on")
    after = "power_off" if was_on else "power_on"
    wait_until(lambda: node(pressed["name"])["power_state"] == after, within=10, why=fleet.log_end)
    assert events(f"node:{pressed['id']}") == ["power.drift"]
    control = silent["node_controls"][0]["power_control_id"]
    disturb(fleet, "bmc-r3n02", dead="true")
    wait_until(lambda: node(silent["name"])["power_state"] is None, within=30, why=fleet.log_end)
    fleet.cli("lab", "heal", "bmc-r3n02")
    wait_until(lambda: node(silent["name"])["power_state"] is not None, within=30, why=fleet.log_end)
    assert events(f"power_control:{control}") == ["device.silent", "device.back"]


@pytest.mark.parametrize("unit", ["02", "04", "06"], ids=["ET7067", "DaenetIP2", "DaenetIP2_ACPI"])
def test_a_machine_behind_a_relay(fleet, unit):
    """On, a reset that is an off, a pause and an on, and off."""
    name = f"r4n{unit}.demo.local"
    node = fleet.get(f"/v1/nodes/?name={name}").json()["nodes"][0]["id"]
    boots = lab(fleet)[name]["boots"]
    for action, on, started in (("power-on", True, 1), ("reset", True, 2), ("power-off", False, 2)):
        task = ended(fleet, task_of(fleet.post(f"/v1/nodes/{node}/actions/{action}")))
        assert task["status"] == "SUCCESS", task
        # A closed relay is not yet a machine that runs.
        wait_until(lambda: lab(fleet)[name]["on"] is on, within=5)  # noqa: B023
        assert lab(fleet)[name]["boots"] == boots + started
