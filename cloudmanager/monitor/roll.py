"""What is to be watched: the devices of the inventory, shared out among the monitors that are alive."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from cloudmanager import leases
from cloudmanager.models import Lease, NodeControl, PowerControl

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloudmanager.db import Database

_LEASE = "monitor "


@dataclass(frozen=True)
class Plugged:
    """A node on an outlet; `is_default` says whether the node's state is read here."""

    port: str
    node_id: int
    is_default: bool
    state: str | None


@dataclass(frozen=True)
class Watched:
    """A device with the nodes on it, and what a driver is made from; secrets are sealed."""

    id: int
    title: str
    control_type: str
    host: str
    port_number: int
    login: str | None
    sealed_password: str | None
    sealed_ssh_key: str | None
    options: Mapping[str, Any]
    plugged: tuple[Plugged, ...]

    @property
    def connection(self) -> tuple[object, ...]:
        """What makes another driver necessary when it changes."""
        return (
            self.control_type,
            self.host,
            self.port_number,
            self.login,
            self.sealed_password,
            self.sealed_ssh_key,
            self.options,
        )


def watched(database: Database) -> list[Watched]:
    """Every device that has nodes on it, by two queries.

    Not one whose password is being changed: logging in with the wrong one again and again locks accounts.
    """
    devices = select(
        PowerControl.id,
        PowerControl.title,
        PowerControl.control_type,
        PowerControl.host,
        PowerControl.port_number,
        PowerControl.login,
        PowerControl.sealed_password,
        PowerControl.sealed_ssh_key,
        PowerControl.options,
    ).where(PowerControl.sealed_pending_password.is_(None))
    of_nodes = select(
        NodeControl.power_control_id,
        NodeControl.power_control_port,
        NodeControl.node_id,
        NodeControl.is_default,
        NodeControl.power_state,
    )
    plugged: dict[int, list[Plugged]] = {}
    with database.reading() as session:
        for control_id, port, node_id, is_default, state in session.execute(of_nodes):
            plugged.setdefault(control_id, []).append(Plugged(port, node_id, is_default, state))
        return [
            Watched(**row, plugged=tuple(plugged[row["id"]]))
            for row in session.execute(devices).mappings()
            if row["id"] in plugged
        ]


def share(devices: Sequence[Watched], name: str, monitors: Sequence[str]) -> list[Watched]:
    """The devices that fall to the monitor `name`; when a monitor comes or goes, few others change hands."""

    def weight(monitor: str, device: Watched) -> bytes:
        return hashlib.blake2b(f"{monitor}/{device.id}".encode(), digest_size=8).digest()

    if list(monitors) == [name]:
        return list(devices)
    return [device for device in devices if max(monitors, key=lambda each: weight(each, device)) == name]


def check_in(database: Database, name: str, now: float, seconds: float) -> list[str]:
    """Say that the monitor `name` is alive for so many seconds; answers all that are, `name` included."""
    leases.hold(database, _LEASE + name, name, now=now, seconds=seconds)
    query = select(Lease.holder).where(Lease.name.startswith(_LEASE), Lease.until > now)
    with database.reading() as session:
        return sorted({*session.scalars(query), name})


def check_out(database: Database, name: str) -> None:
    """Let the others have the devices at once."""
    leases.release(database, _LEASE + name, name)
