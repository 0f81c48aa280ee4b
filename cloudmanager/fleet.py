"""A fleet of devices, read together: sessions are kept between reads, a dead device holds nobody up."""

from __future__ import annotations

import asyncio
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudmanager.drivers import driver_for

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cloudmanager.drivers.base import PowerState, Settings
    from cloudmanager.errors import DeviceError

    Reading = Mapping[str, PowerState] | DeviceError

AT_ONCE = 2000
"""Devices that are asked at once: enough to hide those that are slow, few enough for the sockets' buffers."""


@dataclass(frozen=True)
class Device:
    """How to reach a device, and which of its outlets matter; none means all."""

    control_type: str
    settings: Settings
    outlets: tuple[str, ...] = ()


class Fleet:
    """Opens a driver for each device; close it on the same event loop."""

    def __init__(self, devices: Sequence[Device], *, at_once: int = AT_ONCE) -> None:
        self._drivers = [driver_for(device.control_type)(device.settings) for device in devices]
        self._outlets = [
            device.outlets or driver.valid_outlets()
            for device, driver in zip(devices, self._drivers, strict=True)
        ]
        self._at_once = at_once

    async def read(self, on_reading: Callable[[int, Reading], None] | None = None) -> list[Reading]:
        """Read every device once; what is read, or the error, in the order of the devices.

        `on_reading` hears of each with its place as it comes.
        """
        readings: list[Reading | None] = [None] * len(self._drivers)
        waiting = iter(range(len(self._drivers)))
        finished = asyncio.get_running_loop().create_future()
        left = len(self._drivers)

        def begin_next() -> None:
            if (place := next(waiting, None)) is not None:
                self._drivers[place].poll(self._outlets[place], functools.partial(end, place))

        def end(place: int, reading: Reading) -> None:
            nonlocal left
            readings[place] = reading
            if on_reading is not None:
                on_reading(place, reading)
            begin_next()
            left -= 1
            if not left and not finished.done():
                finished.set_result(None)

        for _ in range(self._at_once):
            begin_next()
        if left:
            await finished
        return [reading for reading in readings if reading is not None]

    async def close(self) -> None:
        """Log out of every device."""
        await asyncio.gather(*(driver.close() for driver in self._drivers))
