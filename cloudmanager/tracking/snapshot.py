"""What is decided on: a picture of the hosts at one moment, and the limits. Plain values."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudmanager.availability.evidence import Evidence


class Power(enum.StrEnum):
    """What the power device of a host said last. Unknown is not off."""

    ON = "on"
    OFF = "off"
    UNKNOWN = "unknown"


class Came(enum.StrEnum):
    """What came of the last decision on a host that is still down."""

    OPEN = "open"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True)
class Decision:
    """The evacuation that was begun for this outage: the task, when, and what came of it.

    `unfenced`: it failed because the power could not be cut; no server was started elsewhere.
    """

    task_id: str
    made_at: float
    came: Came
    unfenced: bool = False


@dataclass(frozen=True)
class HostFacts:
    """All that is known of one host. `up` None is unknown, and does not count as down.

    `down_count` is how often in a row it was seen down, `down_since` when for the first time (seconds since
    the epoch). `cordoned` is the reason of a cordon that is not ours, `own_power` says which action of ours
    explains that it is down, `held_by` which open task has it. `expected` are the servers that Nova takes for
    running there; None is unknown.
    """

    name: str
    up: bool | None
    forced_down: bool = False
    cordoned: str | None = None
    down_count: int = 0
    down_since: float | None = None
    reported_at: float | None = None
    node_id: int | None = None
    reserved: bool = False
    has_control: bool = False
    power: Power = Power.UNKNOWN
    own_power: str | None = None
    held_by: str | None = None
    returning: str | None = None
    aggregates: frozenset[int] = frozenset()
    has_storages: bool = False
    storages: tuple[Evidence, ...] = ()
    checks: int = 0
    expected: frozenset[str] | None = None
    decision: Decision | None = None
    forbidden: str | None = None

    @property
    def unexplained(self) -> bool:
        """Whether it is down, is no spare, and was neither switched off nor evacuated by us."""
        evacuated = self.decision is not None and self.decision.came is Came.SUCCEEDED
        explained = self.reserved or self.own_power or self.returning or evacuated
        return self.up is False and not explained


@dataclass(frozen=True)
class Limits:
    """What the configuration allows. Times in seconds, shares in percent.

    `outlived_by`: others must have written to a storage so much later than a host whose silence is to count.
    """

    mutex: int = 3
    max_down_hosts: int = 0
    aggregate_limit: int = 0
    fences_per_cycle: int = 1
    partition_share: int = 50
    storage_cliff: int = 50
    storage_fencing: bool = False
    evacuate_cordoned: bool = False
    storage_silence: float = 120.0
    outlived_by: float = 120.0
    retry_interval: float = 600.0
    check_enabled: bool = False
    check_attempts: int = 2
    instance_rate: int = 100


@dataclass(frozen=True)
class Silence:
    """How many of those that can be compared are silent."""

    silent: int = 0
    of: int = 0

    def exceeds(self, percent: int) -> bool:
        """Whether more than so many percent are silent."""
        return self.silent * 100 > percent * self.of


@dataclass(frozen=True)
class Others:
    """The hosts that are up on one storage. `written` is when those of them wrote last that are heard there.

    Each by the clock of its node, in seconds since the epoch. `silent` are all others, also those whose clock
    leaves in doubt when they wrote.
    """

    silent: int = 0
    written: tuple[float, ...] = ()

    def silent_exceed(self, percent: int) -> bool:
        """Whether more than so many percent are silent."""
        return Silence(self.silent, self.of).exceeds(percent)

    def unheard_exceed(self, percent: int, *, since: float) -> bool:
        """Whether more than so many percent have not written later than that."""
        return Silence(self.of - self.heard(since), self.of).exceeds(percent)

    def heard(self, since: float) -> int:
        """How many have written later than that."""
        return sum(moment > since for moment in self.written)

    @property
    def of(self) -> int:
        """How many there are."""
        return self.silent + len(self.written)


@dataclass(frozen=True)
class Snapshot:
    """The hosts at one moment (`now`, seconds since the epoch).

    `devices` counts power devices of hosts that are not down, `heartbeats` such hosts on each storage.
    `blind` says why the cloud cannot be seen from here; None: it can.
    """

    now: float
    hosts: Mapping[str, HostFacts]
    limits: Limits
    aggregate_names: Mapping[int, str] = field(default_factory=dict)
    devices: Silence = Silence()
    heartbeats: Mapping[int, Others] = field(default_factory=dict)
    blind: str | None = None

    @cached_property
    def unexplained(self) -> tuple[HostFacts, ...]:
        """Those that are down, even once, and nobody knows why."""
        return tuple(host for host in self.hosts.values() if host.unexplained and not self._at_work(host))

    def _at_work(self, host: HostFacts) -> bool:
        return host.cordoned is not None and not self.limits.evacuate_cordoned
