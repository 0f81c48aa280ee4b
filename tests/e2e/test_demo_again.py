"""A demo that is started again."""

from __future__ import annotations

import json
import re
import socket

from .openrc import log_in
from .product import Product


def test_a_second_start_finds_the_same_fleet_even_if_a_port_was_taken(tmp_path):
    product = Product(tmp_path / "demo", demo=True)
    with product:
        product.post("/v1/nodes", {"node": {"name": "one-more"}})
        nodes, controls = _nodes(product), _controls(product)
        token, services = product.token, _services(product)
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as squatter,
        socket.socket(socket.AF_INET, socket.SOCK_STREAM) as other,
    ):
        squatter.bind(("127.0.0.1", controls["bmc-r1n01"].pop("port_number")))
        other.bind(("127.0.0.1", services.pop("keystone")))
        other.listen()
        with product:
            assert _nodes(product) == nodes
            found = _controls(product)
            assert found["bmc-r1n01"].pop("port_number") != squatter.getsockname()[1]
            assert found.keys() == controls.keys()
            assert found["bmc-r1n01"] == controls["bmc-r1n01"]
            done = product.post("/v1/nodes/actions/reset", {"node_ids": [1]})
            assert done.json() == {"success": [1], "failed": []}
            moved = _services(product)
            keystone = moved.pop("keystone")
            assert keystone != other.getsockname()[1]
            assert moved == services
            assert product.token == token
            for file in (product.directory.openrc, product.directory.config_file):
                assert re.findall(r"127\.0\.0\.1:(\d+)/v3", file.read_text()) == [str(keystone)]
            assert log_in(product.directory.reader_openrc)


def _nodes(product):
    """All of the fleet but what the monitor finds out in its own time."""
    found_out = ("power_state_checked_at", "hypervisor_id", "cpu_allocation_ratio", "ram_allocation_ratio")
    nodes = product.get("/v1/nodes").json()["nodes"]
    return [{name: node[name] for name in node if name not in (*found_out, "ip_addresses")} for node in nodes]


def _services(product):
    services = json.loads(product.cli("lab", "status", "--json").stdout)["services"]
    return {row["name"]: row["port"] for row in services}


def _controls(product):
    return {
        control["title"]: control for control in product.get("/v1/power-controls").json()["power_controls"]
    }
