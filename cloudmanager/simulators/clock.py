from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class Clock(Protocol):
    """The world's time: seconds since the epoch that never go back, and a way to let things happen later."""

    def now(self) -> float:
        """Seconds since the epoch."""
        ...

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> None:
        """Call `callback(*args)` after `delay` seconds."""
        ...


class LoopClock:
    """Real time, on the event loop that is running when something is scheduled."""

    def __init__(self) -> None:
        self._epoch = time.time() - time.monotonic()

    def now(self) -> float:
        """Seconds since the epoch, steady even if somebody sets the machine's clock."""
        return self._epoch + time.monotonic()

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> None:
        """Call `callback(*args)` after `delay` seconds on the running event loop."""
        asyncio.get_running_loop().call_later(delay, callback, *args)


class ManualClock:
    """Time that passes only by `advance`: tests of slow hardware take no time."""

    def __init__(self, start: float = 1_000_000.0) -> None:
        self._now = start
        self._due: list[tuple[float, int, Callable[..., object], tuple[Any, ...]]] = []
        self._order = itertools.count()

    def now(self) -> float:
        """Seconds that were given at the start plus all that was advanced."""
        return self._now

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> None:
        """Remember the call for the `advance` that reaches its time."""
        heapq.heappush(self._due, (self._now + delay, next(self._order), callback, args))

    def advance(self, seconds: float) -> None:
        """Let time pass; what becomes due happens in order, each at its own time."""
        end = self._now + seconds
        while self._due and self._due[0][0] <= end:
            self._now, _, callback, args = heapq.heappop(self._due)
            callback(*args)
        self._now = end
