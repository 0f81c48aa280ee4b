"""Who calls, and whether they may. Each operation names the least role that it takes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog
from flask import current_app, g, request

from cloudmanager.api.services import services
from cloudmanager.errors import Forbidden, Unauthenticated
from cloudmanager.models import utc_now
from cloudmanager.tokens import digest, find_holder

if TYPE_CHECKING:
    from flask import Flask

    from cloudmanager.db import Database
    from cloudmanager.tokens import Holder, Role

HEADER = "X-Auth-Token"
_CACHE = "cloudmanager.tokens"


class TokenCache:
    """Remembers tokens for some seconds, so that most requests need no look-up. One per application."""

    def __init__(self, seconds: float = 5.0, size: int = 1000) -> None:
        self._seconds = seconds
        self._size = size
        self._known: dict[str, tuple[float, Holder]] = {}

    def find(self, database: Database, token: str) -> Holder | None:
        """Whom the token belongs to. Unknown tokens are not remembered."""
        key = digest(token)
        until, holder = self._known.get(key, (0.0, None))
        if time.monotonic() < until:
            return holder
        with database.reading() as session:
            holder = find_holder(session, key)
        if holder is not None:
            if len(self._known) >= self._size:
                self._known.clear()
            self._known[key] = (time.monotonic() + self._seconds, holder)
        return holder


def register(app: Flask) -> None:
    """Give the application its own memory of tokens."""
    app.extensions[_CACHE] = TokenCache()


def authorize(least: Role) -> None:
    """Put the caller into `g.caller`, or refuse."""
    token = request.headers.get(HEADER)
    if not token:
        raise Unauthenticated(f"send a token in the header {HEADER}")
    cache: TokenCache = current_app.extensions[_CACHE]
    holder = cache.find(services().database, token)
    if holder is None or (holder.expires_at is not None and holder.expires_at <= utc_now()):
        raise Unauthenticated("the token is unknown or has expired: get another one")
    g.caller = holder
    structlog.contextvars.bind_contextvars(user=holder.name)
    if holder.role < least:
        raise Forbidden(
            f"this needs the role {least.title}; the token of {holder.name} is {holder.role.title}"
        )
