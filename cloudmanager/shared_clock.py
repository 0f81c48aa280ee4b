"""The time that all processes share: the database server's, whatever the clocks of their machines say.

Leases and the times at which flows wake are compared by processes on different machines. By the clock of a
machine that is wrong a lease would be taken from one that lives, or be kept long after its holder has died.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.exc import DBAPIError

if TYPE_CHECKING:
    from collections.abc import Callable

log = structlog.get_logger(__name__)

_ASKED_EVERY = 30.0
"""Seconds for which our monotonic clock carries the time on by itself."""

_SLOW = 1.0
"""Seconds after which an answer says too little: half of them may be its error."""

_TOLD_FROM = 2.0
"""Seconds by which this machine's clock may differ before it is told in the log."""


class SharedClock:
    """`now()` asks by `ask` at first, and again in the background from time to time."""

    def __init__(
        self,
        ask: Callable[[], float],
        *,
        here: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask = ask
        self._here = here
        self._steady = steady
        self._offset: float | None = None
        self._ask_at = 0.0
        self._lock = threading.Lock()
        self._told = False

    def now(self) -> float:
        """Seconds since the epoch; by this machine's clock as long as the database has never answered."""
        with self._lock:
            due = self._steady() >= self._ask_at
            if due:
                self._ask_at = self._steady() + _ASKED_EVERY
        if due and self._offset is not None:
            threading.Thread(target=self.ask, name="shared clock", daemon=True).start()
        elif self._offset is None:
            self.ask()
        return self._here() if self._offset is None else self._steady() + self._offset

    def ask(self) -> None:
        """Set it by the database now; when that is away or slow, it stays as it was."""
        before = self._steady()
        try:
            theirs = self._ask()
        except DBAPIError as error:
            log.debug("the database does not tell the time", why=type(error.orig).__name__)
            return
        after = self._steady()
        if self._offset is None or after - before < _SLOW:
            self._offset = theirs - (before + after) / 2
            self._tell(theirs)

    def _tell(self, theirs: float) -> None:
        wrong = self._here() - theirs
        if abs(wrong) > _TOLD_FROM and not self._told:
            log.warning("this machine's clock is not the database's", seconds_ahead=round(wrong, 1))
        self._told = abs(wrong) > _TOLD_FROM
