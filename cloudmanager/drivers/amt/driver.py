"""`IntelAMT`: power of one machine through Intel's Active Management Technology (WS-Management)."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Final, Literal

from cloudmanager.drivers.base import Action, Driver, PowerState, Settings
from cloudmanager.drivers.http_client import Effect, HttpClient
from cloudmanager.drivers.tls import CertificateSettings, TlsSettings, context_for
from cloudmanager.errors import DeviceError, DeviceRefused, Unsupported

from . import wsman
from .digest import Digest

if TYPE_CHECKING:
    import xml.etree.ElementTree as ET
    from collections.abc import Collection, Mapping

TLS_PORT: Final = 16993
PATH: Final = "/wsman"
FORCE_PXE: Final = "Intel(r) AMT: Force PXE Boot"
_UNAUTHORIZED: Final = 401
_OK: Final = 200
_MOST_CHALLENGES: Final = 4
_HEADERS: Final = {"Content-Type": "application/soap+xml;charset=UTF-8"}
_STATES: Final[dict[Action, tuple[int, ...]]] = {
    Action.ON: (2,),
    Action.OFF: (8, 6),  # off soft cuts power as off hard does, and more firmware has it
    Action.RESET: (10, 5),  # master bus reset, else off and on
    Action.SOFT_OFF: (12,),  # off soft, graceful
}
"""The numbers of PowerState that mean the action, best first."""
_ASKED: Final = {Action.ON: PowerState.ON, Action.OFF: PowerState.OFF}
_EFFECTS: Final = {Action.ON: Effect.STATE, Action.OFF: Effect.STATE}


@dataclass(frozen=True, kw_only=True)
class AmtSettings(CertificateSettings):
    """Adds whether there is TLS, which the port may tell."""

    tls: Literal["auto", "verify", "insecure", "off"] = field(
        default="auto",
        metadata={"help": "As with Redfish, or `auto`: port 16993 is `verify`, any other `off`, plain HTTP."},
    )


class IntelAMT(Driver):
    """One machine. Without further settings the port tells about TLS; passwords are never sent."""

    control_type: ClassVar[str] = "IntelAMT"
    protocol_type: ClassVar[str] = "intel_amt"
    default_port: ClassVar[int] = 16992
    coils_count: ClassVar[int] = 1
    actions: ClassVar[frozenset[Action]] = frozenset(Action)
    settings_type: ClassVar[type[Settings]] = AmtSettings
    boots_from_network: ClassVar[bool] = True

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._http: HttpClient | None = None
        self._digest = Digest(settings.login, settings.password)
        self._requestable: frozenset[int] = frozenset()

    async def _read_states(self, outlets: Collection[str]) -> Mapping[str, PowerState]:
        return dict.fromkeys(outlets, await self._read(self._deadline()))

    async def _apply(self, outlet: str, action: Action) -> None:  # noqa: ARG002 - there is one outlet
        deadline = self._deadline()
        if action not in _ASKED or not self._digest.ready:
            # Without a nonce the command would be sent twice. And some firmware switches on at a reset.
            state = await self._read(deadline)
            if action not in _ASKED and state is PowerState.OFF:
                if action is Action.RESET:
                    raise DeviceRefused(f"{self} is off; a reset would do nothing, switch it on instead")
                return
        try:
            await self._invoke(
                wsman.request_power_state(self._number_for(action)),
                wsman.POWER_SERVICE,
                _EFFECTS.get(action, Effect.ONCE),
                deadline,
            )
        except DeviceRefused:
            # Some refuse what is so already.
            if action not in _ASKED or not await self._is(_ASKED[action], deadline):
                raise

    async def _set_next_boot_from_network(self, outlet: str) -> None:  # noqa: ARG002 - there is one outlet
        deadline = self._deadline()
        order, role = wsman.change_boot_order(FORCE_PXE), wsman.use_boot_config_once()
        await self._invoke(order, wsman.BOOT_CONFIG, Effect.STATE, deadline)
        await self._invoke(role, wsman.BOOT_SERVICE, Effect.STATE, deadline)

    async def _close(self) -> None:
        http, self._http = self._http, None
        if http is not None:
            await http.close()

    def _number_for(self, action: Action) -> int:
        """The state to ask for; what the machine offers depends on its firmware and its state."""
        wanted, offered = _STATES[action], self._requestable
        for number in wanted:
            if number in offered:
                return number
        if action is Action.SOFT_OFF:
            # Without an agent in the operating system nothing would hear of it.
            raise Unsupported(f"{self} does not offer a graceful shutdown now; it offers {sorted(offered)}")
        return wanted[0]

    async def _is(self, state: PowerState, deadline: float) -> bool:
        with contextlib.suppress(DeviceError):
            return await self._read(deadline) is state
        return False

    async def _read(self, deadline: float) -> PowerState:
        tree = await self._post(wsman.get(wsman.POWER_STATE), Effect.READ, deadline)
        self._requestable = wsman.requestable_states(tree)
        return wsman.power_state(tree)

    async def _invoke(self, request: bytes, resource: str, effect: Effect, deadline: float) -> None:
        tree = await self._post(request, effect, deadline)
        if found := wsman.problem(str(self), tree, resource, acts=True):
            raise found

    async def _post(self, request: bytes, effect: Effect, deadline: float) -> ET.Element:
        """Send a request with the nonce that there is, and again with the one of a challenge.

        A request that was repeated on the way counts as a replay: that is "stale", and no wrong password.
        """
        acts = effect is not Effect.READ
        # A sleeping machine wakes at the first packets, and answers only what comes later.
        attempt = None if acts else self.settings.timeout / 2
        fresh = False
        for _ in range(_MOST_CHALLENGES):
            headers = dict(_HEADERS)
            if self._digest.ready:
                headers["Authorization"] = self._digest.authorization("POST", PATH)
            answer = await self._client().ask(
                "POST",
                PATH,
                deadline=deadline,
                effect=effect,
                headers=headers,
                body=request,
                attempt=attempt,
            )
            if answer.status != _UNAUTHORIZED:
                break
            self._learn(answer.headers.get("www-authenticate", ""), fresh=fresh)
            fresh = True
        if answer.status != _OK:
            raise wsman.fault(str(self), wsman.parsed(answer.body), answer.status, acts=acts)
        tree = wsman.parse(str(self), answer.body)
        if wsman.is_fault(tree):
            raise wsman.fault(str(self), tree, answer.status, acts=acts)
        return tree

    def _learn(self, challenge: str, *, fresh: bool) -> None:
        """Take a challenge that answered a request whose nonce was `fresh`, or one that is older or none."""
        if not self._digest.learn(challenge):
            raise DeviceRefused(f"{self} asks for credentials in a way that is not Digest")
        if fresh and not self._digest.was_stale:
            self._digest.forget()
            raise DeviceRefused(f"{self} does not accept the credentials: wrong login or wrong password")

    def _client(self) -> HttpClient:
        if self._http is None:
            settings = _with_tls(self.settings)
            self._http = HttpClient(str(self), settings, context_for(str(self), settings))
        return self._http

    def _deadline(self) -> float:
        return asyncio.get_running_loop().time() + self.settings.timeout


def _with_tls(settings: Settings) -> TlsSettings:
    """The settings with what `auto` means at their port."""
    if isinstance(settings, TlsSettings):
        return settings
    values = {"tls": "auto", **vars(settings)}
    if values["tls"] == "auto":
        values["tls"] = "verify" if settings.port == TLS_PORT else "off"
    return TlsSettings(**values)
