"""`cloudmanager demo`: a simulated data centre, and its fleet in the inventory."""

from __future__ import annotations

import asyncio
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import select

from cloudmanager import cloud_access
from cloudmanager.children import Program
from cloudmanager.drivers import driver_for
from cloudmanager.drivers.base import PowerState
from cloudmanager.errors import Unavailable
from cloudmanager.models import (
    Node,
    NodeClass,
    NodeControl,
    NodeImage,
    NodeLogin,
    NodeType,
    PowerControl,
    utc_now,
)
from cloudmanager.simulators.control import Control, ControlError
from cloudmanager.simulators.datacentre import HOST, DataCentre, found_or_new
from cloudmanager.simulators.node_os.system import KIND as NODE_OS
from cloudmanager.simulators.node_os.system import OUTLET
from cloudmanager.simulators.ssh.host import public_host_key
from cloudmanager.state_dir import write_private
from cloudmanager.vault import Vault

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

    from cloudmanager.config import Config
    from cloudmanager.db import Database
    from cloudmanager.simulators import world as simulated
    from cloudmanager.simulators.world import World
    from cloudmanager.state_dir import StateDirectory

LOG = structlog.get_logger(__name__)

RACKS = 3
NODES_PER_RACK = 20
_CONTROL_TYPES = {  # by the kind of the simulated device
    "bmc": "SupermicroRackDevice",
    "et7067": "ET7067",
    "daenet": "DaenetIP2",
    "daenet-acpi": "DaenetIP2_ACPI",
    "redfish": "RedfishDevice",
    "amt": "IntelAMT",
    "libvirt": "SshDevice",
}
_SECTIONS = """
[node_actions]
# What the watchdogs of the simulated nodes ping, and a virtual controller to attach nodes to.
nodesafe_peers = 10.0.0.1,10.0.0.2
controllers = 2eec580b-12f8-4518-bf79-3dc5529617da:10.0.0.100

[pxe]
# No TFTP server serves it; the simulated machines do not start from it.
enabled = True
tftp_root = {tftp_root}
"""
_MAC = "52:54:00:00:{:02x}:{:02x}"
"""Locally administered (IEEE 802, bit 2 of the first octet); the last two octets number the nodes."""

_ENABLED = 1
_PATIENCE = 30.0  # seconds for the simulated data centre to start
_POLL = 0.05


class SimulatedDataCentre:
    """The process that simulates, and how its machines come into the inventory."""

    def __init__(self, directory: StateDirectory) -> None:
        self._directory = directory
        self._control = Control(directory.lab_socket)
        command = (sys.executable, "-m", "cloudmanager", "lab", "serve", "--state-dir", str(directory.path))
        self.program = Program(name="lab", command=command, stop_within=5)

    def prepare(self) -> str:
        """Build it at the first start; answer what our first configuration has to say of its cloud."""
        cloud = found_or_new(self._directory.lab_state, RACKS, NODES_PER_RACK).cloud
        self._directory.tftp_root.mkdir(exist_ok=True)
        sections = _SECTIONS.format(tftp_root=str(self._directory.tftp_root).replace("$", "$$"))
        return sections + (cloud_access.sections(cloud, self._directory) if cloud else "")

    def gives_token(self, config: Config) -> bool:
        """Whether the admin token is one of the simulated Keystone."""
        return str(config.auth.strategy) == "keystone"

    def hints(self) -> str:
        """How to get a token for the portal."""
        script = self._directory.portal_token_script(cloud_access.TENANT)
        return f"  a tenant's token:  TOKEN=$(sh {shlex.quote(str(script))})\n"

    async def fill(self, database: Database, config: Config) -> None:
        """Wait until it runs, then put its machines into an empty inventory, or correct what has moved."""
        await self._running()
        centre = DataCentre.load(self._directory.lab_state)
        vault = Vault(Path(config.secrets.key_file))
        with database.transaction() as session:
            if session.scalar(select(PowerControl.id).limit(1)) is None:
                _seed(session, centre.world, vault)
            else:
                _correct_ports(session, centre.world)
        if centre.cloud:
            cloud_access.correct_addresses(centre.cloud, self._directory, config)
            cloud_access.write_credentials(centre.cloud, self._directory)
            cloud_access.write_token_scripts(centre.cloud, self._directory)
            if self.gives_token(config):
                self._keep_token()

    def _keep_token(self) -> None:
        """See to it that the file holds a token of the administrator that lasts."""
        file = self._directory.token_file
        known = file.read_text().strip() if file.exists() else ""
        token = self._control.call("token", known=known)["token"]
        if token != known:
            write_private(file, f"{token}\n")

    async def _running(self) -> None:
        """Return once every device and every service has a server."""
        try:
            async with asyncio.timeout(_PATIENCE):
                while True:
                    try:
                        status = self._control.call("status")
                        is_complete = all(device["counters"] for device in status["devices"])
                        if is_complete and all(service["running"] for service in status["services"]):
                            return
                    except ControlError:
                        pass
                    await asyncio.sleep(_POLL)
        except TimeoutError:
            raise Unavailable("the simulated data centre does not start; see its messages above") from None


