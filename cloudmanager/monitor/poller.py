"""Polls devices when they are due: one look serves all nodes of a device, the dead delay nobody."""

from __future__ import annotations

import asyncio
import functools
import heapq
import itertools
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog
from prometheus_client import Counter, Gauge

from cloudmanager.errors import CloudManagerError, DeviceError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cloudmanager.drivers.base import Driver, PowerState
    from cloudmanager.monitor.roll import Watched

log = structlog.get_logger(__name__)

POLLS = Counter("cloudmanager_monitor_polls_total", "Looks at devices.", ["control_type", "outcome"])
DEVICES = Gauge(
    "cloudmanager_monitor_devices",
    "Devices that this monitor watches, by whether they answer.",
    ["answers"],
    multiprocess_mode="livesum",
)

_JITTER = 0.1


@dataclass(frozen=True)
class Pace:
    """Seconds between looks, and how many looks may fail before a state is unknown."""

    interval: float
    longest_interval: float
    misses: int
    at_once: int

    def pause(self, misses: int) -> float:
        """Seconds until the next look at a device that was silent so often in a row.

        No longer than usual while it may come back any moment, then twice as long each time.
        """
        doublings = max(0, misses + 1 - self.misses)
        seconds: float = min(self.interval * 2**doublings, max(self.interval, self.longest_interval))
        return seconds * (1 + _JITTER * (random.random() - 0.5))


@dataclass(frozen=True)
class Look:
    """What came of a look: the state of each port, or None and why."""

    device: Watched
    began_at: float
    states: Mapping[str, PowerState] | None
    error: str = ""
    misses: int = 0


@dataclass(eq=False)
class _Followed:
    """A device that is followed; `due` is None while it is being asked."""

    device: Watched
    driver: Driver
    due: float | None
    misses: int = 0
    gone: bool = False
    order: int = field(default_factory=itertools.count().__next__)

    def __lt__(self, other: _Followed) -> bool:
        return self.order < other.order


class Poller:
    """Follows devices on the running event loop; `on_look` hears of every look."""

    def __init__(
        self,
        pace: Pace,
        open_driver: Callable[[Watched], Driver],
        on_look: Callable[[Look], None],
        clock: Callable[[], float],
    ) -> None:
        self._pace = pace
        self._open = open_driver
        self._on_look = on_look
        self._clock = clock
        self._followed: dict[int, _Followed] = {}
        self._due: list[tuple[float, _Followed]] = []
        self._asking = 0
        self._woken = asyncio.Event()
        self._closing: set[asyncio.Task[None]] = set()

    def follow(self, devices: Sequence[Watched]) -> None:
        """Follow these devices and no others; one whose connection has changed is begun anew."""
        wanted = {device.id: device for device in devices}
        for key, followed in list(self._followed.items()):
            new = wanted.get(key)
            if new is not None and new.connection == followed.device.connection:
                followed.device = new
            else:
                self._forget(followed)
        for key, device in wanted.items():
            if key not in self._followed:
                self._begin(device)
        silent = sum(followed.misses > 0 for followed in self._followed.values())
        DEVICES.labels(answers="yes").set(len(self._followed) - silent)
        DEVICES.labels(answers="no").set(silent)
        self._woken.set()

    async def run(self) -> None:
        """Poll until cancelled."""
        while True:
            self._woken.clear()
            pause = self._ask_those_due()
            try:
                async with asyncio.timeout(pause):
                    await self._woken.wait()
            except TimeoutError:
                continue

    async def close(self) -> None:
        """Log out of every device."""
        for followed in list(self._followed.values()):
            self._forget(followed)
        await asyncio.gather(*self._closing)

    def _begin(self, device: Watched) -> None:
        try:
            driver = self._open(device)
        except CloudManagerError as error:
            log.warning("device cannot be watched", power_control=device.title, why=error.message)
            return
        spread = random.random() * min(1.0, self._pace.interval)
        followed = _Followed(device, driver, self._clock() + spread)
        self._followed[device.id] = followed
        self._put(followed)

    def _forget(self, followed: _Followed) -> None:
        followed.gone = True
        del self._followed[followed.device.id]
        task = asyncio.get_running_loop().create_task(followed.driver.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _put(self, followed: _Followed) -> None:
        if followed.due is not None:
            heapq.heappush(self._due, (followed.due, followed))

    def _ask_those_due(self) -> float | None:
        """Ask as many as may be asked; answers the seconds until the next is due, None for never."""
        now = self._clock()
        while self._due and self._asking < self._pace.at_once:
            due, followed = self._due[0]
            if due > now:
                return due - now
            heapq.heappop(self._due)
            if not followed.gone:
                self._ask(followed, now)
        return None

    def _ask(self, followed: _Followed, now: float) -> None:
        followed.due = None
        self._asking += 1
        ports = [plugged.port for plugged in followed.device.plugged]
        followed.driver.poll(ports, functools.partial(self._answered, followed, now))

    def _answered(
        self, followed: _Followed, began_at: float, result: Mapping[str, PowerState] | DeviceError
    ) -> None:
        self._asking -= 1
        self._woken.set()
        silent = isinstance(result, DeviceError)
        POLLS.labels(
            control_type=followed.device.control_type, outcome=type(result).__name__ if silent else "ok"
        ).inc()
        if followed.gone:
            return
        followed.misses = followed.misses + 1 if silent else 0
        followed.due = self._clock() + self._pace.pause(followed.misses)
        self._put(followed)
        if isinstance(result, DeviceError):
            self._on_look(Look(followed.device, began_at, None, result.message, followed.misses))
        else:
            self._on_look(Look(followed.device, began_at, result))
