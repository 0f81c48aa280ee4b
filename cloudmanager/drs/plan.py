"""A plan as data: what moves where, in which order, why, and what that gains."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudmanager.drs.cluster import Resource
    from cloudmanager.drs.options import Mode


@dataclass(frozen=True)
class Move:
    """A server goes from one host to another. Moves of one wave run side by side, waves one after another.

    `gain` is by how much the cost would be higher if this move alone were undone at the end; that of a move
    that only makes way is 0. `price` is what a move of this server has to gain.
    """

    wave: int
    server_id: str
    name: str
    source: str
    destination: str
    gigabytes: float
    gain: float
    price: float
    reason: str
    intermediate: bool = False


@dataclass(frozen=True)
class Figures:
    """How an aggregate stands. `utilisation` is by resource and host; `imbalance` its standard deviation."""

    cost: float
    imbalance: Mapping[Resource, float]
    utilisation: Mapping[Resource, Mapping[str, float]]


@dataclass(frozen=True)
class Impossible:
    """A move that would have paid, and why it cannot be made."""

    server_id: str
    name: str
    source: str
    destination: str
    reason: str


@dataclass(frozen=True)
class Plan:
    """What to do. `why_empty` says why there is nothing to do.

    `complete` is false when the search was ended early, by its time, its count of evaluations or the
    budget of moves. `switch_off` are hosts that are empty in the end and not needed, `switch_on` hosts that
    are off and needed.
    """

    mode: Mode
    moves: tuple[Move, ...]
    before: Figures
    after: Figures
    why_empty: str | None = None
    complete: bool = True
    impossible: tuple[Impossible, ...] = ()
    notes: tuple[str, ...] = ()
    switch_off: tuple[str, ...] = ()
    switch_on: tuple[str, ...] = ()
    evaluations: int = field(default=0, compare=False)

    @property
    def destinations(self) -> dict[str, str]:
        """{id of a server: the host on which it is in the end}."""
        return {move.server_id: move.destination for move in self.moves}

    @property
    def gigabytes(self) -> float:
        """What all moves copy."""
        return sum(move.gigabytes for move in self.moves)

    @property
    def waves(self) -> int:
        """How many waves."""
        return self.moves[-1].wave if self.moves else 0

    @property
    def moves_of(self) -> Counter[str]:
        """How often each server moves, by id."""
        return Counter(move.server_id for move in self.moves)

    def told(self) -> dict[str, Any]:
        """In values that JSON can hold."""
        return asdict(self) | {"mode": str(self.mode), "gigabytes": self.gigabytes, "waves": self.waves}
