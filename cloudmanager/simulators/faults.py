"""What can be wrong with a device or with the wire to it.

Each fault was seen on real machines: BMCs that answer late, twice, out of order or not at all, that accept
a command and do nothing, that report a state which is not true.
"""

from __future__ import annotations

import dataclasses
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args, get_type_hints

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudmanager.simulators.clock import Clock

Probability = float
State = Literal["on", "off"]

OVERTAKEN_AFTER = 0.05  # seconds that a reordered packet is held back


class BadFault(ValueError):
    """No such fault, or a value that it cannot have."""


@dataclass(frozen=True, slots=True)
class Faults:
    """The faults of one device; the default is a healthy device with hardware of ordinary speed."""

    lag: float = 0.0  # seconds before each answer
    power_on_lag: float = 0.2  # seconds from an accepted command to the change
    power_off_lag: float = 0.2
    drop: Probability = 0.0  # of each packet, in both directions
    duplicate: Probability = 0.0  # of each packet, in both directions
    reorder: Probability = 0.0  # of each answer: later ones overtake it
    garbage: Probability = 0.0  # of each answer: noise, cut short, or a flipped bit
    dead: bool = False  # no answer at all
    refuse: int | None = None  # the error code that answers every power command
    refuse_connections: bool = False  # each new TCP connection is cut at once
    reject_credentials: bool = False
    session_limit: int = 16
    ignore_commands: bool = False  # power commands are accepted and forgotten
    lie_state: State | None = None  # what is reported, whatever is true
    soft_off_ignored: bool = False  # the operating system does not listen to ACPI
    soft_off_delay: float = 1.0  # seconds that the operating system needs to shut down

    def changed(self, /, **changes: Any) -> Faults:
        """Make a copy with `changes`; `BadFault` names the key that is unknown or has a wrong value."""
        for name, value in changes.items():
            _check(name, value)
        return dataclasses.replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Only what differs from a healthy device."""
        return {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if getattr(self, field.name) != field.default
        }

    @property
    def disturbs_wire(self) -> bool:
        """Whether packets need any treatment at all."""
        return bool(self.lag or self.drop or self.duplicate or self.reorder or self.garbage or self.dead)


HEALTHY = Faults()
_PROBABILITIES = ("drop", "duplicate", "reorder", "garbage")
_LARGEST_CODE = 0xFFFF  # HTTP has three digits, WS-Management sixteen bits


def _check(name: str, value: object) -> None:
    expected = _TYPES.get(name)
    if expected is None:
        raise BadFault(f"unknown fault {name!r}; known are {', '.join(sorted(_TYPES))}")
    if not expected(value):
        raise BadFault(f"fault {name} cannot be {value!r}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _is_code(value: object) -> bool:
    return value is None or (_is_number(value) and isinstance(value, int) and value <= _LARGEST_CODE)


def _checker(name: str, declared: object) -> Callable[[object], bool]:
    if name in _PROBABILITIES:
        return lambda value: _is_number(value) and 0 <= value <= 1  # type: ignore[operator]
    return _CHECKERS[declared]


_CHECKERS: dict[object, Callable[[object], bool]] = {
    float: _is_number,
    bool: lambda value: isinstance(value, bool),
    int: lambda value: _is_number(value) and isinstance(value, int),
    int | None: _is_code,
    State | None: lambda value: value is None or value in get_args(State),
}
_TYPES = {name: _checker(name, declared) for name, declared in get_type_hints(Faults).items()}


class Wire:
    """The network between a client and the devices, as bad as the device's faults say."""

    def __init__(self, clock: Clock, seed: int) -> None:
        self._clock = clock
        self._random = random.Random(seed)

    def copies_arriving(self, faults: Faults) -> int:
        """How many copies of a packet that was sent to a device reach it: 0, 1 or 2."""
        if not faults.disturbs_wire:
            return 1
        if faults.dead or self._happens(faults.drop):
            return 0
        return 2 if self._happens(faults.duplicate) else 1

    def send(self, faults: Faults, packet: bytes, transmit: Callable[[bytes], object]) -> None:
        """Carry an answer of a device to its client: now, later, twice, damaged or not at all."""
        if not faults.disturbs_wire:
            transmit(packet)
            return
        if faults.dead or self._happens(faults.drop):
            return
        if self._happens(faults.garbage):
            packet = self._damaged(packet)
        delay = faults.lag + (OVERTAKEN_AFTER if self._happens(faults.reorder) else 0.0)
        for _ in range(2 if self._happens(faults.duplicate) else 1):
            if delay:
                self._clock.call_later(delay, transmit, packet)
            else:
                transmit(packet)

    def through_stream(self, faults: Faults, answer: bytes) -> bytes | None:
        """What arrives of an answer on a connection: all, something damaged, or None when it breaks."""
        if self._happens(faults.drop):
            return None
        return self._damaged(answer) if self._happens(faults.garbage) else answer

    def _happens(self, probability: Probability) -> bool:
        return probability > 0 and self._random.random() < probability

    def _damaged(self, packet: bytes) -> bytes:
        kind = self._random.randrange(3)
        if kind == 0:
            return self._random.randbytes(self._random.randint(1, 64))
        place = self._random.randrange(len(packet))
        if kind == 1:
            return packet[:place]
        flipped = packet[place] ^ (1 << self._random.randrange(8))
        return packet[:place] + bytes((flipped,)) + packet[place + 1 :]
