"""Advances flows: claims them, runs their steps, saves every outcome before the next step begins.

One engine per worker process, on one event loop; it drives many flows at once. There is no recovery mode:
whatever a dead worker left is taken up by the same claim as everything else, once its lease has run out.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import structlog

from cloudmanager.batch import Batcher
from cloudmanager.errors import CloudManagerError, DeviceUnreachable, Unavailable
from cloudmanager.flows import store
from cloudmanager.flows.base import Done, Fail, Outcome, Wait
from cloudmanager.flows.metrics import ENDED, STEP_OUTCOMES
from cloudmanager.flows.registry import FLOWS
from cloudmanager.flows.run import Run
from cloudmanager.flows.state import after, after_error, can_cancel, cancelled, name_of
from cloudmanager.flows.store import Save
from cloudmanager.models import Status, utc_now

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.orm import Session

    from cloudmanager.config import Config
    from cloudmanager.db import Database
    from cloudmanager.flows.base import Flow, Ports
    from cloudmanager.flows.state import FlowState

log = structlog.get_logger(__name__)

_HEAR_EVERY = 2.0
"""Seconds after which even a wait that says nothing new is saved, because a save tells of a cancel."""

_STEP_SHARE = 0.8
"""The part of a lease that one step may take: the rest is for saving it."""


@dataclass(frozen=True)
class EngineOptions:
    """How patient the engine is; times in seconds.

    A wait of up to `hold` is slept through with the claim kept; a longer one is left to the sweep.
    """

    lease: float = 15.0
    hold: float = 5.0
    tries: int = 3
    retry_delay: float = 1.0
    capacity: int = 1000

    @classmethod
    def from_config(cls, config: Config) -> EngineOptions:
        """What `[flows]` says."""
        options = config.flows
        return cls(
            lease=options.lease,
            tries=options.max_attempts,
            retry_delay=options.retry_delay,
            capacity=options.capacity,
        )


class Engine:
    """Drives the flows that it is told of until they end, wait for long, or it is stopped."""

    def __init__(
        self,
        database: Database,
        ports: Ports,
        options: EngineOptions,
        ring: Callable[[Sequence[str]], None],
    ) -> None:
        self._database = database
        self._ports = ports
        self._options = options
        self._ring = ring
        self._free = asyncio.Semaphore(options.capacity)
        self._claims = Batcher(self._claim)
        self._saves: Batcher[Save, FlowState | None] = Batcher(lambda saves: store.save_all(database, saves))
        self._reads: Batcher[Callable[[Session], Any], Any] = Batcher(
            lambda queries: store.read_all(database, queries)
        )
        self._sleeping: set[asyncio.Task[Any]] = set()
        self._stopping = False

    async def advance(self, ids: Sequence[str]) -> None:
        """Drive these flows side by side; those that others hold, or that are not due, are left alone."""
        await asyncio.gather(*(self._advance(flow_id) for flow_id in ids))

    def stop(self) -> None:
        """Begin no further step. Running steps come to their end; sleeping flows are given back at once."""
        self._stopping = True
        for task in self._sleeping:
            task.cancel()

    async def _advance(self, flow_id: str) -> None:
        async with self._free:
            if self._stopping:
                return
            state = await self._claims.submit(flow_id)
            if state is not None:
                with structlog.contextvars.bound_contextvars(
                    task_id=state.id, flow=state.kind, subject=state.subject, request_id=state.request_id
                ):
                    await self._drive(state)

    def _claim(self, ids: Sequence[str]) -> list[FlowState | None]:
        options = self._options
        now = self._ports.clock.now()
        claimed = store.claim(self._database, ids, now, horizon=options.hold, lease=options.lease)
        by_id = {state.id: state for state in claimed}
        return [by_id.pop(flow_id, None) for flow_id in ids]

    async def _drive(self, state: FlowState) -> None:
        flow = FLOWS[state.kind]
        held: FlowState | None = state
        while held is not None and not held.ended:
            if not await self._sleep_until_due(held):
                return
            held = await self._one_step(held, flow)

    async def _sleep_until_due(self, state: FlowState) -> bool:
        """Sleep until `wake_at`; False when the engine is stopped and the flow was given back."""
        pause = state.wake_at - self._ports.clock.now()
        if pause <= 0 and not self._stopping:
            return True
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # only ever awaited inside a task
        self._sleeping.add(task)
        try:
            if not self._stopping:
                await self._ports.clock.sleep(pause)
                return True
        except asyncio.CancelledError:
            if not self._stopping:
                raise
            task.uncancel()
        finally:
            self._sleeping.discard(task)
        begun = max(0, state.attempts - 1)
        await self._saves.submit(Save(replace(state, attempts=begun), (), (), lease=None))
        return False

    async def _one_step(self, state: FlowState, flow: Flow) -> FlowState | None:
        """Run the present step and save what came of it; None when the flow is no longer ours to drive."""
        if state.cancel_requested and can_cancel(state, flow):
            return await self._save(state, cancelled(state, flow, self._ports.clock.now()), flow, None)
        run = Run(state, self._database, self._ports, self._ring, self._reads.submit)
        if why := self._overdue(state) or self._worn_out(state, flow):
            outcome: Outcome | _Nothing = Fail(why)
        else:
            outcome = await self._attempt(run, state, flow)
        seen = replace(state, memo=run.memo, result=run.result)
        now = self._ports.clock.now()
        if _changed_nothing(run, state):
            if outcome == Done() and not _is_last(state, flow):
                return replace(after(state, flow, Done(), now), attempts=state.attempts)
            if (
                isinstance(outcome, Wait)
                and outcome.why == state.message
                and self._may_go_unsaved(state, outcome)
            ):
                return replace(state, wake_at=now + outcome.seconds)
        if isinstance(outcome, _Nothing):
            options = self._options
            new = after_error(seen, flow, outcome.why, now, tries=options.tries, delay=options.retry_delay)
        else:
            new = after(seen, flow, outcome, now)
        return await self._save(state, new, flow, run)

    def _may_go_unsaved(self, state: FlowState, wait: Wait) -> bool:
        """Whether the lease outlasts this wait, and it is not yet time to hear of a cancel."""
        wakes_at = self._ports.clock.now() + wait.seconds
        return wakes_at - state.saved_at < min(_HEAR_EVERY, self._options.lease / 2) and not self._stopping

    def _overdue(self, state: FlowState) -> str | None:
        if state.deadline is None or state.undoing_to or self._ports.clock.now() < state.deadline:
            return None
        return f"the deadline has passed; last: {state.message or 'nothing was begun'}"

    def _worn_out(self, state: FlowState, flow: Flow) -> str | None:
        """Attempts of which no outcome was ever heard: each ended its worker, or its worker was ended."""
        tries = self._options.tries
        if state.attempts <= tries:
            return None
        return f"gave up after {tries} attempts: no worker came to the end of {name_of(state, flow)}"

    async def _attempt(self, run: Run, state: FlowState, flow: Flow) -> Outcome | _Nothing:
        """Run the step, bounded in time. What may pass is tried again; what cannot, fails."""
        try:
            async with asyncio.timeout(self._options.lease * _STEP_SHARE):
                return await state.steps(flow)[state.step](run)
        except (DeviceUnreachable, Unavailable) as error:
            return _Nothing(error.message)
        except TimeoutError:
            return _Nothing(
                f"{name_of(state, flow)} took longer than {self._options.lease * _STEP_SHARE:g} s"
            )
        except CloudManagerError as error:
            return Fail(error.message)
        except Exception:
            log.exception("step raised", step=name_of(state, flow))
            return _Nothing(f"internal error in {name_of(state, flow)}; the log has it under this task id")

    async def _save(self, old: FlowState, new: FlowState, flow: Flow, run: Run | None) -> FlowState | None:
        """Save a step's outcome; keep the claim when the flow goes on soon."""
        goes_on = not new.ended and new.wake_at - self._ports.clock.now() <= self._options.hold
        goes_on = goes_on and not self._stopping
        if goes_on:  # the next attempt is counted before it begins, so that a death in it shows
            new = replace(new, attempts=new.attempts + 1)
        save = Save(
            new,
            _history(old, new, flow, run),
            run.writes if run else (),
            lease=self._options.lease if goes_on else None,
        )
        try:
            saved = await self._saves.submit(save)
        except Exception:
            log.exception("outcome not saved; the flow is taken up again when its lease has run out")
            return None
        if saved is None:
            log.warning("lease lost; another worker has taken this flow over")
            return None
        _tell(old, new, flow)
        return replace(saved, saved_at=self._ports.clock.now()) if goes_on or saved.ended else None


