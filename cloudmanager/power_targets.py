"""Which machines `cloudmanager power` works on: nodes of the inventory, or devices of a file."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from cloudmanager import config as configuration
from cloudmanager import schema
from cloudmanager.db import Database
from cloudmanager.device_list import read_devices
from cloudmanager.drivers import driver_for
from cloudmanager.drivers.options import options_of
from cloudmanager.errors import InvalidInput
from cloudmanager.fleet import Device
from cloudmanager.models import Node, NodeControl, PowerControl
from cloudmanager.node_selection import selected
from cloudmanager.power import settings_for
from cloudmanager.vault import Vault, create_key_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from sqlalchemy.orm import Session

    from cloudmanager.config import Config

_DEFAULT_TIMEOUT = 5.0


@dataclass(frozen=True)
class Inventory:
    """Where the flows that switch the targets live, and the nodes' ids in the order of the targets."""

    config: Config
    database: Database
    vault: Vault
    node_ids: Sequence[int]


@dataclass(frozen=True)
class Targets:
    """Titles for people, devices to read, and the way to an inventory to switch them in."""

    titles: Sequence[str]
    devices: Sequence[Device]
    inventory: Callable[[], AbstractContextManager[Inventory]]


def from_device_file(path: Path, password_file: Path | None, timeout: float | None) -> Targets:
    """The devices of a file; outlets are told apart by `#port` when a device has several."""
    password = password_file.read_text().rstrip("\n") if password_file else None
    read = read_devices(path, password=password, timeout=timeout or _DEFAULT_TIMEOUT)
    if not read:
        raise InvalidInput(f"{path} names no device")
    titles = [f"{device.settings.host}:{device.settings.port}" for device in read]
    return Targets(titles, read, lambda: _passing_inventory(titles, read, timeout))


def from_database(config: Config, selectors: Sequence[str], timeout: float | None) -> Targets:
    """Nodes by id, name or pattern; without selectors all that have a power control. Raises `NotFound`."""
    if timeout is not None:
        config.set_override("device_timeout", timeout, group="power")
    database = Database.from_config(config)
    schema.check(database)
    vault = Vault(Path(config.secrets.key_file))
    with database.reading() as session:
        nodes = _select(session, selectors)
        devices = [_device(session, vault, node_id, config.power) for node_id, _ in nodes]

    @contextmanager
    def inventory() -> Iterator[Inventory]:
        yield Inventory(config, database, vault, [node_id for node_id, _ in nodes])
        database.close()

    return Targets([name or f"node {node_id}" for node_id, name in nodes], devices, inventory)


def _select(session: Session, selectors: Sequence[str]) -> list[tuple[int, str | None]]:
    nodes = selected(session, selectors)
    if selectors:
        return nodes
    with_control = set(session.scalars(select(NodeControl.node_id)))
    return [node for node in nodes if node[0] in with_control]


def _device(session: Session, vault: Vault, node_id: int, options: Any) -> Device:
    """The node's default control and its port there. Raises `InvalidInput` when there is none."""
    query = (
        select(PowerControl, NodeControl.power_control_port)
        .join(NodeControl)
        .where(NodeControl.node_id == node_id)
        .order_by(NodeControl.is_default.desc())
        .limit(1)
    )
    row = session.execute(query).one_or_none()
    if row is None:
        raise InvalidInput(f"node {node_id} has no power control: leave it out, or assign one")
    control, port = row
    settings = settings_for(control, vault, options)
    return Device(control.control_type, settings, (port,))


@contextmanager
def _passing_inventory(
    titles: Sequence[str], devices: Sequence[Device], timeout: float | None
) -> Iterator[Inventory]:
    """An inventory of these devices in a directory of its own, gone at the end."""
    directory = Path(tempfile.mkdtemp(prefix="cloudmanager-power."))
    try:
        key_file = directory / "key"
        create_key_file(key_file)
        vault = Vault(key_file)
        unlimited = {("power", "fleet_rate"): 0.0, ("power", "rack_rate"): 0.0}
        config = configuration.load(
            None, {**unlimited, ("power", "device_timeout"): timeout or _DEFAULT_TIMEOUT}
        )
        database = Database(f"sqlite:///{directory / 'flows.db'}", sqlite_synchronous="NORMAL")
        schema.upgrade(database)
        with database.transaction() as session:
            node_ids = [
                _insert(session, vault, title, device) for title, device in zip(titles, devices, strict=True)
            ]
        yield Inventory(config, database, vault, node_ids)
        database.close()
    finally:
        shutil.rmtree(directory)


def _insert(session: Session, vault: Vault, title: str, device: Device) -> int:
    settings, driver = device.settings, driver_for(device.control_type)
    outlets = device.outlets or driver.valid_outlets()
    if len(outlets) != 1:
        raise InvalidInput(f"{title} has {len(outlets)} outlets: say which in the column `outlet`")
    node = Node(title=title)
    control = PowerControl(
        title=title,
        control_type=driver.control_type,
        protocol_type=driver.protocol_type,
        host=settings.host,
        port_number=settings.port,
        login=settings.login,
        sealed_password=vault.seal(settings.password),
        options={name: getattr(settings, name) for name in options_of(driver)},
        coils_count=driver.coils_count,
    )
    session.add_all((node, control))
    session.flush()
    session.add(
        NodeControl(
            node_id=node.id, power_control_id=control.id, power_control_port=outlets[0], is_default=True
        )
    )
    return node.id
