"""Work that takes longer than a step may: begun by one, asked for by the next looks, gone with its worker.

It must do no harm when it is done twice, because nobody after this worker knows of it: reading, reckoning.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")

_KEPT = 16
"""Results that nobody has asked for; older ones are forgotten, for their flows may be with other workers."""


class Desk:
    """The work of one event loop, by the ids of the flows that wait for it."""

    def __init__(self) -> None:
        self._work: dict[str, asyncio.Task[Any]] = {}

    def ask(self, key: str, begin: Callable[[], Coroutine[Any, Any, T]]) -> T | None:
        """What came of it, once; None while it goes on. Raises what it raised, and begins anew after that."""
        work = self._work.get(key)
        if work is None:
            self._work[key] = asyncio.get_running_loop().create_task(begin())
            self._forget()
            return None
        if not work.done():
            return None
        return cast("T", self._work.pop(key).result())

    async def drop(self, key: str) -> None:
        """Nobody wants it any more."""
        if work := self._work.pop(key, None):
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

    async def close(self) -> None:
        """Stop all work."""
        for key in list(self._work):
            await self.drop(key)

    def _forget(self) -> None:
        done = [key for key, work in self._work.items() if work.done()]
        for key in done[: max(0, len(done) - _KEPT)]:
            work = self._work.pop(key)
            if not work.cancelled():
                work.exception()  # it is seen, so that nobody warns of it
