"""Intel AMT: WS-Management (DSP0226) of one machine on HTTP, as Ironic's driver and PyPI's `amt` speak it.

Power off and on follow the numbers of CIM_PowerManagementService (DSP1027); a machine that is off can only be
switched on.
"""

from __future__ import annotations

import hashlib
import uuid
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple

from cloudmanager.simulators.amt.nonces import Nonces
from cloudmanager.simulators.http import Answer, Request
from cloudmanager.simulators.web import WebServer
from cloudmanager.simulators.world import Action, NotPossible, Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudmanager.simulators.world import World

NONCE_LIFETIME = 300.0  # seconds; ours, the firmware's is not documented
SOAP = "{http://www.w3.org/2003/05/soap-envelope}"
WSA = "{http://schemas.xmlsoap.org/ws/2004/08/addressing}"
WSMAN = "{http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd}"
TRANSFER = "http://schemas.xmlsoap.org/ws/2004/09/transfer"
ENUMERATION = "http://schemas.xmlsoap.org/ws/2004/09/enumeration"
CIM = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/"
POWER_STATE = f"{CIM}CIM_AssociatedPowerManagementService"
POWER_SERVICE = f"{CIM}CIM_PowerManagementService"
BOOT_CONFIG = f"{CIM}CIM_BootConfigSetting"
BOOT_SERVICE = f"{CIM}CIM_BootService"
BOOT_SOURCES = {
    "Intel(r) AMT: Force PXE Boot": "pxe",
    "Intel(r) AMT: Force Hard-drive Boot": "hd",
    "Intel(r) AMT: Force CD/DVD Boot": "cd",
}
DONE, FAILED, BAD_PARAMETER = 0, 2, 5  # CIM_PowerManagementService.RequestPowerStateChange, ReturnValue
ON, OFF = 2, 8  # PowerState
NEXT_SINGLE_USE, NOT_NEXT = 1, 32768  # CIM_BootService.SetBootConfigRole, Role
GRACEFUL_OFF = 12
ACTIONS = {
    2: Action.ON,
    5: Action.CYCLE,
    6: Action.OFF,
    8: Action.OFF,
    9: Action.CYCLE,
    10: Action.RESET,
    GRACEFUL_OFF: Action.SOFT_OFF,
}
SLEEPS = "sleeps"  # key of a device's memory: the next request is lost, and wakes it
STATES = "states"  # key of a device's memory: the states that may be asked for while it is on; [] tells none


