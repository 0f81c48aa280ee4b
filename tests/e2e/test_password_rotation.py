"""Other passwords for BMCs of OpenIPMI, through REST, with workers that are killed; ipmitool is the witness."""

from __future__ import annotations

import os
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.peers.ipmi_sim import IpmiSim
from tests.peers.programs import program

from .product import Product, wait_until
from .tasks import QUICK, ended, task_of

pytestmark = pytest.mark.peer

COUNT = 12
NEW = [f"north-Aisle-{number:02}" for number in range(COUNT)]


@pytest.fixture(scope="module")
def sim():
    program("ipmitool")
    with IpmiSim(COUNT, program=program("ipmi_sim")) as sim:
        yield sim


@pytest.fixture(scope="module")
def product(tmp_path_factory):
    with Product(tmp_path_factory.mktemp("rotation"), config=QUICK) as product:
        yield product


def register(product, bmc):
    """A node with one control; answers the ids of both."""
    control = {
        "control_type": "SupermicroRackDevice",
        "protocol_type": "ipmi",
        "host": bmc.host,
        "port_number": bmc.port,
        "login": bmc.login,
        "password": bmc.password,
    }
    made = product.post("/v1/power-controls/", {"power_control": control}).json()["power_control"]["id"]
    node = product.post("/v1/nodes/", {"node": {"name": f"n{bmc.port}"}}).json()["node"]["id"]
    assignment = {"power_control_id": made, "power_control_port": 1}
    assert product.post(f"/v1/nodes/{node}/power-controls/", assignment).status_code == 201
    return node, made


def logs_in(bmc, password):
    """Whether ipmitool does, with this password."""
    where = ["-H", bmc.host, "-p", str(bmc.port), "-U", bmc.login, "-C", "3", "-E"]
    command = [program("ipmitool"), "-I", "lanplus", "-N", "1", "-R", "1", *where, "power", "status"]
    environment = {**os.environ, "IPMI_PASSWORD": password}
    said = subprocess.run(command, env=environment, capture_output=True, timeout=20, check=False)
    return said.returncode == 0


def test_workers_die_while_the_fleet_gets_other_passwords(product, sim):
    registered = [register(product, bmc) for bmc in sim.bmcs]
    tasks = []
    for (_, control), password in zip(registered, NEW, strict=True):
        where = f"/v1/power-controls/{control}/actions/rotate-password"
        tasks.append(task_of(product.post(where, {"password": password})))
        if len(tasks) % 4 == 0:
            [worker] = product.pids_of("worker")
            os.kill(worker, signal.SIGKILL)
            wait_until(lambda gone=worker: product.pids_of("worker") - {gone}, within=20)
    results = [ended(product, task, within=60) for task in tasks]
    assert {task["status"] for task in results} == {"SUCCESS"}, results
    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(logs_in, sim.bmcs, NEW))
        assert not any(pool.map(logs_in, sim.bmcs, [bmc.password for bmc in sim.bmcs]))
    node, _ = registered[0]
    assert ended(product, task_of(product.post(f"/v1/nodes/{node}/actions/power-on")))["status"] == "SUCCESS"
    assert sim.is_on(0)
    wait_until(
        lambda: product.get(f"/v1/nodes/{node}").json()["node"]["power_state"] == "power_on", within=10
    )
    told = product.log() + repr(results)
    assert not any(password in told for password in [*NEW, sim.bmcs[0].password])


def test_a_password_that_nobody_knows(product, sim):
    [control] = product.get(f"/v1/power-controls/?port_number={sim.bmcs[0].port}").json()["power_controls"]
    where = f"/v1/power-controls/{control['id']}/actions/"
    assert ended(product, product.post(f"{where}rotate-password").json()["task_id"])["status"] == "SUCCESS"
    assert product.post(f"{where}check").json() == {"states": {"1": "power_on"}}
    assert not logs_in(sim.bmcs[0], NEW[0])