def _seed(session: Session, world: World, vault: Vault) -> None:
    """Every simulated node as an operator would register it; the device that switches it is its control."""
    node_class = session.scalars(select(NodeClass).where(NodeClass.is_default)).one()
    node_type = select(NodeType.id).where(NodeType.node_class_id == node_class.id, NodeType.name == "")
    image = select(NodeImage.id).where(NodeImage.image_name == "default")
    place = {
        "node_class_id": node_class.id,
        "node_type_id": session.scalar(node_type),
        "image_id": session.scalar(image),
    }
    now = utc_now()
    for device in (each for each in world.devices.values() if each.kind != NODE_OS):
        control = _control(device, vault)
        session.add(control)
        for port, name in device.outlets.items():
            node = _node(world.node(name), place, now)
            session.add(node)
            session.flush()
            node.mac_address = _MAC.format(*divmod(node.id, 256))
            session.add(_assignment(node, control, port))
    _log_on(session, world, vault)


def _log_on(session: Session, world: World, vault: Vault) -> None:
    """The way into each simulated operating system, as an operator would set it for the node."""
    named = dict(session.execute(select(Node.name, Node).where(Node.name.is_not(None))).all())
    for device in (each for each in world.devices.values() if each.kind == NODE_OS):
        node, account = named[world.wired(device.name, OUTLET).name], device.accounts[1]
        node.ip_addresses = [HOST, world.wired(device.name, OUTLET).address]
        session.add(
            NodeLogin(
                node_id=node.id,
                login=account.name,
                port_number=device.port,
                sealed_password=vault.seal(account.password),
                host_key=public_host_key(device),
                updated_at=utc_now(),
            )
        )


def _control(device: simulated.Device, vault: Vault) -> PowerControl:
    driver = driver_for(_CONTROL_TYPES[device.kind])
    account = next(iter(device.accounts.values()), None)
    return PowerControl(
        title=device.name,  # the name by which `cloudmanager lab` knows it
        control_type=driver.control_type,
        protocol_type=driver.protocol_type,
        host=HOST,
        port_number=device.port,
        login=account.name if account else None,
        sealed_password=vault.seal(account.password) if account else None,
        coils_count=driver.coils_count,
        options=_options(device),
    )


def _options(device: simulated.Device) -> dict[str, str]:
    """What our driver has to know of a simulated device besides its address and account."""
    match device.kind:
        case "redfish":
            return {"tls": "off"}
        case "libvirt":
            return {"host_key": public_host_key(device)}
    return {}


def _node(machine: simulated.Node, place: dict[str, int | None], now: datetime) -> Node:
    return Node(
        name=machine.name,
        condition=_ENABLED,
        dtc_number=1,
        row_number=1,
        rack_number=machine.rack,
        unit_number=machine.unit,
        power_state=PowerState.ON if machine.on else PowerState.OFF,
        power_state_checked_at=now,
        **place,
    )


def _assignment(node: Node, control: PowerControl, port: str) -> NodeControl:
    return NodeControl(
        node_id=node.id,
        power_control_id=control.id,
        power_control_port=port,
        is_default=True,
        is_initialized=True,
        power_state=node.power_state,
        power_state_checked_at=node.power_state_checked_at,
    )


def _correct_ports(session: Session, world: World) -> None:
    """A device whose port was taken in the meantime listens on another one now."""
    for control in session.scalars(select(PowerControl).where(PowerControl.host == HOST)):
        device = world.devices.get(control.title)
        if device and device.port != control.port_number:
            LOG.warning("simulated device has moved", device=device.name, port=device.port)
            control.port_number = device.port
    query = select(Node.name, NodeLogin).join(NodeLogin, NodeLogin.node_id == Node.id)
    logins = dict(session.execute(query).all())
    for device in (each for each in world.devices.values() if each.kind == NODE_OS):
        login = logins.get(world.wired(device.name, OUTLET).name)
        if login and login.port_number != device.port:
            LOG.warning("simulated node has moved", device=device.name, port=device.port)
            login.port_number = device.port
