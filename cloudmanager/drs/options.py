"""What the operator asks of the planner."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cloudmanager.drs.cluster import Resource
from cloudmanager.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping

_FROM_0_UP = (
    "min_gain",
    "price_per_gb",
    "min_improvement",
    "hold_seconds",
    "spare",
    "host_price",
    "soft_group_price",
    "effort",
    "max_moves",
)
_ABOVE_0 = ("moves_per_host", "ceiling", "bandwidth_mb_s", "evaluations", "time_limit")


class Mode(enum.StrEnum):
    """What a plan is for."""

    BALANCE = "balance"
    """All hosts alike."""
    RELIEVE = "relieve"
    """Nothing but hosts above the high mark brought down to the low one."""
    CONSOLIDATE = "consolidate"
    """Hosts emptied, so that they can be switched off."""


@dataclass(frozen=True)
class Options:
    """How to plan. Costs are in squares of utilisation, summed over hosts and resources: see docs.

    A host that is 10 % (0.1) above the mean costs 0.01. A move is made when it lowers the cost by at least
    `min_gain` and `price_per_gb` for each GB that it copies; a plan, when it takes away `min_improvement` (a
    share) of the cost. `high` and `low` are utilisations: `relieve` begins above the one and goes down to the
    other, `consolidate` fills hosts up to `low`, keeps `spare` empty ones on and asks for more above `high`.
    No host is filled beyond `ceiling` by measured load. `effort` is how many parts are solved exactly
    after the search, where the solver is installed.
    """

    mode: Mode = Mode.BALANCE
    weights: Mapping[Resource, float] = field(
        default_factory=lambda: {
            Resource.CPU: 1.0,
            Resource.RAM: 1.0,
            Resource.DISK: 0.25,
            Resource.NETWORK: 0.25,
        }
    )
    min_gain: float = 0.001
    price_per_gb: float = 0.00005
    min_improvement: float = 0.05
    max_moves: int | None = None
    moves_per_host: int = 2
    hold_seconds: float = 3600.0
    high: float = 0.85
    low: float = 0.75
    ceiling: float = 0.9
    spare: int = 1
    host_price: float = 1.0
    soft_group_price: float = 0.02
    bandwidth_mb_s: float = 1000.0
    evaluations: int = 200_000_000
    time_limit: float = 60.0
    effort: int = 0
    seed: int = 1

    def __post_init__(self) -> None:
        if not 0 < self.low <= self.high:
            raise InvalidInput("low must be above 0 and not above high", {"low": [f"{self.low}"]})
        for name in _FROM_0_UP:
            if not 0 <= (getattr(self, name) or 0) < math.inf:
                raise InvalidInput(f"{name} must not be below 0", {name: ["too small"]})
        for name in _ABOVE_0:
            if not getattr(self, name) > 0:
                raise InvalidInput(f"{name} must be above 0", {name: ["too small"]})
        for resource, weight in self.weights.items():
            if not 0 <= weight < math.inf:
                raise InvalidInput(f"the weight of {resource} must not be below 0", {"weights": [resource]})
