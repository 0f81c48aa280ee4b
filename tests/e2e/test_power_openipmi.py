"""Power through REST against BMCs of OpenIPMI, which this project did not write; ipmitool is the witness."""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.peers.ipmi_sim import IpmiSim
from tests.peers.programs import program

from .product import Product
from .tasks import QUICK, ended, task_of

pytestmark = pytest.mark.peer


@pytest.fixture(scope="module")
def sim():
    program("ipmitool")
    with IpmiSim(20, program=program("ipmi_sim")) as sim:
        yield sim


@pytest.fixture(scope="module")
def product(tmp_path_factory):
    with Product(tmp_path_factory.mktemp("openipmi"), config=QUICK) as product:
        yield product


@pytest.fixture(scope="module")
def nodes(product, sim):
    """Registered through REST, as an operator would."""
    return [register(product, number, bmc) for number, bmc in enumerate(sim.bmcs)]


def register(product, number, bmc):
    control = {
        "control_type": "SupermicroRackDevice",
        "protocol_type": "ipmi",
        "host": bmc.host,
        "port_number": bmc.port,
        "login": bmc.login,
        "password": bmc.password,
    }
    made = product.post("/v1/power-controls/?verify=true", {"power_control": control})
    assert made.status_code == 201, made.text
    node = product.post("/v1/nodes/", {"node": {"name": f"n{number:02}"}}).json()["node"]
    assigned = product.post(
        f"/v1/nodes/{node['id']}/power-controls/",
        {"power_control_id": made.json()["power_control"]["id"], "power_control_port": 1},
    )
    assert assigned.json()["power_control"]["is_initialized"] is True
    return node["id"]


def by_ipmitool(bmc):
    """What ipmitool reads: `on` or `off`."""
    command = [
        program("ipmitool"),
        "-I",
        "lanplus",
        "-H",
        bmc.host,
        "-p",
        str(bmc.port),
        "-U",
        bmc.login,
        "-C",
        "3",
    ]
    environment = {**os.environ, "IPMI_PASSWORD": bmc.password}
    said = subprocess.run(
        [*command, "-E", "power", "status"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    return said.stdout.split()[-1]


def all_by_ipmitool(sim):
    with ThreadPoolExecutor(4) as pool:
        return set(pool.map(by_ipmitool, sim.bmcs))


def switch_all(product, nodes, action):
    tasks = [task_of(product.post(f"/v1/nodes/{node}/actions/{action}")) for node in nodes]
    assert {ended(product, task)["status"] for task in tasks} == {"SUCCESS"}
    return {node["power_state"] for node in product.get("/v1/nodes/").json()["nodes"]}


def test_on_reset_off(product, sim, nodes):
    assert switch_all(product, nodes, "power-on") == {"power_on"}
    assert all_by_ipmitool(sim) == {"on"}
    answer = product.post("/v1/nodes/actions/reset", {"node_ids": nodes}).json()
    assert answer == {"success": nodes, "failed": []}
    assert [sim.resets(number) for number in range(20)] == [1] * 20
    assert all_by_ipmitool(sim) == {"on"}
    assert switch_all(product, nodes, "power-off") == {"power_off"}
    assert all_by_ipmitool(sim) == {"off"}


def test_wrong_password_and_silence_store_nothing(product, sim, nodes):
    before = product.get("/v1/power-controls/count").json()
    bmc = sim.bmcs[0]
    control = {
        "control_type": "SupermicroRackDevice",
        "protocol_type": "ipmi",
        "host": bmc.host,
        "port_number": bmc.port,
        "login": bmc.login,
        "password": "guessed",
    }
    refused = product.post("/v1/power-controls/?verify=true", {"power_control": control})
    assert refused.status_code == 502, refused.text
    assert "guessed" not in refused.text
    silent = product.post("/v1/power-controls/?verify=true", {"power_control": control | {"port_number": 9}})
    assert silent.status_code == 504, silent.text
    assert product.get("/v1/power-controls/count").json() == before
    assert "guessed" not in product.log()
