"""A port for code that has no event loop: each question is asked in a loop of its own thread."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

P = TypeVar("P")
T = TypeVar("T")


class Blocking(Generic[P]):
    """Asks the port and waits for the answer. The thread is started by the first question, after any fork."""

    def __init__(self, name: str, make: Callable[[], P]) -> None:
        self._name = name
        self._make = make
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._port: P

    def ask(self, question: Callable[[P], Coroutine[Any, Any, T]]) -> T:
        """What `question` finds out; raises what the port raises."""
        with self._lock:
            if self._loop is None:
                self._port = self._make()
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name=self._name, daemon=True).start()
        return asyncio.run_coroutine_threadsafe(question(self._port), self._loop).result()
