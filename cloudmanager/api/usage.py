"""Refusing to delete what nodes use, with the nodes named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select

from cloudmanager.errors import Conflict
from cloudmanager.models import Node

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

_NAMED = 10


def refuse_if_used(session: Session, what: str, condition: ColumnElement[bool]) -> None:
    """Raise `Conflict` naming the first nodes for which the condition holds."""
    users = session.execute(select(Node.id, Node.name).where(condition).order_by(Node.id).limit(_NAMED)).all()
    if not users:
        return
    names = ", ".join(node_title(key, name) for key, name in users)
    more = (session.scalar(select(func.count(Node.id)).where(condition)) or 0) - len(users)
    names += f" and {more} more" if more > 0 else ""
    raise Conflict(f"{what} is used by {names}: change them first")


def node_title(key: int, name: str | None) -> str:
    """What people call a node."""
    return f"node {key} ({name})" if name else f"node {key}"
