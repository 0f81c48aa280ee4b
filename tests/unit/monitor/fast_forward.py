"""Time that flies: a day of real sockets and real code in seconds."""

from __future__ import annotations

import asyncio
import functools
import selectors


class FastForwardLoop(asyncio.SelectorEventLoop):
    """An event loop where it is the time of the next timer as soon as nothing is to be read.

    Packets between sockets of this process are there when `sendto` returns, so nobody waits for one.
    """

    def __init__(self):
        super().__init__(_NeverWaits(self))
        self.now = 1_000_000.0

    def time(self):
        return self.now


class _NeverWaits(selectors.DefaultSelector):
    def __init__(self, loop):
        super().__init__()
        self._loop = loop

    def select(self, timeout=None):
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        assert timeout is not None, "nothing will ever happen again"
        self._loop.now += max(0.0, timeout)
        return []


class LoopTime:
    """The clock of the simulators: that of the running loop."""

    def __init__(self):
        loop = asyncio.get_running_loop()
        self.now, self.call_later = loop.time, loop.call_later


def fast_forward(test):
    """Run a test, which is a coroutine function, on such a loop."""

    @functools.wraps(test)
    def run(*arguments, **keywords):
        with asyncio.Runner(loop_factory=FastForwardLoop) as runner:
            runner.run(test(*arguments, **keywords))

    return run
