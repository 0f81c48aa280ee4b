"""The open flow is the lock of its subject: who holds what."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from cloudmanager.models import FlowRow

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.orm import Session


def holders(session: Session, subjects: Iterable[str | None]) -> dict[str | None, str]:
    """{subject: id of the open flow that holds it}."""
    query = select(FlowRow.subject, FlowRow.id).where(
        FlowRow.subject.in_(list(subjects)), FlowRow.ended_at.is_(None)
    )
    return dict(session.execute(query).all())
