"""How often somebody may ask: requests at a steady rate, and some at once before that counts."""

from __future__ import annotations

import math
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, cast

from flask import current_app

from cloudmanager.api.services import services
from cloudmanager.errors import TooManyRequests

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from flask import Flask

_KEPT = 10_000
"""Callers that are remembered; those who could ask freely are forgotten first."""


def register(app: Flask, *groups: str) -> None:
    """Give the application what counts the requests that `rate` and `burst` of each section limit."""
    with app.app_context():
        config = services().config
    for group in groups:
        app.extensions[_key(group)] = RateLimit(config[group].rate, config[group].burst)


def count(group: str, caller: Hashable, *, what: str = "requests") -> None:
    """Count a request of a caller; raises `TooManyRequests` above the rate of the section."""
    if wait := cast("RateLimit", current_app.extensions[_key(group)]).wait(caller):
        rate = services().config[group].rate
        message = f"too many {what}: [{group}] rate allows {rate:g} a second"
        raise TooManyRequests(message, max(1, math.ceil(wait)))


def _key(group: str) -> str:
    return f"cloudmanager.{group}"


class RateLimit:
    """`rate` requests a second for each caller, `burst` at once. A rate of 0 is no limit.

    Many threads may ask.
    """

    def __init__(self, rate: float, burst: int, clock: Callable[[], float] = monotonic) -> None:
        self._interval = 1 / rate if rate else 0.0
        self._ahead = self._interval * (burst - 1)
        self._clock = clock
        self._lock = Lock()
        self._due: dict[Hashable, float] = {}

    def wait(self, caller: Hashable) -> float:
        """Count a request; 0 when it is allowed, else the seconds after which one would be."""
        if not self._interval:
            return 0.0
        with self._lock:
            now = self._clock()
            due = max(now, self._due.get(caller, now))
            if due - now > self._ahead:
                return due - now - self._ahead
            if len(self._due) >= _KEPT and caller not in self._due:
                self._forget(now)
            self._due[caller] = due + self._interval
            return 0.0

    def _forget(self, now: float) -> None:
        """Make room; when everybody is in haste, all begin anew."""
        self._due = {caller: due for caller, due in self._due.items() if due > now}
        if len(self._due) >= _KEPT:
            self._due.clear()
