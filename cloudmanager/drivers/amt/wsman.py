"""WS-Management messages of Intel AMT: requests are built and answers read as XML trees (DSP0226, DSP0230).

Class and instance names are those of the Intel AMT SDK.
"""

from __future__ import annotations

import uuid
import xml.etree.ElementTree as ET
from typing import Final

from cloudmanager.drivers.base import PowerState
from cloudmanager.errors import DeviceError, DeviceRefused, DeviceUnreachable, Unsupported

SOAP: Final = "http://www.w3.org/2003/05/soap-envelope"
ADDRESSING: Final = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
ANONYMOUS: Final = f"{ADDRESSING}/role/anonymous"
WSMAN: Final = "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"
GET: Final = "http://schemas.xmlsoap.org/ws/2004/09/transfer/Get"
CIM: Final = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/"
POWER_STATE: Final = f"{CIM}CIM_AssociatedPowerManagementService"
POWER_SERVICE: Final = f"{CIM}CIM_PowerManagementService"
BOOT_CONFIG: Final = f"{CIM}CIM_BootConfigSetting"
BOOT_SERVICE: Final = f"{CIM}CIM_BootService"
BOOT_CONFIG_NAME: Final = "Intel(r) AMT: Boot Configuration 0"
IS_NEXT_SINGLE_USE: Final = 1

MAX_TEXT: Final = 200

for _prefix, _namespace in (("s", SOAP), ("wsa", ADDRESSING), ("wsman", WSMAN)):
    ET.register_namespace(_prefix, _namespace)

_STATES: Final = {
    **dict.fromkeys((2, 3, 4), PowerState.ON),
    **dict.fromkeys((6, 7, 8, 9, 13), PowerState.OFF),
}
"""CIM_AssociatedPowerManagementService.PowerState; the numbers of what was only asked for are unknown."""

ACCEPTED: Final = (0, 4096)  # completed; a job was started
_RETURN_VALUES: Final[dict[int, tuple[type[DeviceError], str]]] = {
    1: (Unsupported, "does not support this"),
    2: (DeviceRefused, "failed for a reason that it does not know"),
    3: (DeviceUnreachable, "did not finish in its own time"),
    4: (DeviceRefused, "failed"),
    5: (DeviceRefused, "does not understand a parameter"),
    6: (DeviceUnreachable, "is in use by somebody else; it may be asked again"),
    4097: (DeviceRefused, "cannot do this in the present state of the machine"),
}
"""CIM_PowerManagementService.RequestPowerStateChange and the methods for starting."""

_PASSING_FAULTS: Final = ("TimedOut", "InternalError", "Concurrency", "QuotaLimit", "EndpointUnavailable")
"""Subcodes of faults that pass by themselves (DSP0226 §14.6)."""


def get(resource: str) -> bytes:
    """A request for the one instance of a class."""
    return _envelope(GET, resource, {}, None)


def invoke(resource: str, method: str, selectors: dict[str, str], arguments: ET.Element) -> bytes:
    """A call of a method of an instance."""
    return _envelope(f"{resource}/{method}", resource, selectors, arguments)


def request_power_state(state: int) -> bytes:
    """`RequestPowerStateChange` of the machine to one of the numbers of PowerState."""
    arguments = ET.Element(f"{{{POWER_SERVICE}}}RequestPowerStateChange_INPUT")
    ET.SubElement(arguments, f"{{{POWER_SERVICE}}}PowerState").text = str(state)
    element = ET.SubElement(arguments, f"{{{POWER_SERVICE}}}ManagedElement")
    _refer(element, f"{CIM}CIM_ComputerSystem", "Name", "ManagedSystem")
    selectors = {"Name": "Intel(r) AMT Power Management Service"}
    return invoke(POWER_SERVICE, "RequestPowerStateChange", selectors, arguments)


def change_boot_order(source: str) -> bytes:
    """`ChangeBootOrder`: what the boot configuration starts from."""
    arguments = ET.Element(f"{{{BOOT_CONFIG}}}ChangeBootOrder_INPUT")
    element = ET.SubElement(arguments, f"{{{BOOT_CONFIG}}}Source")
    _refer(element, f"{CIM}CIM_BootSourceSetting", "InstanceID", source)
    return invoke(BOOT_CONFIG, "ChangeBootOrder", {"InstanceID": BOOT_CONFIG_NAME}, arguments)


def use_boot_config_once() -> bytes:
    """`SetBootConfigRole`: the boot configuration is for the next start and no other."""
    arguments = ET.Element(f"{{{BOOT_SERVICE}}}SetBootConfigRole_INPUT")
    element = ET.SubElement(arguments, f"{{{BOOT_SERVICE}}}BootConfigSetting")
    _refer(element, BOOT_CONFIG, "InstanceID", BOOT_CONFIG_NAME)
    ET.SubElement(arguments, f"{{{BOOT_SERVICE}}}Role").text = str(IS_NEXT_SINGLE_USE)
    return invoke(BOOT_SERVICE, "SetBootConfigRole", {"Name": "Intel(r) AMT Boot Service"}, arguments)


def parsed(body: bytes) -> ET.Element | None:
    """The tree of an answer, None if it is no XML or has a document type, and with it entities."""
    parser = ET.XMLParser(target=_NoDocumentType())  # noqa: S314 - the document type is refused
    try:
        parser.feed(body)
        tree: ET.Element = parser.close()
    except (ET.ParseError, _DocumentType, ValueError, LookupError):
        return None
    return tree


