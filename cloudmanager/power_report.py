"""`cloudmanager power status`: polls a fleet and tells what it says, by lines or as one JSON object."""

from __future__ import annotations

import asyncio
import gc
import time
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import click
import orjson

from cloudmanager.drivers.base import PowerState
from cloudmanager.errors import DeviceError
from cloudmanager.fleet import Fleet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudmanager.fleet import Device, Reading
    from cloudmanager.power_targets import Targets

_WORDS = {PowerState.ON: "on", PowerState.OFF: "off", PowerState.UNKNOWN: "unknown"}


@dataclass(frozen=True)
class Poll:
    """One reading of the whole fleet: seconds of the clock and of this process, and how many were what."""

    wall_s: float
    cpu_s: float
    on: int
    off: int
    unknown: int


def poll(targets: Targets, *, repeat: int, as_json: bool) -> bool:
    """Read the fleet so many times and tell the last reading; whether every outlet's state is known."""
    polls, readings = asyncio.run(_poll(targets.devices, repeat))
    results = [
        result
        for title, device, reading in zip(targets.titles, targets.devices, readings, strict=True)
        for result in _results(title, device, reading)
    ]
    if as_json:
        document = {
            "devices": len(targets.devices),
            "results": [{key: result[key] for key in result if key != "title"} for result in results],
            "polls": [asdict(each) for each in polls],
        }
        click.echo(orjson.dumps(document))
    else:
        _tell(results, polls)
    return all(result["state"] != _WORDS[PowerState.UNKNOWN] for result in results)


async def _poll(devices: Sequence[Device], repeat: int) -> tuple[list[Poll], list[Reading]]:
    fleet = Fleet(devices)
    gc.freeze()  # what lives until the end need not be looked at while we measure
    polls, readings = [], []
    try:
        for _ in range(repeat):
            wall, cpu = time.perf_counter(), time.process_time()
            readings = await fleet.read()
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            counts = Counter(state for reading in readings for state in _states(reading))
            polls.append(
                Poll(wall, cpu, counts[PowerState.ON], counts[PowerState.OFF], counts[PowerState.UNKNOWN])
            )
    finally:
        await fleet.close()
    return polls, readings


def _states(reading: Reading) -> Sequence[PowerState]:
    return [PowerState.UNKNOWN] if isinstance(reading, DeviceError) else list(reading.values())


def _results(title: str, device: Device, reading: Reading) -> list[dict[str, Any]]:
    """A result for each outlet; a device that could not be read is one result."""
    common = {"title": title, "host": device.settings.host, "port": device.settings.port}
    if isinstance(reading, DeviceError):
        return [{**common, "state": _WORDS[PowerState.UNKNOWN], "error": reading.message}]
    many = len(reading) > 1
    return [
        {**common, **({"outlet": outlet} if many else {}), "state": _WORDS[state], "error": None}
        for outlet, state in reading.items()
    ]


def _tell(results: Sequence[dict[str, Any]], polls: Sequence[Poll]) -> None:
    for result in results:
        outlet = f"#{result['outlet']}" if "outlet" in result else ""
        why = f"  {result['error']}" if result["error"] else ""
        click.echo(f"{result['title']}{outlet}: {result['state']}{why}")
    for each in polls:
        click.echo(
            f"{len(results)} read in {each.wall_s:.3f} s ({each.cpu_s:.3f} s of CPU): "
            f"{each.on} on, {each.off} off, {each.unknown} unknown",
            err=True,
        )
