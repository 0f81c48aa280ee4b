"""What guests use of their hosts, as a hypervisor counts it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloudmanager.simulators.openstack.compute.compute import Compute
    from cloudmanager.simulators.openstack.compute.rows import Server

IDLE = 0.01
"""Cores that each vCPU of a guest keeps busy of which nothing else is said."""

_OCTETS_PER_MBIT = 125_000


@dataclass(frozen=True, slots=True)
class Rates:
    """What a guest uses: `cpu` in cores, `received` and `sent` in Mbit/s."""

    cpu: float
    received: float = 0.0
    sent: float = 0.0


@dataclass(frozen=True, slots=True)
class Counters:
    """What has been counted: CPU time in nanoseconds, octets received and sent."""

    cpu_ns: int = 0
    received: int = 0
    sent: int = 0


@dataclass(slots=True)
class _Meter:
    host: str
    rates: Rates
    at: float
    counted: Counters


class Usage:
    """Counters of guests, which begin at zero on every host, as those of a hypervisor's process do."""

    def __init__(self, compute: Compute) -> None:
        self._compute = compute
        self._rates: dict[str, Rates] = {}
        self._meters: dict[str, _Meter] = {}

    def set(self, server: Server, *, cpu: float, received: float = 0.0, sent: float = 0.0) -> None:
        """Let a guest use so much from now on."""
        self._rates[server.id] = Rates(cpu, received, sent)
        self.counters(server)

    def counters(self, server: Server) -> Counters:
        """What the hypervisor of a guest that runs has counted until now."""
        now, host = self._compute.clock.now(), server.host or ""
        rates = self._rates.get(server.id, Rates(IDLE * server.flavor.vcpus))
        meter = self._meters.get(server.id)
        if meter is None or meter.host != host:
            meter = self._meters[server.id] = _Meter(host, rates, now, Counters())
        before, seconds = meter.counted, now - meter.at
        counted = Counters(
            before.cpu_ns + round(meter.rates.cpu * seconds * 1e9),
            before.received + round(meter.rates.received * seconds * _OCTETS_PER_MBIT),
            before.sent + round(meter.rates.sent * seconds * _OCTETS_PER_MBIT),
        )
        self._meters[server.id] = _Meter(host, rates, now, counted)
        return counted
