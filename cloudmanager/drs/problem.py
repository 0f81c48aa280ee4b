"""The planner's problem without its names: items on places, in arrays.

The cost of a place is a sum of terms of a few shapes over linear functions of what lies there. That one form
serves every mode, the solver, and problems that are not ours; and a change of one item is counted in a few
array operations.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
Bools = NDArray[np.bool_]


class Shape(enum.IntEnum):
    """What becomes of x, the sum of a feature over a place's items less the offset."""

    SQUARE = 0
    """x²"""
    HINGE = 1
    """x when above 0"""
    SQUARED_HINGE = 2
    """x² when above 0"""
    STEP = 3
    """1 when above 0"""


class Rule(Protocol):
    """A constraint or a price that looks at several places at once. It follows each move."""

    priced: bool
    """Whether it has prices, or bars alone."""

    def covers(self) -> Bools:
        """Which items it says something of."""

    def barred(self, item: int, at: int) -> Bools | None:
        """The places to which an item that is at `at` may not go; None: it may go anywhere."""

    def price(self, item: int, at: int) -> Floats | None:
        """How the rule's penalty changes when the item goes from `at` to each place; None: not at all."""

    def move(self, item: int, old: int, new: int) -> None:
        """The item has moved."""

    def tied(self, item: int) -> Collection[int]:
        """Numbers of what it shares with items that must not move at the same time."""

    def penalty(self) -> float:
        """What the present places cost."""


@dataclass(frozen=True, eq=False)
class Problem:
    """`n` items, `m` places, `d` amounts that are bounded, `t` terms of the cost, `c` kinds of item.

    A kind says which places are open to an item. `transient` amounts are held at an item's first place too,
    once it has left. `price` is paid for an item that is not at its start, `route[start, place]`
    besides, whose diagonal is 0. An item makes way to places of its target's `family` alone.
    """

    start: Ints
    movable: Bools
    kind: Ints
    open: Bools
    demand: Floats
    limit: Floats
    transient: Bools
    feature: Floats
    offset: Floats
    weight: Floats
    shapes: tuple[Shape, ...]
    price: Floats
    family: Ints
    route: Floats | None = None
    rules: tuple[Callable[[], Rule], ...] = ()
    runs: tuple[tuple[Shape, slice], ...] = field(init=False)
    squares: Ints = field(init=False)

    def __post_init__(self) -> None:
        edges = [0]
        edges += [at for at in range(1, len(self.shapes)) if self.shapes[at] != self.shapes[at - 1]]
        edges.append(len(self.shapes))
        runs = tuple((self.shapes[a], slice(a, b)) for a, b in pairwise(edges) if b > a)
        object.__setattr__(self, "runs", runs)
        squares = np.flatnonzero(np.array([shape is Shape.SQUARE for shape in self.shapes], dtype=bool))
        object.__setattr__(self, "squares", squares)

    @property
    def items(self) -> int:
        """How many items."""
        return len(self.start)

    @property
    def places(self) -> int:
        """How many places."""
        return int(self.limit.shape[1])

    def cost_of(self, x: Floats, weight: Floats) -> Floats:
        """Σ weight · shape(x) over the terms, which are the first axis of both. `x` is overwritten."""
        for shape, run in self.runs:
            part = x[run]
            if shape is Shape.STEP:
                # A sum of floats that should be 0 may be a little above it.
                np.greater(part, 1e-9, out=part)
                continue
            if shape is not Shape.SQUARE:
                np.maximum(part, 0.0, out=part)
            if shape is not Shape.HINGE:
                np.multiply(part, part, out=part)
        np.multiply(x, weight, out=x)
        total: Floats = x.sum(axis=0)
        return total
