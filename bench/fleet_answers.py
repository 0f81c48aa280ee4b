"""Seconds until the last living BMC of a fleet has answered, in a process of its own: [[alive], [silent]]."""

from __future__ import annotations

import asyncio
import json
import sys
import time

from cloudmanager.drivers.base import Settings
from cloudmanager.errors import DeviceError
from cloudmanager.fleet import Device, Fleet
from tests.peers.ipmi_sim import HOST, LOGIN, PASSWORD


async def _measure(alive: list[int], silent: list[int]) -> float:
    mixed = [port for pair in zip(alive, silent, strict=True) for port in pair] if silent else alive
    fleet = Fleet(
        [
            Device(
                "SupermicroRackDevice",
                Settings(host=HOST, port=port, login=LOGIN, password=PASSWORD, timeout=3.0),
            )
            for port in mixed
        ]
    )
    answered: list[float] = []
    begun = time.perf_counter()

    def hear(_place: int, reading: object) -> None:
        if not isinstance(reading, DeviceError):
            answered.append(time.perf_counter() - begun)

    await fleet.read(hear)
    await fleet.close()
    assert len(answered) == len(alive)
    return max(answered)


if __name__ == "__main__":
    print(asyncio.run(_measure(*json.loads(sys.argv[1]))))
