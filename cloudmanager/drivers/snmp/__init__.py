from .acpi import AcpiSettings, DaenetIP2_ACPI
from .daenet import DaenetIP2

__all__ = ["AcpiSettings", "DaenetIP2", "DaenetIP2_ACPI"]
