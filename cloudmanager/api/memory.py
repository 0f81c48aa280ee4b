"""What a process remembers for some seconds, so that most requests need not ask again."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable

Value = TypeVar("Value")


class Memory(Generic[Value]):
    """A bounded map whose values are forgotten. It can stand where a memcached client is expected."""

    def __init__(self, size: int = 1000) -> None:
        self._size = size
        self._known: dict[Hashable, tuple[float, Value]] = {}

    def get(self, key: Hashable) -> Value | None:
        """What is remembered under the key, if it still is."""
        until, value = self._known.get(key, (0.0, None))
        return value if monotonic() < until else None

    def set(self, key: Hashable, value: Value, time: float) -> None:
        """Remember for `time` seconds; when there is no room, everything else is forgotten."""
        if len(self._known) >= self._size:
            self._known.clear()
        self._known[key] = (monotonic() + time, value)
