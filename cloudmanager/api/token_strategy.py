"""`[auth] strategy = token`: tokens that are kept in our own database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.api.caller import Caller
from cloudmanager.api.memory import Memory
from cloudmanager.api.services import services
from cloudmanager.errors import Unauthenticated
from cloudmanager.models import utc_now
from cloudmanager.tokens import digest, find_holder

if TYPE_CHECKING:
    from cloudmanager.db import Database
    from cloudmanager.tokens import Holder

SECONDS = 5.0
"""For so long a token is good without another look; a deleted one too."""


class TokenStrategy:
    """Looks tokens up by their digest."""

    challenge = 'X-Auth-Token realm="cloudmanager"'

    def __init__(self, size: int = 1000) -> None:
        self._known: Memory[Holder] = Memory(size)

    def identify(self, token: str) -> Caller:
        """Whom the token belongs to; raises `Unauthenticated`."""
        holder = self.find(services().database, token)
        if holder is None or (holder.expires_at is not None and holder.expires_at <= utc_now()):
            raise Unauthenticated("the token is unknown or has expired: get another one")
        return Caller(holder.name, (holder.role.title,))

    def find(self, database: Database, token: str) -> Holder | None:
        """Whom the token belongs to, expired or not. Unknown tokens are not remembered."""
        key = digest(token)
        holder = self._known.get(key)
        if holder is None:
            with database.reading() as session:
                holder = find_holder(session, key)
            if holder is not None:
                self._known.set(key, holder, SECONDS)
        return holder
