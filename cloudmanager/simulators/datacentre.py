"""A whole data centre in one process: a world, a server for each of its devices, a file that keeps both."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import resource
import signal
import string
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from cloudmanager.simulators.amt import AmtService
from cloudmanager.simulators.clock import ManualClock
from cloudmanager.simulators.control import ControlServer
from cloudmanager.simulators.ipmi import Bmc
from cloudmanager.simulators.modbus import Et7067
from cloudmanager.simulators.node_os import NodeOs
from cloudmanager.simulators.openstack.cloud import OpenStack
from cloudmanager.simulators.openstack.compute import Compute
from cloudmanager.simulators.openstack.seeding import seed_cloud
from cloudmanager.simulators.redfish import RedfishService
from cloudmanager.simulators.relays import mains_closed
from cloudmanager.simulators.seeding import (
    seed_boards,
    seed_guests,
    seed_services,
    seed_storage,
    seed_systems,
)
from cloudmanager.simulators.snmp import AcpiBoard, MainsBoard
from cloudmanager.simulators.ssh import SshHost
from cloudmanager.simulators.world import Account, Device, World

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cloudmanager.simulators.clock import Clock

LOG = logging.getLogger(__name__)
HOST = "127.0.0.1"
SAVE_DELAY = 0.5  # seconds; many changes are one save
CLOUD_SAVE_DELAY = 2.0  # a cloud changes all the time while its servers move
FORMAT = "world-1"  # a key of the state file, renamed when its content changes
CLOUD = "cloud-1"  # the other key; it is not there when there is no cloud
NOVA_DATABASE = "nova.db"  # beside the state file
_MAINS = ("et7067", "daenet")  # kinds of boards whose relays carry the power of the nodes
_BMC_ACCOUNT = 2  # user id 1 is the nameless user of IPMI (§22.28)
_EVERY_NTH_OFF = 7
_SPARE_FILES = 200


class Server(Protocol):
    """What speaks the protocol of one device."""

    async def start(self, host: str, port: int) -> int:
        """Listen, and answer the real port; `OSError` if the wanted one is taken."""
        ...

    async def stop(self) -> None:
        """Listen no more."""
        ...

    def report(self) -> dict[str, Any]:
        """What it counted, in values that JSON can hold."""
        ...


SERVERS: dict[str, Callable[[World, str], Server]] = {  # by the kind of device
    "bmc": Bmc,
    "redfish": RedfishService,
    "amt": AmtService,
    "libvirt": SshHost,
    "et7067": Et7067,
    "daenet": MainsBoard,
    "daenet-acpi": AcpiBoard,
}


class DataCentre:
    """Nodes, their devices and the servers that answer for them; a cloud on the nodes, where there is one."""

    def __init__(
        self, world: World | None = None, *, state_file: Path | None = None, cloud: OpenStack | None = None
    ) -> None:
        self.world = world or World()
        self.cloud = cloud
        self.servers: dict[str, Server] = {}
        self._state_file = state_file
        self._save_at: float | None = None  # on the loop's clock; None: nothing has changed
        self._stop_watching: Callable[[], None] | None = None

    @classmethod
    def seeded(
        cls,
        racks: int = 3,
        nodes_per_rack: int = 20,
        *,
        seed: int = 1,
        state_file: Path | None = None,
        clock: Clock | None = None,
    ) -> DataCentre:
        """Build nodes r1n01.demo.local …, every 7th off, each with a BMC that has its own password."""
        centre = cls(World(seed=seed, clock=clock), state_file=state_file)
        passwords = random.Random(seed)
        for number in range(racks * nodes_per_rack):
            rack, unit = number // nodes_per_rack + 1, number % nodes_per_rack + 1
            password = "".join(passwords.choices(string.ascii_letters + string.digits, k=14))
            name = f"r{rack}n{unit:02}.demo.local"
            on = (number + 1) % _EVERY_NTH_OFF != 0
            centre.add_node(name, rack=rack, unit=unit, password=password, on=on)
        return centre

    @classmethod
    def load(cls, state_file: Path, *, clock: Clock | None = None) -> DataCentre:
        """Build what `save` wrote; `ValueError` names the file if it is not such a state."""
        try:
            kept = json.loads(state_file.read_bytes())
            world = World.from_dict(kept[FORMAT], clock=clock)
            database = state_file.with_name(NOVA_DATABASE)
            cloud = OpenStack.from_dict(kept[CLOUD], world, database=database) if CLOUD in kept else None
        except (ValueError, KeyError, TypeError) as problem:
            raise ValueError(f"{state_file} is not a state of the data centre: {problem!r}") from problem
        return cls(world, state_file=state_file, cloud=cloud)

    def add_cloud(self, nodes: Sequence[str]) -> OpenStack:
        """Put the cloud of a demo on these nodes."""
        database = None
        if self._state_file:
            self._state_file.parent.mkdir(parents=True, exist_ok=True)
            database = self._state_file.with_name(NOVA_DATABASE)
        self.cloud = OpenStack(self.world, compute=Compute(self.world, database=database))
        seed_cloud(self.cloud, nodes)
        return self.cloud

    def add_node(
        self,
        name: str,
        rack: int,
        unit: int,
        *,
        bmc_port: int = 0,
        login: str = "ADMIN",
        password: str = "ADMIN",  # noqa: S107 - the factory password of the machines that this imitates
        on: bool = True,
    ) -> Device:
        """Put a node with its BMC into a rack. In a running data centre call `start` again afterwards."""
        self.world.add_node(name, rack=rack, unit=unit, on=on)
        account = Account(login, password)
        bmc = f"bmc-{name.partition('.')[0]}"
        device = self.world.add_device(bmc, "bmc", port=bmc_port, accounts={_BMC_ACCOUNT: account})
        self.world.plug(bmc, "1", name)
        return device

    def add_board(
        self,
        name: str,
        kind: str,
        wired: dict[str, str],
        *,
        port: int = 0,
        login: str = "",
        password: str = "",
    ) -> Device:
        """Put a board of relays on the network, its outlets wired to nodes; others stay free.

        `login` and `password` are the communities of a board that speaks SNMP: for reading, for both.
        """
        accounts = {1: Account(login, password)} if password else {}
        device = self.world.add_device(name, kind, port=port, accounts=accounts)
        for outlet, node in wired.items():
            self.world.plug(name, outlet, node)
        if kind in _MAINS:
            device.memory |= mains_closed({o: self.world.is_on(node) for o, node in wired.items()})
        return device

    async def start(self) -> None:
        """Start the servers that do not run yet, on the ports they had; then keep the state file current."""
        _allow_open_files(len(self.world.devices) + _SPARE_FILES)
        for device in self.world.devices.values():
            if device.name not in self.servers:
                server = self._server(device)
                device.port = await _listen(server, device)
                self.servers[device.name] = server
        if self.cloud:
            await self.cloud.start(HOST)
        self.save()
        if self._state_file and not self._stop_watching:
            self._stop_watching = self.world.watch(lambda _event: self._save_soon(SAVE_DELAY))
            if self.cloud:
                self.cloud.watch(lambda: self._save_soon(CLOUD_SAVE_DELAY))

    def _server(self, device: Device) -> Server:
        if device.kind == NodeOs.kind:
            return NodeOs(self.world, device.name, self.cloud)
        return SERVERS[device.kind](self.world, device.name)

    async def stop(self) -> None:
        """Stop all servers and save, if `start` had come so far that the state file is ours."""
        while self.servers:
            _, server = self.servers.popitem()
            await server.stop()
        if self.cloud:
            await self.cloud.stop()
        if self._stop_watching:
            self._stop_watching()
            self._stop_watching = None
            self.save()

    def save(self) -> None:
        """Write the state file as a whole or not at all, for its owner only: it holds passwords."""
        self._save_at = None
        if self._state_file is None:
            return
        cloud = {CLOUD: self.cloud.to_dict()} if self.cloud else {}
        content = json.dumps({FORMAT: self.world.to_dict(), **cloud})
        self._state_file.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=self._state_file.parent, prefix=self._state_file.name)
        try:
            with os.fdopen(handle, "w") as file:  # mkstemp made it with mode 0600
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(self._state_file)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    def status(self) -> dict[str, Any]:
        """All nodes and all devices, without passwords."""
        wired: dict[str, list[str]] = {name: [] for name in self.world.nodes}
        for device in self.world.devices.values():
            for node in device.outlets.values():
                wired[node].append(device.name)
        return {
            "nodes": [
                {
                    "name": node.name,
                    "rack": node.rack,
                    "unit": node.unit,
                    "on": node.on,
                    "boots": node.boots,
                    "boot_id": node.boot_id,
                    "resets": node.resets,
                    "power_changed_at": node.power_changed_at,
                    "devices": wired[node.name],
                }
                for node in self.world.nodes.values()
            ],
            "devices": [self._device_status(device) for device in self.world.devices.values()],
            "services": [{**row, "host": HOST} for row in self.cloud.status()] if self.cloud else [],
        }

    def _device_status(self, device: Device) -> dict[str, Any]:
        server = self.servers.get(device.name)
        return {
            "name": device.name,
            "kind": device.kind,
            "host": HOST,
            "port": device.port,
            "outlets": device.outlets,
            "faults": device.faults.to_dict(),
            "counters": server.report() if server else {},
        }

    def _save_soon(self, delay: float) -> None:
        loop = asyncio.get_running_loop()
        if self._save_at is None or loop.time() + delay < self._save_at:
            self._save_at = loop.time() + delay
            loop.call_later(delay, self._save_if_pending)

    def _save_if_pending(self) -> None:
        if self._save_at is not None:
            self.save()


async def serve(state_file: Path, control_socket: Path, *, racks: int, nodes_per_rack: int) -> None:
    """Run until SIGTERM or SIGINT. A state file that exists wins over `racks` and `nodes_per_rack`."""
    centre = found_or_new(state_file, racks, nodes_per_rack)
    control = ControlServer(centre, control_socket)
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    signals = (signal.SIGTERM, signal.SIGINT)
    for number in signals:
        loop.add_signal_handler(number, stopping.set)
    try:
        await control.start()
        await centre.start()
        LOG.info("data centre with %d nodes is up; control at %s", len(centre.world.nodes), control_socket)
        await stopping.wait()
    finally:
        await control.stop()
        await centre.stop()
        for number in signals:
            loop.remove_signal_handler(number)


def found_or_new(state_file: Path, racks: int, nodes_per_rack: int) -> DataCentre:
    """The data centre of that state file; without one, that of a demo, which is then saved there."""
    if not state_file.exists():
        clock = ManualClock(time.time())  # nothing happens before it runs
        centre = DataCentre.seeded(racks, nodes_per_rack, state_file=state_file, clock=clock)
        computes = list(centre.world.nodes)
        centre.add_cloud(computes)
        seed_boards(centre, rack=racks + 1)
        seed_services(centre, rack=racks + 2)
        seed_guests(centre, rack=racks + 3)
        seed_storage(centre, rack=racks + 4)
        seed_systems(centre, computes)
        centre.save()
    return DataCentre.load(state_file)


async def _listen(server: Server, device: Device) -> int:
    """Start on the port that the device had; if that is taken now, on another, and say so."""
    try:
        return await server.start(HOST, device.port)
    except OSError as problem:
        if device.port == 0:
            raise
        port = await server.start(HOST, 0)
        LOG.warning("%s: port %d is not free (%s); it is %d now", device.name, device.port, problem, port)
        return port


def _allow_open_files(needed: int) -> None:
    """Raise the limit of open files: each device has a socket."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        wanted = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
