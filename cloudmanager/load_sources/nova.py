"""What servers use by Nova's diagnostics: counters that are read twice, since a rate needs two."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cloudmanager.drs.cluster import Resource
from cloudmanager.errors import CloudRefused, CloudUnreachable, NotFound
from cloudmanager.load_sources.left_out import LeftOut
from cloudmanager.load_sources.source import Loads

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from cloudmanager.openstack.port import CloudPort
    from cloudmanager.openstack.records import Diagnostics, Server

UNSAID = "Nova's diagnostics tell nothing of what hosts use themselves, and nothing of disk space"

_ACTIVE = "active"
_NOT_US, _NOT_THERE = frozenset({401, 403}), 501
_MEGABIT = 1e6 / 8
"""Octets."""
_NEAR = 0.1
"""Share by which a guest's memory may differ from its flavor's when both are told in MiB."""


class NovaSource:
    """CPU and network of servers; their memory too where the hypervisor tells it in the documented unit.

    `interval` is the seconds between the two readings of a server, `requests` how many are asked for at a
    time, `time_limit` the seconds that all of it may take.
    """

    def __init__(
        self,
        cloud: CloudPort,
        *,
        interval: float,
        requests: int,
        time_limit: float,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._cloud, self._requests, self._time_limit = cloud, requests, time_limit
        self._interval, self._sleep = interval, sleep

    async def measure(self, hosts: Sequence[str], servers: Sequence[Server]) -> Loads:
        """Of servers that run. `CloudRefused`: we may not ask; `CloudUnreachable`: no host answers."""
        del hosts
        left_out, measured = LeftOut("servers"), dict[str, dict[Resource, float]]()
        reader = _Reader(self._cloud, self._requests, left_out)

        async def take(server: Server) -> None:
            if (first := await reader.read(server)) is not None:
                await self._sleep(self._interval)
                second = await reader.read(server)
                if second is not None and (used := _used(server, first, second, left_out)):
                    measured[server.id] = used
            late.pop(server.id)

        late = {server.id: server.name for server in servers}
        try:
            async with asyncio.timeout(self._time_limit), asyncio.TaskGroup() as tasks:
                for server in servers:
                    tasks.create_task(take(server))
        except TimeoutError:
            for name in late.values():
                left_out.add(name, f"measuring takes longer than {self._time_limit:g} s")
        reader.check(measured)
        return Loads(servers=measured, notes=(*left_out.notes(), UNSAID))


class _Reader:
    """Reads counters, so many at a time; a host that did not answer once is not asked again."""

    def __init__(self, cloud: CloudPort, requests: int, left_out: LeftOut) -> None:
        self._cloud, self._left_out = cloud, left_out
        self._room = asyncio.Semaphore(requests)
        self._silent: set[str | None] = set()
        self._unreachable: CloudUnreachable | None = None
        self._refused: CloudRefused | None = None

    async def read(self, server: Server) -> Diagnostics | None:
        """The counters of a server; None when they cannot be had, which is noted."""
        if server.vm_state != _ACTIVE:
            self._left_out.add(server.name, "they do not run")
            return None
        async with self._room:
            if server.host in self._silent:
                self._left_out.add(server.name, "their host does not answer")
            elif self._refused is None:
                return await self._ask(server)
        return None

    def check(self, measured: object) -> None:
        """Raise what Nova said to all of us: that we may not ask, or nothing at all."""
        if self._refused is not None:
            raise self._refused
        if self._unreachable is not None and not measured:
            raise self._unreachable

    async def _ask(self, server: Server) -> Diagnostics | None:
        try:
            return await self._cloud.diagnostics(server.id)
        except NotFound:
            self._left_out.add(server.name, "they are gone")
        except CloudUnreachable as error:
            self._unreachable = error
            self._silent.add(server.host)
            self._left_out.add(server.name, "their host does not answer")
        except CloudRefused as error:
            if error.status in _NOT_US:
                self._refused = error
            missing = error.status == _NOT_THERE
            self._left_out.add(
                server.name, "their hypervisor has no diagnostics" if missing else "they do not run"
            )
        return None


def _used(
    server: Server, first: Diagnostics, second: Diagnostics, left_out: LeftOut
) -> dict[Resource, float]:
    """What a server used between two readings. Counters that went back are of another run of the guest."""
    seconds = second.at - first.at
    rates = {
        Resource.CPU: _rate(first.cpu_seconds, second.cpu_seconds, seconds),
        Resource.NETWORK: _rate(_octets(first), _octets(second), seconds * _MEGABIT),
    }
    if any(rate is not None and rate < 0 for rate in rates.values()):
        left_out.add(server.name, "they were started or moved meanwhile")
        return {}
    found = {**rates, Resource.RAM: _megabytes(server, second)}
    for resource, amount in found.items():
        if amount is None:
            left_out.add(server.name, "their hypervisor does not tell it", resource)
    return {resource: amount for resource, amount in found.items() if amount is not None}


def _rate(before: float | None, after: float | None, divisor: float) -> float | None:
    if before is None or after is None or divisor <= 0:
        return None
    return (after - before) / divisor


def _octets(counted: Diagnostics) -> int | None:
    """In both directions together."""
    if counted.received_octets is None or counted.sent_octets is None:
        return None
    return counted.received_octets + counted.sent_octets


def _megabytes(server: Server, counted: Diagnostics) -> float | None:
    """Memory in use, where the most that the guest may have shows that it is told in MiB."""
    if server.flavor is None or not counted.memory or not counted.memory_used:
        return None
    if abs(counted.memory - server.flavor.ram_mb) > _NEAR * server.flavor.ram_mb:
        return None
    return float(counted.memory_used)
