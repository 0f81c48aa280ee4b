"""When a window is open: pure functions of a schedule and a time. Times are seconds since the epoch.

A cron expression is evaluated in its zone as Debian's cron does. At a fixed time of day: a time that the
clock skips is the first moment after the gap, a time that comes twice counts the first time. With `*` in
hours or minutes: whenever the clock shows it. A window is open for its length, whatever the clock does.
"""

from __future__ import annotations

import functools
import itertools
import zoneinfo
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cronsim import CronSim, CronSimError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_FIELDS = 5
_LOOKED_AT = 800
"""Openings that are looked at to see whether they overlap; of daily ones, two years."""

_LONGEST_LOOK = 2 * 366 * 86400.0


@dataclass(frozen=True)
class Opening:
    """From when until when a window is open."""

    opens_at: float
    closes_at: float


@dataclass(frozen=True)
class Schedule:
    """Either `cron` in `time_zone`, or `starts_at` once; `length` in seconds."""

    length: float
    cron: str | None = None
    time_zone: str = "UTC"
    starts_at: float | None = None

    @classmethod
    def stored(cls, schedule: Mapping[str, Any], length: float) -> Schedule:
        """The schedule of a window, as the API and the database write it."""
        if (starts_at := schedule.get("starts_at")) is not None:
            return cls(length, starts_at=seconds_of(datetime.fromisoformat(starts_at)))
        return cls(length, cron=schedule["cron"], time_zone=schedule["time_zone"])

    def openings(self, after: float) -> Iterator[Opening]:
        """Those that begin after a time, in order."""
        begins = self._once(after) if self.cron is None else self._by_cron(self.cron, after)
        return (Opening(at, at + self.length) for at in begins)

    def open_at(self, now: float) -> Opening | None:
        """The opening that is under way; the latest, should several be."""
        under_way = itertools.takewhile(
            lambda opening: opening.opens_at <= now, self.openings(now - self.length)
        )
        return max(under_way, key=lambda opening: opening.opens_at, default=None)

    def next_to_close(self, now: float) -> Opening | None:
        """The opening that is under way, or else the next one."""
        return self.open_at(now) or next(self.openings(now), None)

    def overlaps(self, now: float) -> bool:
        """Whether it opens again before it has closed, within the next two years."""
        looked_at = itertools.takewhile(
            lambda opening: opening.opens_at < now + _LONGEST_LOOK,
            itertools.islice(self.openings(now), _LOOKED_AT),
        )
        return any(after.opens_at < first.closes_at for first, after in itertools.pairwise(looked_at))

    def _once(self, after: float) -> Iterator[float]:
        if self.starts_at is not None and self.starts_at > after:
            yield self.starts_at

    def _by_cron(self, expression: str, after: float) -> Iterator[float]:
        """In real order: cron goes by the clock on the wall, which shows some hours twice."""
        last = after
        for local in CronSim(expression, datetime.fromtimestamp(after, zoneinfo.ZoneInfo(self.time_zone))):
            at = local.timestamp()
            if at > last:
                yield at
                last = at


def check_cron(expression: str) -> None:
    """Raise ValueError, which says what is wrong, unless it is a cron expression of five fields."""
    if len(expression.split()) != _FIELDS:
        raise ValueError("not five fields: minute, hour, day of the month, month, day of the week")
    try:
        CronSim(expression, datetime(2000, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        raise ValueError(f"not a cron expression: {error}") from None
    except (AssertionError, TypeError, ValueError):
        raise ValueError("not a cron expression") from None


def check_time_zone(name: str) -> None:
    """Raise ValueError unless the IANA database knows the zone."""
    if name not in _zones():
        raise ValueError("no time zone of the IANA database, such as Europe/Berlin")


@functools.cache
def _zones() -> set[str]:
    return zoneinfo.available_timezones()


def seconds_of(utc: datetime) -> float:
    """A time as the database keeps it, UTC without saying so, in seconds since the epoch."""
    return utc.replace(tzinfo=UTC).timestamp()


def moment_of(seconds: float) -> datetime:
    """Seconds since the epoch as the database keeps times."""
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
