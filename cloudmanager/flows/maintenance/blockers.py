"""What keeps a window from beginning another host. What cannot be found out blocks: unknown is not clear."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from cloudmanager.errors import InvalidInput, Unavailable
from cloudmanager.models import FlowRow

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from sqlalchemy.orm import Session

    from cloudmanager.flows.base import AlertsPort

    Reader = Callable[[Callable[[Session], str | None]], Awaitable[str | None]]

_NAMED = 3


async def first_reason(
    blockers: Sequence[Mapping[str, Any]], alerts: AlertsPort, read: Reader, flow_id: str | None
) -> str | None:
    """Why no other host may be begun now, or None. What goes on below `flow_id` never blocks."""
    for blocker in blockers:
        if "prometheus" in blocker:
            reason = await _alerts(blocker["prometheus"]["query"], alerts)
        else:
            kinds = blocker["tasks"]
            reason = await read(lambda session, kinds=kinds: open_task(session, kinds, flow_id))  # type: ignore[misc]
        if reason is not None:
            return reason
    return None


async def _alerts(query: str, alerts: AlertsPort) -> str | None:
    try:
        found = await alerts.found_by(query)
    except (Unavailable, InvalidInput) as error:
        return f"it is not known whether there are alerts: {error.message}"
    if not found:
        return None
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return f"Prometheus has {', '.join(found[:_NAMED])}{more}"


def open_task(session: Session, kinds: Sequence[str], flow_id: str | None) -> str | None:
    """The first open task of these kinds that is not below our own, in words."""
    ours = select(FlowRow.id).where(FlowRow.id == flow_id).cte(recursive=True)
    ours = ours.union_all(select(FlowRow.id).where(FlowRow.parent_id == ours.c.id))
    query = (
        select(FlowRow.id, FlowRow.kind, FlowRow.subject)
        .where(FlowRow.kind.in_(kinds), FlowRow.ended_at.is_(None), FlowRow.id.not_in(select(ours.c.id)))
        .order_by(FlowRow.sequence)
        .limit(1)
    )
    row = session.execute(query).one_or_none()
    if row is None:
        return None
    return f"task {row.id} is open ({row.kind}{f' of {row.subject}' if row.subject else ''})"
