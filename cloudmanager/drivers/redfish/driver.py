"""`RedfishDevice`: power of the machines behind one Redfish service (DSP0266, schemas DSP8010)."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from typing import TYPE_CHECKING, ClassVar, Final

from cloudmanager.drivers.base import Action, Driver, PowerState, Settings
from cloudmanager.drivers.http_client import Effect
from cloudmanager.drivers.tls import TlsSettings, context_for
from cloudmanager.errors import DeviceError, DeviceRefused, Unsupported

from .accounts import own_account
from .problems import failed_task
from .service import LOG_OFF_TIME, Service
from .systems import MAX_SYSTEMS, effect_of, link, member_paths, parse_action_info, parse_system

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping

    from .systems import System

_OK: Final = range(200, 300)
_GONE: Final = 404
_FORBIDDEN: Final = 403
_ASKED: Final = {Action.ON: PowerState.ON, Action.OFF: PowerState.OFF}


class RedfishDevice(Driver):
    """The systems of a service are its ports: "1" is the first of them in the order of their paths."""

    control_type: ClassVar[str] = "RedfishDevice"
    protocol_type: ClassVar[str] = "redfish"
    default_port: ClassVar[int] = 443
    coils_count: ClassVar[int] = 1
    actions: ClassVar[frozenset[Action]] = frozenset(Action)
    settings_type: ClassVar[type[Settings]] = TlsSettings
    counts_outlets: ClassVar[bool] = True
    boots_from_network: ClassVar[bool] = True
    longest_password: ClassVar[int] = 1024

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._service: Service | None = None
        self._paths: list[str] = []
        self._known: dict[str, System] = {}

    @classmethod
    def may_have_outlet(cls, outlet: str) -> bool:
        """A number from 1; how many there are is known when the service has been asked."""
        digits = outlet.isascii() and outlet.isdecimal() and outlet[0] != "0"
        return digits and int(outlet[:9]) <= MAX_SYSTEMS

    def check_outlet(self, outlet: str) -> None:
        """Refuse what cannot be a port, as far as that is known."""
        if not self.may_have_outlet(outlet) or int(outlet) > (len(self._paths) or MAX_SYSTEMS):
            raise self._no_port(outlet)

    async def _read_states(self, outlets: Collection[str]) -> Mapping[str, PowerState]:
        deadline = self._deadline()
        if not outlets:
            await self._know_systems(deadline)
            outlets = [str(number + 1) for number in range(len(self._paths))]
        return {outlet: (await self._read(outlet, deadline)).state for outlet in outlets}

    async def _apply(self, outlet: str, action: Action) -> None:
        deadline = self._deadline()
        system = self._known.get(outlet)
        if system is None or action not in _ASKED or system.kind_for(action, PowerState.UNKNOWN) is None:
            system = await self._read(outlet, deadline)
        if action not in _ASKED and system.state is PowerState.OFF:
            # Some services switch on at a reset or when the button is pushed.
            if action is Action.RESET:
                raise DeviceRefused(f"{self} is off; a reset would do nothing, switch it on instead")
            return
        kind = system.kind_for(action, system.state)
        if kind is None:
            raise Unsupported(f"{self} cannot do {action} now; it offers {', '.join(system.kinds)[:200]}")
        try:
            await self._reset(outlet, system.target, kind, deadline)
        except DeviceRefused:
            # Some refuse to switch on what is on.
            if action not in _ASKED or not await self._is(outlet, _ASKED[action], deadline):
                raise

    async def _set_next_boot_from_network(self, outlet: str) -> None:
        deadline = self._deadline()
        system = await self._read(outlet, deadline)
        if system.boot_targets and "Pxe" not in system.boot_targets:
            raise Unsupported(f"{self} cannot start from the network; it offers {system.boot_targets}")
        content = {"Boot": {"BootSourceOverrideTarget": "Pxe", "BootSourceOverrideEnabled": "Once"}}
        answer = await self._connected().patch(
            self._path(outlet), system.etag, content, deadline, effect=Effect.STATE
        )
        if answer.status not in _OK:
            raise self._connected().problem(answer, acts=True)

    async def _log_in(self) -> None:
        async with self._apart() as service:
            await service.prove_credentials(self._deadline())

    async def _set_password(self, password: str) -> None:
        async with self._apart() as service:
            account = await own_account(service, str(self), self.settings.login, self._deadline())
            if why := account.why_not(password):
                raise DeviceRefused(f"{self} {why}")
            # Sent once: when it was obeyed, our session may be over, and the old password wrong.
            answer = await service.patch(
                account.path, account.etag, {"Password": password}, self._deadline(), effect=Effect.ONCE
            )
            if answer.status == _FORBIDDEN:
                words = "does not let the account change its password: give it the privilege ConfigureSelf"
                raise DeviceRefused(f"{self} {words}")
            if answer.status not in _OK:
                raise service.problem(answer, acts=True, secret=password)
            if failure := failed_task(str(self), answer):
                raise failure

    async def _close(self) -> None:
        service, self._service = self._service, None
        self._forget()
        if service is not None:
            await _log_off(service)

    async def _reset(self, outlet: str, target: str, kind: str, deadline: float) -> None:
        """Send `ComputerSystem.Reset`; 202 with a task is accepted, the state tells what comes of it."""
        path = target or f"{self._path(outlet).rstrip('/')}/Actions/ComputerSystem.Reset"
        answer = await self._connected().ask(
            "POST", path, deadline, effect=effect_of(kind), content={"ResetType": kind}
        )
        if answer.status not in _OK:
            if answer.status == _GONE:
                self._forget()
            raise self._connected().problem(answer, acts=True)
        if failure := failed_task(str(self), answer):
            raise failure

    async def _is(self, outlet: str, state: PowerState, deadline: float) -> bool:
        with contextlib.suppress(DeviceError):
            return (await self._read(outlet, deadline)).state is state
        return False

    async def _read(self, outlet: str, deadline: float) -> System:
        service = self._connected()
        await self._know_systems(deadline)
        try:
            resource, etag = await service.get(self._path(outlet), deadline)
        except DeviceRefused:
            self._forget()  # a service that was replaced may have other paths
            raise
        system = parse_system(resource, etag)
        if not system.kinds and system.action_info:
            system = await self._with_kinds(service, outlet, system, deadline)
        self._known[outlet] = system
        return system

    async def _with_kinds(self, service: Service, outlet: str, system: System, deadline: float) -> System:
        known = self._known.get(outlet)
        kinds = known.kinds if known else ()
        if not kinds:
            kinds = parse_action_info((await service.get(system.action_info, deadline))[0])
        return dataclasses.replace(system, kinds=kinds)

    async def _know_systems(self, deadline: float) -> None:
        if not self._paths:
            self._paths = await self._find_systems(self._connected(), deadline)

    async def _find_systems(self, service: Service, deadline: float) -> list[str]:
        path = link(await service.root(deadline), "Systems")
        if not path:
            raise DeviceRefused(f"{self} has no computer systems: its service root does not name them")
        paths = member_paths((await service.get(path, deadline))[0])
        if not paths:
            raise DeviceRefused(f"{self} has no computer systems: their collection is empty")
        return paths

    def _path(self, outlet: str) -> str:
        if int(outlet) > len(self._paths):
            raise self._no_port(outlet)
        return self._paths[int(outlet) - 1]

    def _no_port(self, outlet: str) -> DeviceRefused:
        return DeviceRefused(f"{self} has no port {outlet[:20]!r}; its ports are 1..{len(self._paths) or 1}")

    def _forget(self) -> None:
        self._paths = []
        self._known = {}

    def _connected(self) -> Service:
        if self._service is None:
            self._service = self._new_service()
        return self._service

    @contextlib.asynccontextmanager
    async def _apart(self) -> AsyncIterator[Service]:
        """The service in a session of its own."""
        service = self._new_service()
        try:
            yield service
        finally:
            await _log_off(service)

    def _new_service(self) -> Service:
        settings = self.settings if isinstance(self.settings, TlsSettings) else None
        settings = settings or TlsSettings(**vars(self.settings))
        return Service(str(self), settings, context_for(str(self), settings))

    def _deadline(self) -> float:
        return asyncio.get_running_loop().time() + self.settings.timeout


async def _log_off(service: Service) -> None:
    await service.close(asyncio.get_running_loop().time() + LOG_OFF_TIME)
