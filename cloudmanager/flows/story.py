"""What is told of a flow: its history for the user, a line in the log for the operator, counters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog
from prometheus_client import Counter

from cloudmanager.flows.state import name_of
from cloudmanager.models import Status, utc_now

if TYPE_CHECKING:
    from cloudmanager.flows.base import Flow
    from cloudmanager.flows.run import Run
    from cloudmanager.flows.state import FlowState

log = structlog.get_logger(__name__)

STEP_OUTCOMES = Counter(
    "cloudmanager_flow_step_outcomes_total", "Outcomes of steps of flows.", ["flow", "outcome"]
)
ENDED = Counter("cloudmanager_flows_ended_total", "Flows that have ended, by how.", ["flow", "status"])


def history(old: FlowState, new: FlowState, flow: Flow, run: Run | None) -> list[dict[str, Any]]:
    """The lines of history: what the step said of its targets, and its outcome when that is new."""
    step = name_of(old, flow)
    events = [{"flow_id": old.id, "step": step, **vars(event)} for event in (run.events if run else ())]
    if new.ended or (new.message or "") != (old.message or ""):
        events.append(
            {
                "flow_id": old.id,
                "step": step,
                "time": utc_now(),
                "target": old.subject,
                "outcome": _outcome(old, new),
                "message": new.error if new.ended and new.error else new.message,
            }
        )
    return events


def tell(old: FlowState, new: FlowState, flow: Flow) -> None:
    """One line in the log per outcome that says something new, and the counters."""
    outcome = _outcome(old, new)
    STEP_OUTCOMES.labels(flow=old.kind, outcome=outcome).inc()
    if new.ended:
        ENDED.labels(flow=old.kind, status=new.status).inc()
    if new.ended or new.message != old.message:
        log.info("step", step=name_of(old, flow), outcome=outcome, message=new.error or new.message)


def _outcome(old: FlowState, new: FlowState) -> str:
    if new.ended:
        return str(new.status)
    if new.undoing_to and not old.undoing_to:
        return "restore"
    if new.step == old.step:
        return "retry" if new.status == Status.RETRY else "wait"
    return "done"
