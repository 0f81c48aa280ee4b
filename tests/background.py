"""An event loop in a thread, for simulators beside a test that waits."""

from __future__ import annotations

import asyncio
import threading


class Background:
    """What lives in an event loop of its own."""

    def __init__(self):
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def end(self):
        """Stop the loop."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def change(self, what, *args, **options):
        """Call something of the simulation where it lives."""

        async def change():
            return what(*args, **options)

        return self.run(change())

    def run(self, work):
        """What a coroutine answers, run there."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)