class _Fault(Exception):
    def __init__(self, code: str, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.code, self.reason, self.status = code, reason, status


class _Call(NamedTuple):
    action: str
    resource: str
    message_id: str
    body: ET.Element


class AmtService:
    """One machine: reads requests, asks the world, writes answers. It switches outlet "1" of its device."""

    def __init__(self, world: World, device: str, *, nonce_lifetime: float = NONCE_LIFETIME) -> None:
        self.web = WebServer(world, world.device(device), self.answer)
        self.calls: Counter[str] = Counter()
        self._world = world
        self._device = world.device(device)
        realm = f"Digest:{hashlib.sha256(device.encode()).hexdigest()[:32].upper()}"
        self._nonces = Nonces(realm, nonce_lifetime)
        self._contexts: dict[str, str] = {}
        self._methods: dict[str, Callable[[ET.Element], int]] = {
            f"{POWER_SERVICE}/RequestPowerStateChange": self._request_power_state,
            f"{BOOT_CONFIG}/ChangeBootOrder": self._change_boot_order,
            f"{BOOT_SERVICE}/SetBootConfigRole": self._set_boot_config_role,
        }

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen, and answer the real port; `OSError` if the wanted one is taken."""
        return await self.web.start(host, port)

    async def stop(self) -> None:
        """Listen no more and forget all nonces."""
        await self.web.stop()
        self._nonces.clear()

    def report(self) -> dict[str, Any]:
        """The counters in values that JSON can hold; calls by the last part of their action."""
        return {
            **asdict(self.web.counters),
            "challenges": self._nonces.challenges,
            "calls": dict(self.calls),
        }

    def answer(self, request: Request) -> Answer | None:
        """Answer one request; None when nothing is said."""
        if self._device.memory.pop(SLEEPS, False):
            return None
        if (request.method, request.path) != ("POST", "/wsman"):
            return Answer(404)
        now = self._world.clock.now()
        right, stale = self._nonces.verify(request, self._password_of, now)
        if not right:
            challenge = self._nonces.challenge(now, stale=stale)
            return Answer(401, headers={"WWW-Authenticate": challenge})
        try:
            call = _parse(request.body)
            self.calls[call.action.rpartition("/")[2]] += 1
            action, content = self._execute(call)
        except _Fault as fault:
            return _envelope(f"{WSA[1:-1]}/fault", "", _fault(fault), fault.status)
        return _envelope(action, call.message_id, content)

    def _password_of(self, name: str) -> str | None:
        if self._device.faults.reject_credentials:
            return None
        accounts = (a for a in self._device.accounts.values() if a.enabled and a.name == name)
        return next((account.password for account in accounts), None)

    def _execute(self, call: _Call) -> tuple[str, ET.Element]:
        if call.action == f"{TRANSFER}/Get":
            self._check_class(call.resource)
            return f"{call.action}Response", self._power_state()
        if call.action == f"{ENUMERATION}/Enumerate":
            self._check_class(call.resource)
            context = str(uuid.uuid4())
            self._contexts = {context: call.resource}  # one at a time
            answer = ET.Element(f"{{{ENUMERATION}}}EnumerateResponse")
            ET.SubElement(answer, f"{{{ENUMERATION}}}EnumerationContext").text = context
            return f"{call.action}Response", answer
        if call.action == f"{ENUMERATION}/Pull":
            return f"{call.action}Response", self._pull(call.body)
        method = self._methods.get(call.action)
        if method is None or call.resource != call.action.rpartition("/")[0]:
            raise _Fault("wsa:ActionNotSupported", "The action is not supported by the service.")
        output = ET.Element(f"{{{call.resource}}}{call.action.rpartition('/')[2]}_OUTPUT")
        ET.SubElement(output, f"{{{call.resource}}}ReturnValue").text = str(method(call.body))
        return f"{call.action}Response", output

    def _check_class(self, resource: str) -> None:
        if resource != POWER_STATE:
            raise _Fault("wsa:DestinationUnreachable", "No route can be determined to reach the destination.")

    def _pull(self, body: ET.Element) -> ET.Element:
        if self._contexts.pop(_text(body, f"{{{ENUMERATION}}}EnumerationContext"), None) is None:
            raise _Fault("wsen:InvalidEnumerationContext", "The supplied enumeration context is invalid.")
        answer = ET.Element(f"{{{ENUMERATION}}}PullResponse")
        ET.SubElement(answer, f"{{{ENUMERATION}}}Items").append(self._power_state())
        ET.SubElement(answer, f"{{{ENUMERATION}}}EndOfSequence")
        return answer

    def _power_state(self) -> ET.Element:
        on = self._world.read(self._device.name, "1")
        state = ET.Element(f"{{{POWER_STATE}}}CIM_AssociatedPowerManagementService")
        for number in self._device.memory.get(STATES, sorted(ACTIONS)) if on else [ON]:
            ET.SubElement(state, f"{{{POWER_STATE}}}AvailableRequestedPowerStates").text = str(number)
        ET.SubElement(state, f"{{{POWER_STATE}}}PowerState").text = str(ON if on else OFF)
        ET.SubElement(state, f"{{{POWER_STATE}}}RequestedPowerState").text = str(ON if on else OFF)
        return state

    def _request_power_state(self, body: ET.Element) -> int:
        wanted = _text(body, f"{{{POWER_SERVICE}}}PowerState")
        action = ACTIONS.get(int(wanted)) if wanted.isdecimal() and len(wanted) < len("10000") else None
        if action is None:
            return BAD_PARAMETER
        try:
            self._world.switch(self._device.name, "1", action)
        except Refused as refused:
            return refused.code
        except NotPossible:
            return FAILED
        return DONE

    def _change_boot_order(self, body: ET.Element) -> int:
        source = _text(body, f"{WSMAN}Selector")
        if source not in BOOT_SOURCES:
            return BAD_PARAMETER
        self._world.remember(self._device.name, "boot", {"source": BOOT_SOURCES[source], "role": NOT_NEXT})
        return DONE

    def _set_boot_config_role(self, body: ET.Element) -> int:
        role = _text(body, f"{{{BOOT_SERVICE}}}Role")
        if role not in {str(NEXT_SINGLE_USE), str(NOT_NEXT)}:
            return BAD_PARAMETER
        boot = {**self._device.memory.get("boot", {"source": ""}), "role": int(role)}
        self._world.remember(self._device.name, "boot", boot)
        return DONE


def _parse(body: bytes) -> _Call:
    if b"<!" in body:
        raise _Fault("wsman:SchemaValidationError", "A document type is not allowed.")
    try:
        envelope = ET.fromstring(body)  # noqa: S314 - without a document type there are no entities
    except (ET.ParseError, ValueError, LookupError):
        raise _Fault("wsman:SchemaValidationError", "The request is not well-formed.") from None
    content = envelope.find(f"{SOAP}Body")
    if content is None:
        raise _Fault("wsman:SchemaValidationError", "The request has no body.")
    action, resource, message_id = (
        _text(envelope, name) for name in (f"{WSA}Action", f"{WSMAN}ResourceURI", f"{WSA}MessageID")
    )
    return _Call(action, resource, message_id, content)


def _text(element: ET.Element, name: str) -> str:
    return (element.findtext(f".//{name}") or "").strip()


def _fault(fault: _Fault) -> ET.Element:
    content = ET.Element(f"{SOAP}Fault")
    code = ET.SubElement(content, f"{SOAP}Code")
    ET.SubElement(code, f"{SOAP}Value").text = "s:Sender"
    ET.SubElement(ET.SubElement(code, f"{SOAP}Subcode"), f"{SOAP}Value").text = fault.code
    ET.SubElement(ET.SubElement(content, f"{SOAP}Reason"), f"{SOAP}Text").text = fault.reason
    return content


def _envelope(action: str, relates_to: str, content: ET.Element, status: int = 200) -> Answer:
    envelope = ET.Element(f"{SOAP}Envelope")
    header = ET.SubElement(envelope, f"{SOAP}Header")
    ET.SubElement(header, f"{WSA}RelatesTo").text = relates_to
    ET.SubElement(header, f"{WSA}Action").text = action
    ET.SubElement(envelope, f"{SOAP}Body").append(content)
    written: bytes = ET.tostring(envelope, encoding="utf-8", xml_declaration=True)
    return Answer(status, written, {"Content-Type": "application/soap+xml; charset=UTF-8"})
