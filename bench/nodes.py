"""Ten thousand nodes without any machine behind them: each with a power control and two storages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import insert

from cloudmanager.models import (
    AvailabilityStorage,
    Node,
    NodeAvailabilityStorage,
    NodeControl,
    PowerControl,
    utc_now,
)

if TYPE_CHECKING:
    from cloudmanager.db import Database

STORAGES = (1, 2)


def fill(database: Database, count: int) -> None:
    """Put them into an empty inventory; their ids are 1, 2, 3 …."""
    numbers = range(1, count + 1)
    with database.transaction() as session:
        for table, rows in (
            (AvailabilityStorage, [_storage(number) for number in STORAGES]),
            (PowerControl, [_control(number) for number in numbers]),
            (Node, [_node(number) for number in numbers]),
            (NodeControl, [_assignment(number) for number in numbers]),
            (
                NodeAvailabilityStorage,
                [
                    {"node_id": number, "availability_storage_id": each}
                    for number in numbers
                    for each in STORAGES
                ],
            ),
        ):
            session.execute(insert(table), rows)


def _storage(number: int) -> dict[str, Any]:
    return {"name": f"nfs{number}", "compute_path": f"/mnt/{number}", "controller_path": f"/srv/{number}"}


def _control(number: int) -> dict[str, Any]:
    return {
        "title": f"bmc{number:05}",
        "control_type": "SupermicroRackDevice",
        "protocol_type": "ipmi",
        "host": f"10.{number >> 8 & 255}.{number & 255}.9",
        "port_number": 623,
        "login": "ADMIN",
        "coils_count": 1,
    }


def _node(number: int) -> dict[str, Any]:
    return {
        "name": f"node{number:05}.example",
        "title": f"rack {number // 40}, unit {number % 40}",
        "description": "bought in 2024, support until 2029",
        "owner": "infrastructure",
        "condition": 1,
        "inventory_code": f"{number:08}",
        "node_class_id": 1,
        "node_type_id": 1 + number % 7,
        "image_id": 1,
        "hypervisor_id": f"00000000-0000-4000-8000-{number:012}",
        "dtc_number": 1,
        "row_number": 1 + number // 400 % 99,
        "rack_number": 1 + number // 40 % 99,
        "unit_number": 1 + number % 40,
        "cpu_amount": 64,
        "ram_mb": 524288,
        "hdd_gb": 7680,
        "mac_address": f"aa:bb:cc:00:{number >> 8 & 255:02x}:{number & 255:02x}",
        "ip_addresses": [f"10.{number >> 8 & 255}.{number & 255}.1"],
        "node_metadata": {"row": number % 25, "vendor": "example"},
        "power_state": "power_on",
        "power_state_checked_at": utc_now(),
    }


def _assignment(number: int) -> dict[str, Any]:
    return {
        "node_id": number,
        "power_control_id": number,
        "power_control_port": "1",
        "is_default": True,
        "is_initialized": True,
        "power_state": "power_on",
    }
