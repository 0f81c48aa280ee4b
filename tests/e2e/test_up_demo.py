"""`cloudmanager demo`: the seeded fleet."""

from __future__ import annotations

import json
import socket
import subprocess
from collections import Counter
from pathlib import Path

from .product import Product, wait_until


def test_the_fleet_is_there(demo):
    nodes = demo.get("/v1/nodes").json()["nodes"]

    assert Counter(node["rack_number"] for node in nodes) == {1: 20, 2: 20, 3: 20, 4: 6}
    assert Counter(node["power_state"] for node in nodes)["power_on"] > 40
    assert {node["unit_number"] for node in nodes} == set(range(1, 21))
    assert demo.get("/v1/nodes/count").json() == {"count": 66}
    controls = demo.get("/v1/power-controls").json()["power_controls"]
    assert Counter(control["control_type"] for control in controls) == {
        "SupermicroRackDevice": 60,
        "ET7067": 1,
        "DaenetIP2": 1,
        "DaenetIP2_ACPI": 1,
    }


def test_lab_commands_speak_to_the_simulated_machines(demo):
    status = json.loads(demo.cli("lab", "status", "--json").stdout)
    assert len(status["nodes"]) == 66
    assert "r1n01" in demo.cli("lab", "status").stdout

    fault = demo.cli("lab", "fault", "bmc-r1n01", "lag=0.1", "dead=true")
    assert json.loads(fault.stdout) == {"lag": 0.1, "dead": True}
    assert "dead=true" in demo.cli("lab", "status").stdout
    assert demo.cli("lab", "heal", "bmc-r1n01").returncode == 0
    assert "dead" not in demo.cli("lab", "status").stdout

    unknown = demo.cli("lab", "fault", "bmc-nowhere", "dead=true")
    assert (unknown.returncode, unknown.stderr.count("\n")) == (2, 1)


def test_a_second_start_finds_the_same_fleet_even_if_a_port_was_taken(tmp_path):
    product = Product(tmp_path / "demo", demo=True)
    with product:
        product.post("/v1/nodes", {"node": {"name": "one-more"}})
        nodes, controls = _nodes(product), _controls(product)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as squatter:
        squatter.bind(("127.0.0.1", controls["bmc-r1n01"].pop("port_number")))
        with product:
            assert _nodes(product) == nodes
            found = _controls(product)
            assert found["bmc-r1n01"].pop("port_number") != squatter.getsockname()[1]
            assert found.keys() == controls.keys()
            assert found["bmc-r1n01"] == controls["bmc-r1n01"]
            done = product.post("/v1/nodes/actions/reset", {"node_ids": [1]})
            assert done.json() == {"success": [1], "failed": []}


def _nodes(product):
    """All of the fleet but when the monitor has looked."""
    nodes = product.get("/v1/nodes").json()["nodes"]
    return [{name: node[name] for name in node if name != "power_state_checked_at"} for node in nodes]


def _controls(product):
    return {
        control["title"]: control for control in product.get("/v1/power-controls").json()["power_controls"]
    }


def test_the_calls_of_the_readme_work_when_pasted(demo):
    readme = Path(__file__).parents[2] / "README.md"
    section = readme.read_text().partition("## The main job")[2]
    script = section.partition("```bash\n")[2].partition("```")[0]
    script = script.replace("http://127.0.0.1:9362", demo.url).replace(".demo", str(demo.state_dir))

    assert script.count("curl ") == 5
    result = subprocess.run(
        ["bash", "-eu", "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert '"name":"r1n01.demo.local"' in result.stdout
    assert '"name":"power-off"' in result.stdout
    assert "HTTP/1.1 202" in result.stdout
    assert '"success":[2,3,4],"failed":[]' in result.stdout
    wait_until(lambda: demo.get("/v1/nodes/1").json()["node"]["power_state"] == "power_on", within=20)
