"""`SupermicroRackDevice`: power of one machine through its BMC, by IPMI 2.0 over LAN."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
from typing import TYPE_CHECKING, ClassVar, Final, Literal

from cloudmanager.drivers.base import Action, Driver, PowerState, Settings
from cloudmanager.errors import CredentialsRefused, DeviceError, DeviceRefused, DeviceUnreachable

from . import commands
from .ciphers import SUITE_3, SUITE_17, Suite
from .logon import MAX_NAME, MAX_PASSWORD, Account
from .transport import Transport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping

    from cloudmanager.drivers.base import OnRead

    from .bmc import Bmc
    from .commands import Command
    from .wire import Address

    Ask = Callable[[Command], Awaitable[bytes]]

_SUITES: Final[dict[str, tuple[Suite, ...]]] = {
    "auto": (SUITE_3, SUITE_17),
    "3": (SUITE_3,),
    "17": (SUITE_17,),
}

_COMMANDS: Final[dict[Action, Command]] = {
    Action.ON: commands.POWER_ON,
    Action.OFF: commands.POWER_OFF,
    Action.RESET: commands.HARD_RESET,
    Action.SOFT_OFF: commands.SOFT_SHUTDOWN,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class IpmiSettings(Settings):
    """Adds the cipher suite."""

    cipher_suite: Literal["auto", "3", "17"] = dataclasses.field(
        default="auto",
        metadata={
            "help": "`auto` proposes suite 3, which nearly every BMC has, then 17 to one that refuses 3."
        },
    )


class SupermicroRackDevice(Driver):
    """A machine behind an IPMI 2.0 BMC. Drivers with the same address and account share one session."""

    control_type: ClassVar[str] = "SupermicroRackDevice"
    protocol_type: ClassVar[str] = "ipmi"
    default_port: ClassVar[int] = 623
    coils_count: ClassVar[int] = 1
    actions: ClassVar[frozenset[Action]] = frozenset(Action)
    settings_type: ClassVar[type[Settings]] = IpmiSettings
    boots_from_network: ClassVar[bool] = True
    longest_password: ClassVar[int] = MAX_PASSWORD

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._transport: Transport | None = None
        self._bmc: Bmc | None = None

    async def _read_states(self, outlets: Collection[str]) -> Mapping[str, PowerState]:
        state = await self._power_state(self._deadline())
        return dict.fromkeys(outlets, state)

    def poll(self, outlets: Collection[str], on_read: OnRead) -> None:
        """Read without a task: thousands of BMCs are asked in one turn of the event loop."""
        address = self._transport_of_loop().literal(self.settings.host, self.settings.port)
        if address is None or self.settings.min_interval:
            super().poll(outlets, on_read)
            return
        asked = outlets or self.valid_outlets()

        def answered(result: bytes | DeviceError) -> None:
            on_read(result if isinstance(result, DeviceError) else self._states(asked, result))

        try:
            for outlet in asked:
                self.check_outlet(outlet)
            bmc = self._bmc_at(address)
        except DeviceRefused as error:
            asyncio.get_running_loop().call_soon(on_read, error)
        else:
            bmc.request(commands.CHASSIS_STATUS, self._deadline(), answered)

    def _states(self, outlets: Collection[str], status: bytes) -> Mapping[str, PowerState] | DeviceRefused:
        try:
            return dict.fromkeys(outlets, self._state_in(status))
        except DeviceRefused as error:
            return error

    async def _apply(self, outlet: str, action: Action) -> None:  # noqa: ARG002 - there is one outlet
        deadline = self._deadline()
        if action in {Action.RESET, Action.SOFT_OFF} and await self._power_state(deadline) is PowerState.OFF:
            # Some BMCs switch on at a reset, or press a button that switches on.
            if action is Action.RESET:
                raise DeviceRefused(f"{self} is off; a reset would do nothing, switch it on instead")
            return
        await self._ask(_COMMANDS[action], deadline)

    async def _set_next_boot_from_network(self, outlet: str) -> None:  # noqa: ARG002 - there is one outlet
        deadline = self._deadline()
        try:
            await self._ask(commands.KEEP_BOOT_FLAGS, deadline)
        except CredentialsRefused:
            raise
        except DeviceRefused:
            pass  # it need not have this parameter: its flags last for a minute then, or for good
        await self._ask(commands.BOOT_FROM_NETWORK_ONCE, deadline)

    async def _log_in(self) -> None:
        await self._log_in_with(self._account())

    async def _log_in_with(self, account: Account) -> None:
        async with self._apart(account, commands.OPERATOR) as ask:
            await ask(commands.DEVICE_ID)

    async def _set_password(self, password: str) -> None:
        account = self._account()
        async with self._apart(account, commands.ADMINISTRATOR) as ask:
            number = await self._own_number(ask)
            new = dataclasses.replace(account, password=password.encode())
            await ask(commands.set_password(number, new.password))
            if len(new.password) > commands.SHORT_PASSWORD:
                try:
                    await self._log_in_with(new)
                except CredentialsRefused:
                    # OpenIPMI takes the long form and keeps its beginning: only this session can get us out.
                    await ask(commands.set_password(number, account.password))
                    limit = f"{self} keeps only {commands.SHORT_PASSWORD} bytes of a password"
                    raise DeviceRefused(f"{limit}; the old one was put back, set a shorter one") from None

    async def _own_number(self, ask: Ask) -> int:
        """Which user we are. The nameless one is number 1; some refuse to name those that are not in use."""
        name = self.settings.login.encode()
        if not name:
            return 1
        for number in range(1, commands.count_of_users(await ask(commands.USER_ACCESS)) + 1):
            try:
                told = await ask(commands.user_name(number))
            except CredentialsRefused:
                raise
            except DeviceRefused:
                continue
            if told.rstrip(b"\0") == name:
                return number
        raise DeviceRefused(f"{self} does not tell which of its users is {self.settings.login!r}")

    @contextlib.asynccontextmanager
    async def _apart(self, account: Account, privilege: int) -> AsyncIterator[Ask]:
        """A session that is shared with nobody, for as long as it is used; each command has its own time."""
        address = await self._resolve(self._deadline())
        transport = self._transport_of_loop()
        bmc = transport.acquire(str(self), address, account.apart(privilege), self._suites())
        try:
            yield lambda command: self._ask_at(bmc, command, self._deadline())
        finally:
            await _released(transport, bmc)

    async def _close(self) -> None:
        transport, bmc = self._transport, self._bmc
        self._transport = self._bmc = None
        if transport and bmc:
            await _released(transport, bmc)

    async def _power_state(self, deadline: float) -> PowerState:
        return self._state_in(await self._ask(commands.CHASSIS_STATUS, deadline))

    def _state_in(self, status: bytes) -> PowerState:
        on = commands.power_is_on(status)
        if on is None:
            raise DeviceRefused(f"{self} answered Get Chassis Status without the status")
        return PowerState.ON if on else PowerState.OFF

    async def _ask(self, command: Command, deadline: float) -> bytes:
        return await self._ask_at(self._bmc_at(await self._resolve(deadline)), command, deadline)

    async def _ask_at(self, bmc: Bmc, command: Command, deadline: float) -> bytes:
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        request = bmc.request(command, deadline, functools.partial(_settle, answer))
        try:
            return await answer
        except DeviceUnreachable:
            self._transport_of_loop().forget_name(self.settings.host, self.settings.port)
            raise
        finally:
            bmc.cancel(request)

    async def _resolve(self, deadline: float) -> Address:
        """The address that the host has now."""
        transport = self._transport_of_loop()
        try:
            async with asyncio.timeout_at(deadline):
                return await transport.resolve(self.settings.host, self.settings.port)
        except TimeoutError:
            raise DeviceUnreachable(
                f"the host name {self.settings.host!r} was not resolved in time"
            ) from None

    def _bmc_at(self, address: Address) -> Bmc:
        transport = self._transport_of_loop()
        if self._bmc and self._bmc.address != address:
            transport.release(self._bmc, _nothing)
            self._bmc = None
        if self._bmc is None:
            self._bmc = transport.acquire(str(self), address, self._account(), self._suites())
        return self._bmc

    def _transport_of_loop(self) -> Transport:
        if self._transport is None:
            self._transport = Transport.current()
        return self._transport

    def _account(self) -> Account:
        name, password = self.settings.login.encode(), self.settings.password.encode()
        if len(name) > MAX_NAME:
            raise DeviceRefused(f"{self}: IPMI allows a login of {MAX_NAME} bytes; use a shorter one")
        if len(password) > MAX_PASSWORD:
            raise DeviceRefused(f"{self}: IPMI allows a password of {MAX_PASSWORD} bytes; set a shorter one")
        return Account(name, password)

    def _suites(self) -> tuple[Suite, ...]:
        return _SUITES[self.settings.cipher_suite if isinstance(self.settings, IpmiSettings) else "auto"]

    def _deadline(self) -> float:
        return asyncio.get_running_loop().time() + self.settings.timeout


def _settle(future: asyncio.Future[bytes], result: bytes | DeviceError) -> None:
    if future.done():
        return
    if isinstance(result, DeviceError):
        future.set_exception(result)
    else:
        future.set_result(result)


async def _released(transport: Transport, bmc: Bmc) -> None:
    """Give up a BMC, and wait until it is logged out if nobody else uses it."""
    released = asyncio.Event()
    transport.release(bmc, released.set)
    await released.wait()


def _nothing() -> None:
    """Nobody waits."""
