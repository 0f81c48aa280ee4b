"""The state of a flow, and how an outcome changes it: pure functions over one dataclass."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from cloudmanager.flows.base import Done, Fail, Wait
from cloudmanager.models import Status

if TYPE_CHECKING:
    from cloudmanager.flows.base import Flow, Outcome, Step


@dataclass(frozen=True, kw_only=True)
class FlowState:
    """A row of `flows` as the engine holds it.

    `attempts` counts how often the present step has been begun since the last progress, the coming time
    included: more than one means that an earlier worker may have begun it and died.
    """

    id: str
    kind: str
    subject: str | None
    parent_id: str | None
    params: dict[str, Any]
    memo: dict[str, Any]
    step: int
    undoing_to: str | None
    status: str
    message: str | None
    error: str | None
    result: Any
    attempts: int
    wake_at: float
    deadline: float | None
    lease_number: int
    cancel_requested: bool
    requested_by: str | None
    request_id: str | None
    lease_until: float

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.status in (Status.SUCCESS, Status.FAILURE, Status.REVOKED)

    def steps(self, flow: Flow) -> tuple[Step, ...]:
        """The steps of the direction in which the flow goes."""
        return flow.undo if self.undoing_to else flow.steps


COLUMNS = [field.name for field in fields(FlowState)]
"""The columns that make a `FlowState`."""


def after(state: FlowState, flow: Flow, outcome: Outcome, now: float) -> FlowState:
    """The state after the present step has said `outcome`."""
    match outcome:
        case Done(message):
            return _next_step(replace(state, message=message or state.message), flow, now)
        case Wait(seconds, why):
            return replace(state, status=Status.STARTED, message=why, wake_at=now + seconds, attempts=0)
        case Fail(why):
            return _failed(state, flow, why, now)


def after_error(state: FlowState, flow: Flow, why: str, now: float, *, tries: int, delay: float) -> FlowState:
    """The state after an attempt came to nothing: again after a while that doubles, or give up."""
    if state.attempts >= tries:
        return _failed(state, flow, f"gave up after {state.attempts} attempts: {why}", now)
    pause = delay * 2 ** (state.attempts - 1)
    return replace(state, status=Status.RETRY, message=why, wake_at=now + pause)


def cancelled(state: FlowState, flow: Flow, now: float) -> FlowState:
    """The state after the engine has obeyed a cancel."""
    return _turn_back(state, flow, Status.REVOKED, f"cancelled before {name_of(state, flow)}", now)


def can_cancel(state: FlowState, flow: Flow) -> bool:
    """Whether a cancel can still be obeyed: not while undoing, not once `no_return` may have been begun."""
    if state.undoing_to:
        return False
    if flow.no_return is None:
        return True
    last = flow.steps.index(flow.no_return)
    return state.step < last or (state.step == last and state.attempts <= 1)


def name_of(state: FlowState, flow: Flow) -> str:
    """The present step's name, in words."""
    return state.steps(flow)[state.step].__name__.replace("_", " ")


def _next_step(state: FlowState, flow: Flow, now: float) -> FlowState:
    moved = replace(state, step=state.step + 1, attempts=0, status=Status.STARTED, wake_at=now)
    if moved.step < len(moved.steps(flow)):
        return moved
    return replace(moved, status=state.undoing_to or Status.SUCCESS)


def _failed(state: FlowState, flow: Flow, why: str, now: float) -> FlowState:
    if state.undoing_to:  # one part of the restoring failed: the rest of it is still worth doing
        noted = f"{state.error}; while restoring: {why}" if state.error else f"while restoring: {why}"
        return _next_step(replace(state, error=noted, undoing_to=Status.FAILURE), flow, now)
    return _turn_back(replace(state, error=why), flow, Status.FAILURE, why, now)


def _turn_back(state: FlowState, flow: Flow, ending: Status, message: str, now: float) -> FlowState:
    turned = replace(state, message=message, step=-1, undoing_to=ending)
    return _next_step(turned, flow, now)