@dataclass(frozen=True)
class _Nothing:
    """An attempt that came to nothing and may be made again."""

    why: str


def _changed_nothing(run: Run, state: FlowState) -> bool:
    """Whether a step had nothing to do: then it need not be saved.

    A worker that dies later runs it again, and the step after it still learns that it may have been begun.
    """
    changed = run.writes or run.events or run.memo != state.memo or run.result != state.result
    return not changed


def _is_last(state: FlowState, flow: Flow) -> bool:
    return state.step + 1 == len(state.steps(flow))


def _outcome_word(old: FlowState, new: FlowState) -> str:
    if new.ended:
        return str(new.status)
    if new.undoing_to and not old.undoing_to:
        return "restore"
    if new.step == old.step:
        return "retry" if new.status == Status.RETRY else "wait"
    return "done"


def _history(old: FlowState, new: FlowState, flow: Flow, run: Run | None) -> list[dict[str, Any]]:
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
                "outcome": _outcome_word(old, new),
                "message": new.error if new.ended and new.error else new.message,
            }
        )
    return events


def _tell(old: FlowState, new: FlowState, flow: Flow) -> None:
    """One line in the log per outcome that says something new, and the counters."""
    word = _outcome_word(old, new)
    STEP_OUTCOMES.labels(flow=old.kind, outcome=word).inc()
    if new.ended:
        ENDED.labels(flow=old.kind, status=new.status).inc()
    if new.ended or word != "wait" or new.message != old.message:
        log.info("step", step=name_of(old, flow), outcome=word, message=new.error or new.message)
