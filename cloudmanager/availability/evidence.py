"""What the availability storages say of a host: plain values, and how they are to be taken."""

from __future__ import annotations

import enum
from dataclasses import asdict, dataclass
from typing import Any


class Sign(enum.StrEnum):
    """What one storage says of a host."""

    FRESH = "fresh"
    STALE = "stale"
    DOUBTFUL = "doubtful"
    UNREADABLE = "unreadable"


@dataclass(frozen=True)
class Heartbeat:
    """A file as it was read. All times are seconds since the epoch.

    `written_at` is by the clock of the node, `changed_at` by that of the file system, `read_at` by ours.
    `running` None: the node could not tell which servers run.
    """

    written_at: float
    changed_at: float
    read_at: float
    boot_id: str
    running: frozenset[str] | None


@dataclass(frozen=True)
class Freshness:
    """How old a heartbeat may be and still show life, and how far clocks may be apart, in seconds."""

    stale_after: float = 60.0
    max_clock_skew: float = 30.0

    @classmethod
    def from_config(cls, config: Any) -> Freshness:
        """As [extra_availability_check] says."""
        check = config.extra_availability_check
        return cls(stale_after=check.stale_after, max_clock_skew=check.max_clock_skew)

    @property
    def outlived_by(self) -> float:
        """Seconds by which others must have written later for a silence to be the node's own.

        When a storage fails for all at once, the last heartbeats there are at most an interval of writing
        apart, and two clocks twice what one may be off. `stale_after` is longer than such an interval.
        """
        return self.stale_after + 2 * self.max_clock_skew


@dataclass(frozen=True)
class Evidence:
    """What one storage says of a host, and why. `age` in seconds, by the node's clock against ours."""

    storage_id: int
    storage: str
    sign: Sign
    why: str
    written_at: float | None = None
    age: float | None = None
    boot_id: str | None = None
    running: frozenset[str] | None = None

    def told(self) -> dict[str, Any]:
        """The same in values that JSON can hold."""
        running = None if self.running is None else sorted(self.running)
        return {**asdict(self), "sign": self.sign.value, "running": running}


def unreadable(storage_id: int, storage: str, why: str) -> Evidence:
    """A storage that says nothing of the host: neither life nor death."""
    return Evidence(storage_id, storage, Sign.UNREADABLE, why)


def weigh(
    storage_id: int, storage: str, beat: Heartbeat, *, down_since: float | None, freshness: Freshness
) -> Evidence:
    """Take a heartbeat for what it is worth. A clock that cannot be right makes it doubtful, never stale."""
    age = beat.read_at - beat.written_at
    changed_ago = beat.read_at - beat.changed_at
    sign, why = _sign(beat, age, changed_ago, down_since, freshness)
    return Evidence(storage_id, storage, sign, why, beat.written_at, age, beat.boot_id, beat.running)


def _sign(
    beat: Heartbeat, age: float, changed_ago: float, down_since: float | None, freshness: Freshness
) -> tuple[Sign, str]:
    skew = freshness.max_clock_skew
    if age < -skew:
        return Sign.DOUBTFUL, f"the node's clock is {-age:.0f} s ahead of ours, which is more than {skew:g} s"
    if age > freshness.stale_after + skew and abs(changed_ago) <= freshness.stale_after:
        said = f"it says that it was written {age:.0f} s ago, but the file changed {changed_ago:.0f} s ago"
        return Sign.DOUBTFUL, f"{said}: a clock is wrong"
    if age > freshness.stale_after:
        return Sign.STALE, f"written {age:.0f} s ago"
    if down_since is not None and beat.written_at + skew < down_since:
        return Sign.STALE, f"written {down_since - beat.written_at:.0f} s before the host was seen down"
    return Sign.FRESH, f"written {age:.0f} s ago"
