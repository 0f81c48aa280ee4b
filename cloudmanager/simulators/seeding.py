"""What stands in the demo's data centre besides its racks of machines with a BMC each."""

from __future__ import annotations

import random
import string
from typing import TYPE_CHECKING

from cloudmanager.simulators.node_os.server import add_os
from cloudmanager.simulators.node_os.system import System
from cloudmanager.simulators.openstack.seeding import STORAGE_HOSTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudmanager.simulators.datacentre import DataCentre

BOARDS = (("modbus", "et7067"), ("snmp", "daenet"), ("buttons", "daenet-acpi"))
NODES_PER_BOARD = 2
MACHINES = (
    ("blades", "redfish", "root", 4),
    ("server", "redfish", "root", 1),
    ("desktop1", "amt", "admin", 1),
    ("desktop2", "amt", "admin", 1),
)
GUESTS = 4
_EVERY_NTH_REDHAT = 3


def seed_boards(centre: DataCentre, *, rack: int = 4) -> None:
    """Put a relay board of each kind into a rack: two nodes on its first ports, the others free."""
    passwords = random.Random(f"{centre.world.seed} {rack}")
    for place, (name, kind) in enumerate(BOARDS):
        wired = {}
        for port in range(1, NODES_PER_BOARD + 1):
            unit = NODES_PER_BOARD * place + port
            node = centre.world.add_node(f"r{rack}n{unit:02}.demo.local", rack=rack, unit=unit, on=port == 1)
            wired[str(port)] = node.name
        login, password = ("", "") if kind == "et7067" else ("public", _password(passwords))
        centre.add_board(f"{name}-r{rack}", kind, wired, login=login, password=password)


def seed_services(centre: DataCentre, *, rack: int = 5) -> None:
    """Fill a rack with machines that speak HTTP: blades behind one Redfish service, a server, desktops."""
    passwords = random.Random(f"{centre.world.seed} {rack}")
    unit = 0
    for name, kind, login, count in MACHINES:
        wired = {}
        for outlet in range(1, count + 1):
            unit += 1
            node = centre.world.add_node(
                f"r{rack}n{unit:02}.demo.local", rack=rack, unit=unit, on=outlet == 1
            )
            wired[str(outlet)] = node.name
        centre.add_board(f"{name}-r{rack}", kind, wired, login=login, password=_password(passwords))


def seed_guests(centre: DataCentre, *, rack: int = 6) -> None:
    """Put a libvirt host into a rack: its virtual machines are nodes, which go by their own names."""
    passwords = random.Random(f"{centre.world.seed} {rack}")
    wired = {}
    for unit in range(1, GUESTS + 1):
        name = f"r{rack}n{unit:02}"
        node = centre.world.add_node(f"{name}.demo.local", rack=rack, unit=unit, on=unit % 2 == 1)
        wired[name] = node.name
    centre.add_board(f"libvirt-r{rack}", "libvirt", wired, login="root", password=_password(passwords))


def seed_storage(centre: DataCentre, *, rack: int = 7) -> None:
    """Put the storage hosts of the cloud into a rack: each with a BMC, and an operating system with LVM."""
    passwords = random.Random(f"{centre.world.seed} {rack}")
    for unit, name in enumerate(STORAGE_HOSTS, start=1):
        centre.add_node(name, rack=rack, unit=unit, password=_password(passwords))
        add_os(centre.world, name, password=_password(passwords))


def seed_systems(centre: DataCentre, nodes: Sequence[str]) -> None:
    """Install operating systems on nodes, of both families."""
    passwords = random.Random(f"{centre.world.seed} systems")
    for number, name in enumerate(nodes):
        device = add_os(centre.world, name, password=_password(passwords))
        if number % _EVERY_NTH_REDHAT == _EVERY_NTH_REDHAT - 1:
            System(centre.world, device.name).part("family", "redhat")


def _password(passwords: random.Random) -> str:
    return "".join(passwords.choices(string.ascii_letters + string.digits, k=14))
