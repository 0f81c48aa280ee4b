"""Devices that are reached only as their options say, through REST and real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import ssl
import threading

import pytest

from cloudmanager.simulators.datacentre import DataCentre
from cloudmanager.simulators.world import Account
from tests.peers.sushy_emulator import SushyEmulator

from .product import Product, wait_until
from .tasks import QUICK, ended, task_of

UNIT = 17


class Site:
    """A Redfish service of three systems with a certificate of its own, and a board of unit 17."""

    def __init__(self):
        self.centre = DataCentre()
        self.world = self.centre.world
        for number in (1, 2, 3):
            self.world.add_node(f"blade{number}", on=False)
        self.world.add_node("relayed", on=False)
        chassis = self.world.add_device("chassis", "redfish", accounts={1: Account("root", "of the chassis")})
        chassis.memory["tls"] = True
        for number in (1, 2, 3):
            self.world.plug("chassis", str(number), f"blade{number}")
        board = self.centre.add_board("board", "et7067", {"5": "relayed"})
        board.memory["net id"] = UNIT
        self.world.add_node("guest", on=False)
        libvirt = self.centre.add_board("libvirt", "libvirt", {"web": "guest"}, login="root", password="p")
        self.chassis, self.board, self.libvirt = chassis, board, libvirt

    @contextlib.contextmanager
    def running(self):
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        self.run = lambda coroutine: asyncio.run_coroutine_threadsafe(coroutine, loop).result(20)
        try:
            self.run(self.centre.start())
            yield self
        finally:
            self.run(self.centre.stop())
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    def press(self, verb, node):
        """Somebody switches a machine by hand."""

        async def inside():
            getattr(self.world, verb)(node)

        self.run(inside())

    @property
    def fingerprint(self):
        """SHA-256 of the certificate, as openssl prints it."""
        pem = self.centre.servers["chassis"].web.certificate.decode()
        digits = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest().upper()
        return ":".join(digits[at : at + 2] for at in range(0, 64, 2))


@pytest.fixture(scope="module")
def site():
    with Site().running() as site:
        yield site


@pytest.fixture(scope="module")
def product(tmp_path_factory):
    with Product(tmp_path_factory.mktemp("options"), config=QUICK) as product:
        yield product


def chassis_at(host, port, **values):
    return {
        "control_type": "RedfishDevice", "protocol_type": "redfish", "host": host, "port_number": port,
        "login": "root", "password": "of the chassis", **values,
    }  # fmt: skip


def create(product, status, verify="true", **values):
    answer = product.post(f"/v1/power-controls/?verify={verify}", {"power_control": values})
    assert answer.status_code == status, answer.text
    return answer.json()["power_control" if status == 201 else "error"]


def node_on(product, control, port, name):
    node = product.post("/v1/nodes/", {"node": {"name": name}}).json()["node"]["id"]
    body = {"power_control_id": control["id"], "power_control_port": port}
    assigned = product.post(f"/v1/nodes/{node}/power-controls/", body)
    assert assigned.status_code == 201, assigned.text
    assert assigned.json()["power_control"]["is_initialized"]
    return node


def switch(product, node, action):
    task = ended(product, task_of(product.post(f"/v1/nodes/{node}/actions/{action}")))
    assert task["status"] == "SUCCESS", task


def test_a_service_whose_certificate_nobody_signed(product, site):
    """Refused without its fingerprint or with another one, switched with it, by the API and the command line."""
    values = chassis_at("127.0.0.1", site.chassis.port)
    assert "certificate" in create(product, 502, **values)["message"]
    error = create(product, 502, **values, options={"fingerprint": "00" * 32})
    assert "its certificate has the fingerprint" in error["message"]
    assert site.centre.servers["chassis"].report()["sessions_opened"] == 0

    control = create(product, 201, **values, options={"fingerprint": site.fingerprint})
    assert (control["coils_count"], list(control["coil_map"])) == (3, ["1", "2", "3"])
    nodes = {number: node_on(product, control, number, f"blade{number}") for number in (2, 3)}
    switch(product, nodes[3], "power-on")
    assert [site.world.is_on(f"blade{number}") for number in (1, 2, 3)] == [False, False, True]
    assert "blade3: on" in product.cli("power", "status", "blade*").stdout
    coil = product.post(f"/v1/power-controls/{control['id']}/actions/power-on", {"coil": 1})
    assert ended(product, task_of(coil))["status"] == "SUCCESS"
    assert site.world.is_on("blade1")

    # The monitor follows with the same options.
    site.press("power_on", "blade2")
    state = lambda: product.get(f"/v1/nodes/{nodes[2]}").json()["node"]["power_state"]  # noqa: E731
    wait_until(lambda: state() == "power_on", within=15, why=product.log_end)

    # Changed options are in force at once, also in sessions that were open.
    path = f"/v1/power-controls/{control['id']}"
    product.request("PUT", path, json={"power_control": {"options": {"fingerprint": None}}})
    check = product.post(f"{path}/actions/check")
    assert (check.status_code, "certificate" in check.json()["error"]["message"]) == (502, True)
    task = ended(product, task_of(product.post(f"/v1/nodes/{nodes[3]}/actions/power-off")))
    assert (task["status"], "certificate" in task["error"]) == ("FAILURE", True)
    assert site.world.is_on("blade3")
    product.request("PUT", path, json={"power_control": {"options": {"tls": "insecure"}}})
    switch(product, nodes[3], "power-off")
    assert not site.world.is_on("blade3")


def test_a_board_that_is_not_unit_one(product, site):
    values = {
        "control_type": "ET7067", "protocol_type": "modbus", "host": "127.0.0.1",
        "port_number": site.board.port,
    }  # fmt: skip
    create(product, 504, **values)
    control = create(product, 201, **values, options={"unit_id": UNIT})
    node = node_on(product, control, 5, "relayed")
    for action, on in (("power-on", True), ("reset", True), ("power-off", False)):
        switch(product, node, action)
        # A closed relay is not yet a machine that runs.
        wait_until(lambda: site.world.is_on("relayed") is on, within=5)  # noqa: B023


def test_a_host_whose_key_is_in_no_file(product, site):
    """The error names the key; with it as an option the host's machines can be switched."""
    values = {
        "control_type": "SshDevice", "protocol_type": "ssh", "host": "127.0.0.1",
        "port_number": site.libvirt.port, "login": "root", "password": "p",
    }  # fmt: skip
    assert "set `host_key`" in create(product, 502, **values)["message"]
    key = site.centre.servers["libvirt"].host_key
    control = create(product, 201, **values, options={"host_key": key})
    assert control["options"] == {"host_key": key}
    node = node_on(product, control, "web", "guest")
    switch(product, node, "power-on")
    assert site.world.is_on("guest")