def parse(title: str, body: bytes) -> ET.Element:
    """The tree of an answer that must have one, else `DeviceRefused`."""
    tree = parsed(body)
    if tree is None:
        raise DeviceRefused(f"{title} answered with something that is not SOAP")
    return tree


def is_fault(tree: ET.Element) -> bool:
    """Whether an answer says no."""
    return tree.find(f".//{{{SOAP}}}Fault") is not None


def power_state(tree: ET.Element) -> PowerState:
    """What the answer to Get says of the machine."""
    states = _numbers(tree, POWER_STATE, "PowerState")
    return _STATES.get(states[0], PowerState.UNKNOWN) if states else PowerState.UNKNOWN


def requestable_states(tree: ET.Element) -> frozenset[int]:
    """The states that may be asked for now; old firmware does not tell, which is an empty set."""
    return frozenset(_numbers(tree, POWER_STATE, "AvailableRequestedPowerStates"))


def problem(title: str, tree: ET.Element, resource: str, *, acts: bool) -> DeviceError | None:
    """The error in the answer to a method of `resource`, None if it was accepted."""
    values = _numbers(tree, resource, "ReturnValue")
    if not values:
        return DeviceRefused(f"{title} answered without saying whether it did it")
    if values[0] in ACCEPTED:
        return None
    kind, words = _RETURN_VALUES.get(values[0], (DeviceRefused, "refuses this"))
    said = f"{title} {words} (ReturnValue {values[0]})"
    if values[0] == 3 and acts:  # noqa: PLR2004 - its time-out: it had begun
        return DeviceUnreachable(said, maybe_applied=True)
    return kind(said)


def fault(title: str, tree: ET.Element | None, status: int, *, acts: bool) -> DeviceError:
    """The error of a SOAP fault, or of an HTTP status without one."""
    found = tree.find(f".//{{{SOAP}}}Fault") if tree is not None else None
    if found is None:
        said = f"{title} answers with HTTP status {status}"
        return DeviceUnreachable(said, maybe_applied=acts) if status >= 500 else DeviceRefused(said)  # noqa: PLR2004
    codes = [(value.text or "").strip().rpartition(":")[2] for value in found.iter(f"{{{SOAP}}}Value")]
    reason = found.find(f".//{{{SOAP}}}Text")
    code, text = (
        _printable(codes[-1] if codes else ""),
        _printable((reason.text or "") if reason is not None else ""),
    )
    said = f"{title} refuses this: {text or 'no reason given'} ({code or 'no code'})"
    if code in _PASSING_FAULTS:
        return DeviceUnreachable(f"{said}; it may be asked again", maybe_applied=acts and code == "TimedOut")
    return DeviceRefused(said)


class _DocumentType(Exception):
    """The answer has a document type."""


class _NoDocumentType(ET.TreeBuilder):
    def doctype(self, *_: object) -> None:
        raise _DocumentType


def _envelope(action: str, resource: str, selectors: dict[str, str], content: ET.Element | None) -> bytes:
    envelope = ET.Element(f"{{{SOAP}}}Envelope")
    header = ET.SubElement(envelope, f"{{{SOAP}}}Header")
    ET.SubElement(header, f"{{{ADDRESSING}}}Action").text = action
    ET.SubElement(header, f"{{{ADDRESSING}}}To").text = "/wsman"
    ET.SubElement(header, f"{{{WSMAN}}}ResourceURI").text = resource
    ET.SubElement(header, f"{{{ADDRESSING}}}MessageID").text = f"uuid:{uuid.uuid4()}"
    reply = ET.SubElement(header, f"{{{ADDRESSING}}}ReplyTo")
    ET.SubElement(reply, f"{{{ADDRESSING}}}Address").text = ANONYMOUS
    if selectors:
        _select(header, selectors)
    body = ET.SubElement(envelope, f"{{{SOAP}}}Body")
    if content is not None:
        body.append(content)
    written: bytes = ET.tostring(envelope, encoding="utf-8", xml_declaration=True)
    return written


def _refer(element: ET.Element, resource: str, name: str, value: str) -> None:
    """An endpoint reference to an instance (DSP0226 §5.1)."""
    ET.SubElement(element, f"{{{ADDRESSING}}}Address").text = ANONYMOUS
    parameters = ET.SubElement(element, f"{{{ADDRESSING}}}ReferenceParameters")
    ET.SubElement(parameters, f"{{{WSMAN}}}ResourceURI").text = resource
    _select(parameters, {name: value})


def _select(element: ET.Element, selectors: dict[str, str]) -> None:
    chosen = ET.SubElement(element, f"{{{WSMAN}}}SelectorSet")
    for name, value in selectors.items():
        ET.SubElement(chosen, f"{{{WSMAN}}}Selector", {"Name": name}).text = value


def _numbers(tree: ET.Element, namespace: str, name: str) -> list[int]:
    found = [(element.text or "").strip() for element in tree.iter(f"{{{namespace}}}{name}")]
    return [int(text) for text in found if text.isascii() and text.isdecimal() and len(text) < 10]  # noqa: PLR2004


def _printable(text: str) -> str:
    return "".join(character for character in text.strip()[:MAX_TEXT] if character.isprintable())
