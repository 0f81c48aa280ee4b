"""One timer wheel for all BMCs: setting, moving and clearing a timer take constant time."""

from __future__ import annotations

import heapq
from math import inf
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Hashable

_SPOKE: Final = 0.025
"""Seconds that share one spoke of the wheel: a timer fires at most this late."""

Key = TypeVar("Key", bound="Hashable")


class Timers(Generic[Key]):
    """At most one timer per key; `fire(key)` is called when it is due. One `call_at` of the loop in all."""

    def __init__(self, loop: asyncio.AbstractEventLoop, fire: Callable[[Key], None]) -> None:
        self._loop = loop
        self._fire = fire
        self._spoke_of: dict[Key, int] = {}
        self._spokes: dict[int, set[Key]] = {}
        self._order: list[int] = []
        self._handle: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._spoke_of)

    def set(self, key: Key, when: float) -> None:
        """Set or move the timer of `key` to a time of the loop's clock; `inf` clears it."""
        spoke = -1 if when == inf else int(when / _SPOKE) + 1
        old = self._spoke_of.get(key, -1)
        if spoke == old:
            return
        if old >= 0:
            self._spokes[old].discard(key)
        if spoke < 0:
            del self._spoke_of[key]
            return
        self._spoke_of[key] = spoke
        keys = self._spokes.get(spoke)
        if keys is not None:
            keys.add(key)
            return
        self._spokes[spoke] = {key}
        heapq.heappush(self._order, spoke)
        if self._order[0] == spoke:
            self._arm()

    def stop(self) -> None:
        """Forget every timer."""
        self._spoke_of.clear()
        self._spokes.clear()
        self._order.clear()
        self._arm()

    def _arm(self) -> None:
        if self._handle:
            self._handle.cancel()
            self._handle = None
        if self._order:
            self._handle = self._loop.call_at(self._order[0] * _SPOKE, self._turn)

    def _turn(self) -> None:
        self._handle = None
        now = self._loop.time()
        while self._order and self._order[0] * _SPOKE <= now:
            for key in self._spokes.pop(heapq.heappop(self._order)):
                del self._spoke_of[key]
                self._loop.call_soon(self._fire, key)
        self._arm()