def test_a_file_of_devices_with_options(product, site, tmp_path):
    listed = tmp_path / "devices.csv"
    pin = json.dumps({"fingerprint": site.fingerprint}).replace('"', '""')
    listed.write_text(
        f'RedfishDevice,127.0.0.1,{site.chassis.port},root,of the chassis,2,"{pin}"\n'
        f'ET7067,127.0.0.1,{site.board.port},,,5,"{{""unit_id"": {UNIT}}}"\n'
    )
    site.press("power_off", "blade2")
    said = product.cli("power", "on", "--from-file", str(listed))
    assert said.returncode == 0, said.stderr
    wait_until(lambda: site.world.is_on("blade2") and site.world.is_on("relayed"), within=5)


@pytest.mark.peer
def test_several_systems_of_another_service(product):
    """Registered without being asked: a check tells how many there are."""
    with SushyEmulator(machines=3) as sushy:
        values = chassis_at(sushy.host, sushy.port, login=sushy.login, password=sushy.password)
        control = create(product, 201, "false", **values, options={"tls": "off"})
        assert control["coils_count"] == 1
        node = node_on(product, control, 3, "third")
        switch(product, node, "power-on")
        assert [sushy.is_on(name) for name in ("1", "2", "3")] == [False, False, True]
        path = f"/v1/power-controls/{control['id']}"
        states = product.post(f"{path}/actions/check").json()["states"]
        assert states == {"1": "power_off", "2": "power_off", "3": "power_on"}
        coils = product.get(path).json()["power_control"]["coil_map"]
        assert {port: coil and coil["node_name"] for port, coil in coils.items()} == {
            "1": None, "2": None, "3": "third",
        }  # fmt: skip
        switch(product, node, "power-off")
        assert not sushy.is_on("3")
