"""`boot-from-network` through the real Power port, to simulated devices and to those of other people."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess

import pytest

from cloudmanager.config import load
from cloudmanager.flows import start
from cloudmanager.flows.base import Ports
from cloudmanager.flows.engine import Engine, EngineOptions
from cloudmanager.host.absent import absent_host
from cloudmanager.models import FlowRow, Node, NodeControl, PowerControl
from cloudmanager.openstack.absent import absent_cloud
from cloudmanager.power import Power
from cloudmanager.simulators.ipmi import commands as simulated
from cloudmanager.system_clock import SystemClock
from cloudmanager.vault import Vault, create_key_file
from tests.contract.drivers import amt_peers, ipmi_peers, modbus_peers, redfish_peers
from tests.peers.programs import program

from .world import FakeAlerts

OTHERS = pytest.mark.peer


@pytest.fixture(
    params=[
        pytest.param(ipmi_peers.SimulatorPeer, id="ipmi"),
        pytest.param(ipmi_peers.IpmiSimPeer, id="ipmi_sim", marks=OTHERS),
        pytest.param(ipmi_peers.PyghmiPeer, id="pyghmi", marks=OTHERS),
        pytest.param(redfish_peers.SimulatorPeer, id="redfish"),
        pytest.param(redfish_peers.SushyPeer, id="sushy-tools", marks=OTHERS),
        pytest.param(amt_peers.SimulatorPeer, id="amt"),
    ],
)
def peer(request):
    with contextlib.ExitStack() as stack:
        yield request.param(stack)


@pytest.fixture
def vault(tmp_path):
    create_key_file(tmp_path / "secret.key")
    return Vault(tmp_path / "secret.key")


def node_on(session, peer, vault):
    """A node in the inventory on that device."""
    settings, driver = peer.settings(), peer.driver
    control = PowerControl(
        title="of n1",
        control_type=driver.control_type,
        protocol_type=driver.protocol_type,
        host=settings.host,
        port_number=settings.port,
        login=settings.login,
        coils_count=1,
        sealed_password=vault.seal(settings.password),
        options={"tls": "off"} if driver.protocol_type in ("redfish", "amt") else {},
    )
    node = Node(name="n1")
    session.add_all([control, node])
    session.flush()
    place = {"node_id": node.id, "power_control_id": control.id, "power_control_port": peer.outlet}
    session.add(NodeControl(**place, is_default=True))
    return node.id


async def boot_from_network(database, vault, peer):
    with database.transaction() as session:
        node_id = node_on(session, peer, vault)
        said = {"requested_by": "tester", "request_id": "req-1", "params": {"node_id": node_id}}
        flow_id = start(session, "boot-from-network", subject=f"node:{node_id}", **said)
    config = load()
    power = Power(database, vault, config)
    ports = Ports(
        power=power,
        cloud=absent_cloud(),
        host=absent_host(),
        alerts=FakeAlerts(),
        clock=SystemClock(),
        config=config,
    )
    try:
        async with asyncio.timeout(30):
            await Engine(database, ports, EngineOptions(), lambda _ids: None).advance([flow_id])
    finally:
        await power.close()
    with database.reading() as session:
        return session.query(FlowRow).filter(FlowRow.id == flow_id).one()


async def test_the_device_starts_the_machine_from_the_network(database, vault, peer):
    before = peer.is_on()
    flow = await boot_from_network(database, vault, peer)
    assert flow.status == "SUCCESS", flow.error
    assert peer.next_boot() == "pxe"
    assert peer.is_on() == before


@pytest.mark.peer
@pytest.mark.parametrize(
    ("kind", "keeps"),
    [
        (ipmi_peers.SimulatorPeer, ["Boot Flag Valid", "Options apply to only next boot"]),
        (ipmi_peers.IpmiSimPeer, []),  # it keeps nothing but the device
    ],
)
async def test_ipmitool_reads_what_was_set(database, vault, kind, keeps):
    with contextlib.ExitStack() as stack:
        peer = kind(stack)
        assert "Force PXE" not in ask_ipmitool(peer)
        assert (await boot_from_network(database, vault, peer)).status == "SUCCESS"
        said, lasts = ask_ipmitool(peer), ask_ipmitool(peer, "3")
    assert "Force PXE" in said
    assert not keeps or "Don't automatically clear boot flag valid bit" in lasts
    assert all(words in said for words in keeps)


async def test_a_bmc_that_cannot_keep_its_flags_is_told_all_the_same(database, vault, monkeypatch):
    monkeypatch.delitem(simulated._BOOT_PARAMETERS, 3)
    with contextlib.ExitStack() as stack:
        peer = ipmi_peers.SimulatorPeer(stack)
        flow = await boot_from_network(database, vault, peer)
        assert flow.status == "SUCCESS", flow.error
        assert peer.next_boot() == "pxe"


def ask_ipmitool(peer, parameter="5"):
    bmc = peer.bmc
    command = [
        program("ipmitool"),
        "-I",
        "lanplus",
        "-C",
        "3",
        "-H",
        bmc.host,
        "-p",
        str(bmc.port),
        "-U",
        bmc.login,
    ]
    command += ["-P", bmc.password, "chassis", "bootparam", "get", parameter]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False).stdout


async def test_a_relay_says_that_it_cannot(database, vault):
    with contextlib.ExitStack() as stack:
        flow = await boot_from_network(database, vault, modbus_peers.Et7067SimulatorPeer(stack))
    assert flow.status == "FAILURE"
    assert "cannot choose what a machine starts from" in flow.error
