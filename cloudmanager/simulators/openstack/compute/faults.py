"""What can be wrong inside the simulated Nova, besides its API and the power of its nodes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

OPERATIONS = ("spawn", "evacuate", "live_migration", "pre_check", "cold_migration")


class UnknownFault(ValueError):
    """There is no such operation, or no such way to fail in it."""


@dataclass(slots=True, kw_only=True)
class Fault:
    """One operation that goes wrong, on `host` (the one that would do it) and for `server`; None is any.

    `live_migration` on its source: with `stall` it never converges, else it fails at the part `at` (0 to 1)
    of its way and ends in `status`. `pre_check` is the destination that refuses. `count` is how often it
    strikes; None is always.
    """

    operation: str
    host: str | None = None
    server: str | None = None
    message: str = "the hypervisor failed"
    count: int | None = None
    stall: bool = False
    at: float = 0.5
    status: str = "failed"

    def __post_init__(self) -> None:
        if self.operation not in OPERATIONS:
            raise UnknownFault(f"{self.operation} is none of {', '.join(OPERATIONS)}")
        if self.status not in ("failed", "error"):
            raise UnknownFault(f"a live migration ends in failed or error, not in {self.status}")


@dataclass(slots=True)
class ComputeFaults:
    """All faults. `bus_broken`: no message and no report goes through, the guests run on."""

    bus_broken: bool = False
    operations: list[Fault] = field(default_factory=list)

    def add(self, operation: str, **how: Any) -> Fault:
        """Let an operation go wrong from now on."""
        fault = Fault(operation=operation, **how)
        self.operations.append(fault)
        return fault

    def clear(self) -> None:
        """No operation goes wrong any more."""
        self.operations.clear()

    def strike(self, operation: str, host: str | None, server_id: str) -> Fault | None:
        """The fault that an operation meets now, which counts."""
        for fault in self.operations:
            fits = fault.host in (None, host) and fault.server in (None, server_id)
            if fault.operation == operation and fits and fault.count != 0:
                if fault.count is not None:
                    fault.count -= 1
                return fault
        return None

    def to_dict(self) -> dict[str, Any]:
        """In values that JSON can hold."""
        return asdict(self)

    @classmethod
    def from_dict(cls, kept: dict[str, Any]) -> ComputeFaults:
        """Build what `to_dict` described."""
        return cls(kept["bus_broken"], [Fault(**row) for row in kept["operations"]])
