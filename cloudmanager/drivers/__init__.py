"""The power drivers. A new one: a file, a line here, a line in the contract suite, a section of the docs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cloudmanager.errors import InvalidInput

from .amt import IntelAMT
from .ipmi import SupermicroRackDevice
from .modbus import ET7067
from .redfish import RedfishDevice
from .snmp import DaenetIP2, DaenetIP2_ACPI

if TYPE_CHECKING:
    from .base import Driver

DRIVERS: Final[tuple[type[Driver], ...]] = (
    ET7067,
    DaenetIP2,
    DaenetIP2_ACPI,
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
