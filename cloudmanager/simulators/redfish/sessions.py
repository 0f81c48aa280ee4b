"""Sessions of a Redfish service (DSP0266 1.20 §13.3.4)."""

from __future__ import annotations

import itertools
import secrets
from dataclasses import dataclass, field


@dataclass(slots=True)
class Session:
    """One log-on."""

    id: str
    user: str
    last_used: float
    token: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)


class SessionTable:
    """Sessions end when they are deleted or unused for `timeout` seconds."""

    def __init__(self, timeout: float) -> None:
        self.opened = 0
        self.closed = 0
        self._timeout = timeout
        self._sessions: dict[str, Session] = {}
        self._numbers = itertools.count(1)

    def open(self, user: str, limit: int, now: float) -> Session | None:
        """Make a session; None when there are `limit` of them already."""
        if len(self.ids(now)) >= limit:
            return None
        session = Session(str(next(self._numbers)), user, now)
        self._sessions[session.id] = session
        self.opened += 1
        return session

    def ids(self, now: float) -> list[str]:
        """The ids of all that live."""
        self._sessions = {
            key: session
            for key, session in self._sessions.items()
            if session.last_used + self._timeout >= now
        }
        return list(self._sessions)

    def find(self, session_id: str, now: float) -> Session | None:
        """A session that lives, by its id."""
        return self._sessions.get(session_id) if session_id in self.ids(now) else None

    def authenticate(self, token: str, now: float) -> Session | None:
        """A session that lives, by its token; it has been used now."""
        for session_id in self.ids(now):
            session = self._sessions[session_id]
            if secrets.compare_digest(session.token.encode(), token.encode()):
                session.last_used = now
                return session
        return None

    def close(self, session: Session) -> None:
        """End one session."""
        del self._sessions[session.id]
        self.closed += 1

    def clear(self) -> None:
        """Forget all, as a service that restarts."""
        self._sessions.clear()
