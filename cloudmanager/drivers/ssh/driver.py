"""`SshDevice`: power of the virtual machines of a libvirt host, by virsh over SSH."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar

from cloudmanager.drivers.base import Action, Driver, PowerState, Settings
from cloudmanager.errors import DeviceError, DeviceRefused, DeviceUnreachable
from cloudmanager.ssh.connection import Connection, Denied
from cloudmanager.ssh.session import Broken

from . import virsh
from .settings import SshSettings

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from cloudmanager.ssh.session import Ran


class SshDevice(Driver):
    """A libvirt host. Its ports are its domains: by name, or "1".."N" in the order of their names."""

    control_type: ClassVar[str] = "SshDevice"
    protocol_type: ClassVar[str] = "ssh"
    default_port: ClassVar[int] = 22
    coils_count: ClassVar[int] = 0
    names_outlets: ClassVar[bool] = True
    actions: ClassVar[frozenset[Action]] = frozenset(Action)
    settings_type: ClassVar[type[Settings]] = SshSettings
    uses_ssh_key: ClassVar[bool] = True

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._options = settings if isinstance(settings, SshSettings) else SshSettings(**vars(settings))
        self._connection: Connection | None = None

    @classmethod
    def may_have_outlet(cls, outlet: str) -> bool:
        """A number from 1, or a name that virsh can be told."""
        if outlet.isdecimal():
            return outlet.isascii() and outlet[0] != "0"
        return not virsh.why_not(outlet)

    async def _read_states(self, outlets: Collection[str]) -> Mapping[str, PowerState]:
        domains = await self._domains(self._deadline())
        if not outlets:
            return domains
        names = {outlet: _name_of(outlet, domains) for outlet in outlets}
        if not any(names.values()):
            raise self._no_domain(*outlets)
        # One domain that is gone keeps nobody from reading the others.
        return {outlet: domains[name] if name else PowerState.UNKNOWN for outlet, name in names.items()}

    async def _apply(self, outlet: str, action: Action) -> None:
        deadline = self._deadline()
        name = _name_of(outlet, await self._domains(deadline)) if outlet.isdecimal() else outlet
        if name is None:
            raise self._no_domain(outlet)
        if reason := virsh.why_not(name):
            raise DeviceRefused(f"{self} cannot switch the domain {name!r}: {reason}")
        ran = await self._run(self._command(action, name), deadline, acts=True)
        if ran.status and not virsh.is_done_already(action, ran):
            raise self._failure(ran, acts=True)

    async def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _domains(self, deadline: float) -> Mapping[str, PowerState]:
        ran = await self._run(self._command(), deadline, acts=False)
        if ran.status:
            raise self._failure(ran, acts=False)
        try:
            return virsh.parse_list(ran.out)
        except ValueError as problem:
            raise DeviceRefused(f"{self} answered `virsh list` with something else: {problem}") from None

    async def _run(self, command: str, deadline: float, *, acts: bool) -> Ran:
        """Answer of the host. A kept connection that has ended is opened again, once.

        What acts is sent again only if it has not left us before.
        """
        while True:
            kept = self._connection is not None
            try:
                if self._connection is None:
                    self._connection = Connection(self._options)
                    deadline += await self._connection.open(deadline)
                return await self._connection.run(command, deadline)
            except Denied as problem:
                await self._close()
                raise DeviceRefused(f"{self} {problem}") from None
            except Broken as problem:
                await self._close()
                maybe_applied = acts and problem.sent
                if not kept or problem.late or maybe_applied:
                    raise DeviceUnreachable(f"{self} {problem}", maybe_applied=maybe_applied) from None
            except BaseException:  # cancelled: nobody waits for what the command says
                await self._close()
                raise

    def _command(self, action: Action | None = None, name: str = "") -> str:
        options = self._options
        try:
            if action is None:
                return virsh.listing(options.virsh, options.uri)
            return virsh.acting(options.virsh, options.uri, action, name)
        except ValueError as problem:
            raise DeviceRefused(f"{self}: the setting virsh {options.virsh!r} is wrong: {problem}") from None

    def _failure(self, ran: Ran, *, acts: bool) -> DeviceError:
        meaning = virsh.meaning(ran)
        message = f"{self}: {meaning.words} ({virsh.said(ran)})"
        if meaning.again:
            return DeviceUnreachable(message, maybe_applied=acts and meaning.may_obey)
        return DeviceRefused(message)

    def _no_domain(self, *outlets: str) -> DeviceRefused:
        return DeviceRefused(f"{self} has no domain {', '.join(map(repr, outlets))[:200]}")

    def _deadline(self) -> float:
        return asyncio.get_running_loop().time() + self.settings.timeout


def _name_of(outlet: str, domains: Mapping[str, PowerState]) -> str | None:
    """The domain behind an outlet, None when there is none."""
    if not outlet.isdecimal():
        return outlet if outlet in domains else None
    place = int(outlet[:9]) - 1
    return sorted(domains)[place] if place < len(domains) else None
