"""The Cloud port for code that has no event loop: each question is asked in a loop of its own thread."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from cloudmanager.openstack.port import CloudPort

T = TypeVar("T")


class BlockingCloud:
    """Asks the port and waits for the answer. The thread is started by the first question, after any fork."""

    def __init__(self, make: Callable[[], CloudPort]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._cloud: CloudPort

    def ask(self, question: Callable[[CloudPort], Coroutine[Any, Any, T]]) -> T:
        """What `question` finds out; raises what the port raises."""
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="cloud", daemon=True).start()
                self._cloud = self._make()
        return asyncio.run_coroutine_threadsafe(question(self._cloud), self._loop).result()
