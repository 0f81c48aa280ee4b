"""Leases: what only one process may do at a time, across machines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, or_, update

from cloudmanager.db import insert_or_ignore
from cloudmanager.models import Lease

if TYPE_CHECKING:
    from cloudmanager.db import Database

_SET_BACK = 600.0
"""Seconds by which a lease may reach further ahead than ours, because it was asked for with other options."""


def hold(database: Database, name: str, holder: str, *, now: float, seconds: float) -> bool:
    """Take or renew the lease `name` for so many seconds; False while another has it.

    `now` is `database.now()`. A lease that reaches much further ahead than this one was taken before that
    clock was set back: its holder may have died long ago, and takes it again if it has not.
    """
    with database.transaction() as session:
        taken = session.execute(
            update(Lease)
            .where(
                Lease.name == name,
                or_(Lease.holder == holder, Lease.until <= now, Lease.until > now + seconds + _SET_BACK),
            )
            .values(holder=holder, until=now + seconds)
            .returning(Lease.name)
        ).first()
        if taken:
            return True
        new = insert_or_ignore(session, Lease).values(name=name, holder=holder, until=now + seconds)
        return session.execute(new.returning(Lease.name)).first() is not None


def release(database: Database, name: str, holder: str) -> None:
    """Give the lease back, if it is held."""
    with database.transaction() as session:
        session.execute(delete(Lease).where(Lease.name == name, Lease.holder == holder))
