"""What webhooks are told of flows that have ended: tasks, evacuations of hosts, fences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from cloudmanager.models import FlowRow, Status
from cloudmanager.webhooks.outbox import Happening, enqueue

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy.orm import Session

    from cloudmanager.flows.state import FlowState

_ENDS = {Status.SUCCESS: "succeeded", Status.FAILURE: "failed", Status.REVOKED: "cancelled"}
_EVACUATION = "evacuate-host"
_FENCE = "power-off"


def report(session: Session, ended: Sequence[FlowState]) -> None:
    """Queue what is told of these flows, in the transaction that ends them."""
    told = [flow for flow in ended if flow.parent_id is None or flow.kind in (_EVACUATION, _FENCE)]
    if told:
        enqueue(session, lambda: list(_happenings(session, told)))


def _happenings(session: Session, ended: Sequence[FlowState]) -> Iterator[Happening]:
    dead = _dead_hosts(session, [flow.parent_id for flow in ended if flow.kind == _FENCE and flow.parent_id])
    for flow in ended:
        if flow.kind == _FENCE and (host := dead.get(flow.parent_id or "")):
            yield _happening("fence", flow, f"host:{host}")
        if flow.kind == _EVACUATION:
            yield _happening("evacuation", flow, flow.subject)
        if flow.parent_id is None:
            yield _happening("task", flow, flow.subject)


def _happening(what: str, flow: FlowState, subject: str | None) -> Happening:
    kind = f"{what}.{_ENDS[Status(flow.status)]}"
    data: dict[str, Any] = {
        "task_id": flow.id,
        "name": flow.kind,
        "status": flow.status,
        "message": flow.error or flow.message,
        "requested_by": flow.requested_by,
    }
    return Happening(f"{kind}-{flow.id}", kind, subject or f"task:{flow.id}", data)


def _dead_hosts(session: Session, parents: Sequence[str]) -> Mapping[str, str]:
    """{flow: its host} of those that cut the power of a host because they found it down."""
    if not parents:
        return {}
    query = select(FlowRow.id, FlowRow.params, FlowRow.memo).where(FlowRow.id.in_(parents))
    return {
        flow_id: params["host"]
        for flow_id, params, memo in session.execute(query)
        if "host" in params and not memo.get("found", {}).get("up", True)
    }
