"""Tokens of the `token` strategy: making them, and finding whom one belongs to. Only digests are stored."""

from __future__ import annotations

import enum
import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select

from cloudmanager.errors import Conflict, InvalidInput
from cloudmanager.models import ApiToken, utc_now

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session


class Role(enum.IntEnum):
    """What a token may do; each role includes those below it."""

    READER = 1
    MEMBER = 2
    ADMIN = 3

    @property
    def title(self) -> str:
        """The role's name in the API and the database."""
        return self.name.lower()


@dataclass(frozen=True)
class Holder:
    """Whom a token belongs to."""

    name: str
    role: Role
    expires_at: datetime | None


def create_token(session: Session, name: str, role: str, ttl: float | None = None) -> str:
    """Make a token and answer it; it cannot be read again. `ttl` in seconds, None: it never expires."""
    if role not in {known.title for known in Role}:
        raise InvalidInput(f"no role {role!r}: it is reader, member or admin", {"role": ["unknown role"]})
    if session.scalar(select(ApiToken.id).where(ApiToken.name == name)) is not None:
        raise Conflict(f"a token named {name!r} exists: choose another name")
    token = secrets.token_urlsafe(32)
    expires_at = None if ttl is None else utc_now() + timedelta(seconds=ttl)
    session.add(ApiToken(name=name, role=role, digest=digest(token), expires_at=expires_at))
    session.flush()
    return token


def find_holder(session: Session, token_digest: str) -> Holder | None:
    """Whom the token with this digest belongs to, expired or not."""
    query = select(ApiToken.name, ApiToken.role, ApiToken.expires_at).where(ApiToken.digest == token_digest)
    row = session.execute(query).one_or_none()
    return Holder(row.name, Role[row.role.upper()], row.expires_at) if row else None


def digest(token: str) -> str:
    """What is stored of a token. A lookup by digest tells an attacker nothing by its timing."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
