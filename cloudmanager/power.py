"""The Power port: opens the right driver for a row and keeps it open while it is used.

One `Power` per event loop. Commands to one device go one at a time; idle devices are logged out.
"""

from __future__ import annotations

import asyncio
import enum
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from prometheus_client import Histogram
from sqlalchemy import select

from cloudmanager.batch import Batcher
from cloudmanager.drivers import driver_for
from cloudmanager.drivers.base import Action, Driver, PowerState, Settings
from cloudmanager.drivers.options import checked
from cloudmanager.errors import Conflict, CredentialsRefused, DeviceError, NotFound
from cloudmanager.models import PowerControl

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence

    from cloudmanager.config import Config
    from cloudmanager.db import Database
    from cloudmanager.vault import Vault

T = TypeVar("T")

COMMAND_SECONDS = Histogram(
    "cloudmanager_power_command_seconds",
    "Time that devices took to answer commands.",
    ["control_type", "command", "outcome"],
)


@dataclass(frozen=True)
class Outlet:
    """A port of a power control; `title` is the control's, for people."""

    control_id: int
    port: str
    title: str = field(default="", compare=False)

    def __str__(self) -> str:
        return f"port {self.port} of {self.title or f'power control {self.control_id}'}"


class Password(enum.StrEnum):
    """One of the two passwords that a control has while its password is being changed."""

    CURRENT = "current"
    PENDING = "pending"


class Stored(Protocol):
    """What is stored of how to reach a device."""

    @property
    def control_type(self) -> str:
        """Type of the device."""

    @property
    def host(self) -> str:
        """Name or address."""

    @property
    def port_number(self) -> int:
        """Port."""

    @property
    def login(self) -> str | None:
        """Login."""

    @property
    def sealed_password(self) -> str | None:
        """Password, encrypted."""

    @property
    def sealed_ssh_key(self) -> str | None:
        """Private key, encrypted."""

    @property
    def options(self) -> Mapping[str, Any]:
        """Options of its type that differ from the defaults."""


def settings_for(stored: Stored, vault: Vault, limits: Any) -> Settings:
    """How to reach a device; `limits` are those of `[power]`. `InvalidInput` for what its type has not."""
    driver = driver_for(stored.control_type)
    options: dict[str, Any] = checked(driver, stored.options)
    return driver.settings_type(
        host=stored.host,
        port=stored.port_number,
        login=stored.login or "",
        password=vault.open(stored.sealed_password),
        ssh_key=vault.open(stored.sealed_ssh_key),
        timeout=limits.device_timeout,
        min_interval=limits.min_interval,
        log_ons=limits.log_ons,
        **options,
    )


class _Control(NamedTuple):
    """The columns of a control that a driver is made from; when one changes, the driver is made anew."""

    id: int
    control_type: str
    host: str
    port_number: int
    login: str | None
    sealed_password: str | None
    sealed_ssh_key: str | None
    options: dict[str, Any]
    sealed_pending_password: str | None

    @property
    def changed(self) -> _Control:
        """The same with the pending password instead of the current one."""
        return self._replace(sealed_password=self.sealed_pending_password)


@dataclass
class _Opened:
    control: _Control
    driver: Driver
    users: int = 0
    used_at: float = 0.0


