"""The power drivers. A new one: a file, a line here, a line in the contract suite, a section of the docs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cloudmanager.errors import InvalidInput

from .amt import IntelAMT
from .ipmi import SupermicroRackDevice
from .modbus import ET7067
from .redfish import RedfishDevice
from .snmp import DaenetIP2, DaenetIP2_ACPI
from .ssh import SshDevice

if TYPE_CHECKING:
    from collections.abc import Collection

    from .base import Driver

DRIVERS: Final[tuple[type[Driver], ...]] = (
    ET7067,
    DaenetIP2,
    DaenetIP2_ACPI,
    SshDevice,
    IntelAMT,
    SupermicroRackDevice,
    RedfishDevice,
)


def driver_for(control_type: str) -> type[Driver]:
    """The driver of a control type; `InvalidInput` names the known types."""
    for driver in DRIVERS:
        if driver.control_type == control_type:
            return driver
    known = ", ".join(driver.control_type for driver in DRIVERS)
    message = f"unknown control type {control_type!r}; known are: {known}"
    raise InvalidInput(message, {"control_type": [message]})


def names_outlets(control_type: str) -> bool:
    """Whether devices of this type name their outlets; no type that is unknown does."""
    return any(driver.names_outlets for driver in DRIVERS if driver.control_type == control_type)


def knows_its_outlets(control_type: str) -> bool:
    """Whether only the device knows which outlets it has, or how many; no type that is unknown does."""
    return any(
        driver.names_outlets or driver.counts_outlets
        for driver in DRIVERS
        if driver.control_type == control_type
    )


def outlets_count(control_type: str, stored: int, used: Collection[str]) -> int:
    """How many outlets a device has, as far as is known: at least those in use."""
    if names_outlets(control_type):
        return max(stored, len(used))
    if knows_its_outlets(control_type):
        return stored or max(driver_for(control_type).coils_count, *map(int, used), 0)
    return stored


def why_no_outlet(control_type: str, coils_count: int, outlet: str) -> str:
    """Why a device of this type with so many outlets cannot have that one; empty when it can.

    One that knows its outlets and has not been asked yet (`coils_count` 0) may have any that its type can.
    """
    if names_outlets(control_type):
        good, ports = driver_for(control_type).may_have_outlet(outlet), "numbers or names that it knows"
    elif not coils_count and knows_its_outlets(control_type):
        good, ports = driver_for(control_type).may_have_outlet(outlet), "numbers that it knows"
    else:
        good, ports = outlet in {str(number + 1) for number in range(coils_count)}, f"1..{coils_count}"
        if knows_its_outlets(control_type):
            ports += ", as it said when it was last asked"
    return "" if good else f"no port {outlet[:40]!r}: its ports are {ports}"
