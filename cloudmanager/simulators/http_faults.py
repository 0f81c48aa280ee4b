"""What can be wrong with a simulated HTTP service."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(slots=True)
class HttpFaults:
    """The default is a healthy service."""

    lag: float = 0.0  # seconds before each answer
    status: int | None = None  # what every request is answered with, such as 500 or 503
    down: bool = False  # connections are closed without an answer

    def to_dict(self) -> dict[str, Any]:
        """In values that JSON can hold."""
        return asdict(self)
