"""What stands in the demo's data centre besides its racks of machines with a BMC each."""

from __future__ import annotations

import random
import string
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloudmanager.simulators.datacentre import DataCentre

BOARDS = (("modbus", "et7067"), ("snmp", "daenet"), ("buttons", "daenet-acpi"))
NODES_PER_BOARD = 2


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


def _password(passwords: random.Random) -> str:
    return "".join(passwords.choices(string.ascii_letters + string.digits, k=14))
