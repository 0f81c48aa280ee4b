"""The product with a TFTP root: files appear, the BMC is told, and what is lost comes back by itself."""

from __future__ import annotations

import contextlib

import pytest

from tests.contract.drivers import ipmi_peers

from .product import Product, wait_until

MAC = "52:54:00:0a:4c:07"
FILES = ["52:54:00:0a:4c:07.ipxe", "grub.cfg-01-52-54-00-0a-4c-07", "pxelinux.cfg/01-52-54-00-0a-4c-07"]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("tftp")


@pytest.fixture(scope="module")
def product(tmp_path_factory, root):
    config = {"pxe": {"enabled": True, "tftp_root": root, "sync_interval": 0.5}}
    with Product(tmp_path_factory.mktemp("pxe"), config=config) as running:
        yield running


@pytest.fixture(scope="module")
def bmc():
    with contextlib.ExitStack() as stack:
        yield ipmi_peers.SimulatorPeer(stack)


def post(product, path, body, status=201):
    response = product.post(path, json=body)
    assert response.status_code == status, response.text
    return response


def test_an_assigned_image_is_what_the_machine_starts_next(product, bmc, root):
    settings = bmc.settings()
    body = {"control_type": "SupermicroRackDevice", "protocol_type": "ipmi", "host": settings.host}
    body |= {"port_number": settings.port, "login": settings.login, "password": settings.password}
    control_id = post(product, "/v1/power-controls/", {"power_control": body}).json()["power_control"]["id"]
    node_id = post(product, "/v1/nodes/", {"node": {"name": "n1", "mac_address": MAC}}).json()["node"]["id"]
    place = {"power_control_id": control_id, "power_control_port": "1"}
    post(product, f"/v1/nodes/{node_id}/power-controls/", place)
    image = {"image_name": "compute", "file_data": "label a\nkernel vmlinuz\n"}
    image_id = post(product, "/v1/node-images/", {"node_image": image}).json()["node_image"]["id"]

    task = post(product, f"/v1/nodes/{node_id}/actions/assign-image", {"image_id": image_id}, 202)

    assert all((root / path).stat().st_mode & 0o777 == 0o644 for path in FILES)
    where = task.headers["Location"]
    wait_until(lambda: product.get(where).json()["status"] == "SUCCESS", within=20, why=product.log_end)
    assert bmc.next_boot() == "pxe"

    (root / FILES[0]).unlink()
    (root / FILES[1]).write_text("# Written by CloudManager\nspoilt\n")
    wait_until(
        lambda: (root / FILES[0]).exists() and "linux /vmlinuz" in (root / FILES[1]).read_text(),
        within=20,
        why=product.log_end,
    )
    assert "the files are what the inventory says" in product.cli("pxe", "diff").stdout
    assert product.request("DELETE", f"/v1/nodes/{node_id}").status_code == 204
    assert not any((root / path).exists() for path in FILES)