class Power:
    """Reads and switches outlets. Raises `NotFound` for a control that is gone, and the `DeviceError`s."""

    def __init__(self, database: Database, vault: Vault, config: Config) -> None:
        self._database = database
        self._vault = vault
        self._options = config.power
        self._controls = Batcher(self._load)
        self._opened: dict[int, _Opened] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._reaper: asyncio.Task[None] | None = None

    async def read(self, outlet: Outlet) -> PowerState:
        """What the device says of the outlet now."""
        states = await self._ask("read", outlet.control_id, lambda driver: driver.read_states([outlet.port]))
        return states.get(outlet.port, PowerState.UNKNOWN)

    async def apply(self, outlet: Outlet, action: Action) -> None:
        """Send one command; return means that the device accepted it."""
        await self._ask(action.value, outlet.control_id, lambda driver: driver.apply(outlet.port, action))

    async def actions(self, outlet: Outlet) -> frozenset[Action]:
        """What the device can do."""
        control = await self._controls.submit(outlet.control_id)
        return driver_for(control.control_type).actions

    async def set_next_boot_from_network(self, outlet: Outlet) -> None:
        """Make the next start of the machine, and only that one, come from the network; switches nothing."""
        await self._ask(
            "next_boot", outlet.control_id, lambda driver: driver.set_next_boot_from_network(outlet.port)
        )

    async def accepts(self, control_id: int, which: Password) -> bool:
        """Whether this password logs in now; an open session proves nothing."""
        control = await self._being_changed(control_id)
        try:
            await self._ask_apart(
                "log_in",
                control.changed if which is Password.PENDING else control,
                lambda driver: driver.log_in(),
            )
        except CredentialsRefused:
            return False
        return True

    async def set_password(self, control_id: int) -> None:
        """Give the device the pending password; the current one must be good."""
        control = await self._being_changed(control_id)
        new = self._vault.open(control.sealed_pending_password)
        await self._ask_apart("set_password", control, lambda driver: driver.set_password(new))

    async def close(self) -> None:
        """Log out of every device."""
        if self._reaper is not None:
            self._reaper.cancel()
        for opened in self._opened.values():
            self._close(opened)
        self._opened.clear()
        await asyncio.gather(*self._closing)

    async def _ask(self, command: str, control_id: int, call: Callable[[Driver], Awaitable[T]]) -> T:
        """Have the driver do it. While the password is being changed, either of the two may be the good one.

        A refused one is not tried again as long as the other works, because devices lock accounts.
        """
        control = await self._controls.submit(control_id)
        opened = self._opened.get(control_id)
        if opened and control.sealed_pending_password and opened.control == control.changed:
            control = opened.control
        try:
            return await self._ask_as(command, control, call)
        except CredentialsRefused:
            now = await self._controls.submit(control_id)
            both = [now, now.changed] if now.sealed_pending_password else [now]
            other = next((each for each in both if each.sealed_password != control.sealed_password), None)
            if other is None:
                raise
        return await self._ask_as(command, other, call)

    async def _ask_as(self, command: str, control: _Control, call: Callable[[Driver], Awaitable[T]]) -> T:
        async with self._driver(control) as driver:
            with _measured(driver, command):
                return await call(driver)

    async def _ask_apart(
        self, command: str, control: _Control, call: Callable[[Driver], Awaitable[None]]
    ) -> None:
        """By a driver for this alone."""
        driver = self._new_driver(control)
        try:
            with _measured(driver, command):
                await call(driver)
        finally:
            await driver.close()

    async def _being_changed(self, control_id: int) -> _Control:
        control: _Control = await self._controls.submit(control_id)
        if control.sealed_pending_password is None:
            raise Conflict(f"the password of power control {control_id} is not being changed")
        return control

    def _new_driver(self, control: _Control) -> Driver:
        return driver_for(control.control_type)(settings_for(control, self._vault, self._options))

    @asynccontextmanager
    async def _driver(self, control: _Control) -> AsyncIterator[Driver]:
        control_id = control.id
        opened = self._opened.get(control_id)
        if opened is None or opened.control != control:
            opened = self._open(control, opened)
        opened.users += 1
        try:
            yield opened.driver
        finally:
            opened.users -= 1
            opened.used_at = time.monotonic()
            if not opened.users and self._opened.get(control_id) is not opened:
                self._close(opened)

    def _open(self, control: _Control, former: _Opened | None) -> _Opened:
        if former is not None and not former.users:
            self._close(former)
        opened = _Opened(control, self._new_driver(control))
        self._opened[control.id] = opened
        if self._reaper is None:
            self._reaper = asyncio.create_task(self._log_out_idle())
        return opened

    def _close(self, opened: _Opened) -> None:
        task = asyncio.create_task(opened.driver.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _log_out_idle(self) -> None:
        idle = self._options.session_idle
        while True:
            await asyncio.sleep(idle / 4)
            before = time.monotonic() - idle
            unused = [
                key for key, opened in self._opened.items() if not opened.users and opened.used_at < before
            ]
            for key in unused:
                self._close(self._opened.pop(key))

    def _load(self, ids: Sequence[int]) -> list[_Control | Exception]:
        """The rows of these controls, by one query."""
        query = select(*(getattr(PowerControl, name) for name in _Control._fields)).where(
            PowerControl.id.in_(set(ids))
        )
        with self._database.reading() as session:
            found = {row.id: _Control(*row) for row in session.execute(query)}
        gone = "power control {} is gone: assign the node another one"
        return [found.get(control_id) or NotFound(gone.format(control_id)) for control_id in ids]


class Probe:
    """Reads devices from code that has no event loop, outside any flow: checks before storing."""

    def __init__(self, config: Config) -> None:
        self._options = config.power

    def probe(
        self, control_type: str, settings: Settings, outlets: Collection[str] = ()
    ) -> Mapping[str, PowerState]:
        """The state of these outlets, or of every one; raises `DeviceUnreachable` or `DeviceRefused`."""
        return asyncio.run(self._probe(driver_for(control_type)(settings), outlets))

    async def _probe(self, driver: Driver, outlets: Collection[str]) -> Mapping[str, PowerState]:
        try:
            with _measured(driver, "read"):
                return await driver.read_states(outlets)
        finally:
            await driver.close()


class _measured:  # noqa: N801  # reads as a statement: `with _measured(driver, "read")`
    """Observes how long a command took and what came of it."""

    def __init__(self, driver: Driver, command: str) -> None:
        self._labels = {"control_type": driver.control_type, "command": command}
        self._begun = 0.0

    def __enter__(self) -> None:
        self._begun = time.perf_counter()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        outcome = "ok" if kind is None else kind.__name__ if issubclass(kind, DeviceError) else "error"
        COMMAND_SECONDS.labels(**self._labels, outcome=outcome).observe(time.perf_counter() - self._begun)
