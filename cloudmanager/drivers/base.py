"""The contract of a power driver: two verbs and a declaration.

A driver speaks one wire protocol to one device. It sends one command and returns; it never sleeps to wait
for an effect, never repeats a command that may have been obeyed, never polls: the flow confirms by reading
back. Only `cloudmanager.errors.DeviceError` and its children come out, and no secret is in any of them.
"""

from __future__ import annotations

import asyncio
import enum
import functools
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from cloudmanager.errors import DeviceError, DeviceRefused, Unsupported

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    OnRead = Callable[[Mapping[str, "PowerState"] | DeviceError], None]


class PowerState(enum.StrEnum):
    """What a device says of an outlet. Unknown is not off."""

    ON = "power_on"
    OFF = "power_off"
    UNKNOWN = "unknown"


class Action(enum.StrEnum):
    """What can be asked of an outlet. `SOFT_OFF` presses the ACPI button; `RESET` never changes off to on."""

    ON = "on"
    OFF = "off"
    SOFT_OFF = "soft_off"
    RESET = "reset"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to reach one device. Times are in seconds; secrets are kept out of `repr`.

    A driver that takes more adds fields in a subclass, its `settings_type`: see `options`.
    """

    host: str
    port: int
    login: str = ""
    password: str = field(default="", repr=False)
    ssh_key: str = field(default="", repr=False)
    timeout: float = 5.0
    min_interval: float = 0.0
    log_ons: int = 0
    """How many log-ons the process has under way at once, where they are dear (SSH); 0: any number."""


class Driver(ABC):
    """One device. Not shared between event loops; `close` is called exactly once, on the same loop."""

    control_type: ClassVar[str]
    protocol_type: ClassVar[str]
    default_port: ClassVar[int]
    coils_count: ClassVar[int]
    actions: ClassVar[frozenset[Action]]
    settings_type: ClassVar[type[Settings]] = Settings
    names_outlets: ClassVar[bool] = False
    """Whether the device names its outlets: only it knows which there are."""
    counts_outlets: ClassVar[bool] = False
    """Whether only the device knows how many outlets it has; they are numbered from 1."""
    uses_ssh_key: ClassVar[bool] = False
    boots_from_network: ClassVar[bool] = False
    """Whether `set_next_boot_from_network` works."""
    longest_password: ClassVar[int] = 0
    """How many bytes a password given to `set_password` may have; 0: this device cannot set one."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._one_at_a_time = asyncio.Lock()
        self._free_at = 0.0
        self._polls: set[asyncio.Task[None]] = set()

    async def read_states(self, outlets: Collection[str]) -> Mapping[str, PowerState]:
        """Read what the device says of each outlet, with as few exchanges as the device allows.

        Without any, of all that it has.
        """
        outlets = outlets or (() if self.counts_outlets else self.valid_outlets())
        for outlet in outlets:
            self.check_outlet(outlet)
        async with self._one_at_a_time:
            await self._keep_interval()
            return await self._read_states(outlets)

    def poll(self, outlets: Collection[str], on_read: OnRead) -> None:
        """Read as `read_states` does, and hand what comes of it to `on_read`: once, later, on the event loop.

        For fleets: a driver overrides this when it can do it without a task of its own.
        """
        task = asyncio.get_running_loop().create_task(self._poll(outlets, on_read))
        self._polls.add(task)
        task.add_done_callback(self._polls.discard)

    async def _poll(self, outlets: Collection[str], on_read: OnRead) -> None:
        try:
            result: Mapping[str, PowerState] | DeviceError = await self.read_states(outlets)
        except DeviceError as error:
            result = error
        on_read(result)

    async def apply(self, outlet: str, action: Action) -> None:
        """Send one command. Return means that the device accepted it, not that it is done."""
        self.check_outlet(outlet)
        if action not in self.actions:
            raise Unsupported(f"{self} cannot do {action}; it can do {', '.join(sorted(self.actions))}")
        async with self._one_at_a_time:
            await self._keep_interval()
            await self._apply(outlet, action)

    async def set_next_boot_from_network(self, outlet: str) -> None:
        """Make the next start of the machine, and only that one, come from the network. Switches nothing."""
        self.check_outlet(outlet)
        if not self.boots_from_network:
            raise Unsupported(f"{self} cannot choose what a machine starts from")
        async with self._one_at_a_time:
            await self._keep_interval()
            await self._set_next_boot_from_network(outlet)

    async def log_in(self) -> None:
        """Prove login and password by a session of its own, which ends at once; raises `CredentialsRefused`.

        A session that is open proves nothing: it may be older than the password.
        """
        self._check_sets_passwords()
        async with self._one_at_a_time:
            await self._keep_interval()
            await self._log_in()

    async def set_password(self, password: str) -> None:
        """Change the password of the account that we log in with. This driver goes on with the one it has."""
        self._check_sets_passwords()
        if len(password.encode()) > self.longest_password:
            raise DeviceRefused(f"{self} takes passwords of up to {self.longest_password} bytes")
        async with self._one_at_a_time:
            await self._keep_interval()
            await self._set_password(password)

    async def close(self) -> None:
        """End the session on the device, if any. Never raises: a device that is gone has no session."""
        async with self._one_at_a_time:
            await self._close()

    @classmethod
    @functools.cache
    def valid_outlets(cls) -> tuple[str, ...]:
        """The outlets that every device of this type has: "1".."N"; none when they have names."""
        return tuple(str(number) for number in range(1, cls.coils_count + 1))

    @classmethod
    def may_have_outlet(cls, outlet: str) -> bool:
        """Whether a device of this type can have that outlet, as far as that is known without asking it."""
        return outlet in cls.valid_outlets()

    def check_outlet(self, outlet: str) -> None:
        """Refuse an outlet that this device cannot have (`DeviceRefused`)."""
        if not self.may_have_outlet(outlet):
            ports = "named by it" if self.names_outlets else f"1..{self.coils_count}"
            raise DeviceRefused(f"{self} has no port {outlet[:255]!r}; its ports are {ports}")

    @abstractmethod
    async def _read_states(self, outlets: Collection[str]) -> Mapping[str, PowerState]: ...

    @abstractmethod
    async def _apply(self, outlet: str, action: Action) -> None: ...

    async def _set_next_boot_from_network(self, outlet: str) -> None:
        raise NotImplementedError

    def _check_sets_passwords(self) -> None:
        if not self.longest_password:
            raise Unsupported(f"{self} cannot change its password over the network")

    async def _log_in(self) -> None:
        raise NotImplementedError

    async def _set_password(self, password: str) -> None:
        raise NotImplementedError

    @abstractmethod
    async def _close(self) -> None: ...

    async def _keep_interval(self) -> None:
        """Keep `min_interval` between commands: many boards lose a command that comes too soon."""
        loop = asyncio.get_running_loop()
        if (pause := self._free_at - loop.time()) > 0:
            await asyncio.sleep(pause)
        self._free_at = loop.time() + self.settings.min_interval

    def __str__(self) -> str:
        return f"{self.protocol_type}://{self.control_type}@{self.settings.host}:{self.settings.port}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self}>"
