"""Advances flows: claims them, runs their steps, saves every outcome before the next step begins.

One engine per worker process, on one event loop; it drives many flows at once. There is no recovery mode:
whatever a dead worker left is taken up by the same claim as everything else, once its lease has run out.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import orjson
import structlog

from cloudmanager.batch import Batcher
from cloudmanager.errors import (
    CloudManagerError,
    CloudUnreachable,
    DeviceUnreachable,
    HostUnreachable,
    Unavailable,
)
from cloudmanager.flows import store
from cloudmanager.flows.base import Done, Fail, Outcome, Wait
from cloudmanager.flows.registry import FLOWS
from cloudmanager.flows.run import Run
from cloudmanager.flows.state import after, after_error, can_cancel, cancelled, name_of
from cloudmanager.flows.store import Save
from cloudmanager.flows.story import history, tell
from cloudmanager.models import Status

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

_CLOUD_PAUSE = 5.0
"""The most seconds between two attempts while the cloud gives no answer."""

_SILENT_SINCE = "cloud_silent_since"
"""Where the memo keeps since when."""

_SPARE_SHARE = 0.1
"""The part of a lease that may have run out when a step begins."""


@dataclass(frozen=True)
class EngineOptions:
    """How patient the engine is; times in seconds.

    A wait of up to `hold` is slept through with the claim kept; a longer one is left to the sweep.
    """

    lease: float = 15.0
    hold: float = 5.0
    tries: int = 3
    retry_delay: float = 1.0
    cloud_patience: float = 300.0
    capacity: int = 1000

    @classmethod
    def from_config(cls, config: Config) -> EngineOptions:
        """What `[flows]` says."""
        options = config.flows
        return cls(
            lease=options.lease,
            tries=options.max_attempts,
            retry_delay=options.retry_delay,
            cloud_patience=config.hosts.cloud_patience,
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
        self._sleeping: dict[str, asyncio.Task[Any]] = {}
        self._nudged: set[str] = set()
        self._awake: set[str] = set()
        self._stopping = False

    async def advance(self, ids: Sequence[str]) -> None:
        """Drive these flows side by side; those that others hold, or that are not due, are left alone."""
        await asyncio.gather(*(self._advance(flow_id) for flow_id in ids))

    def stop(self) -> None:
        """Begin no further step. Running steps come to their end; sleeping flows are given back at once."""
        self._stopping = True
        for task in self._sleeping.values():
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
        run = Run(state, self._database, self._ports, self._ring, self._reads.submit)
        held: FlowState | None = state
        self._awake.add(state.id)
        try:
            while held is not None and not held.ended:
                held = await self._sleep_until_due(held)
                if held is not None:
                    held = await self._one_step(held, flow, run)
        finally:
            self._awake.discard(state.id)
            self._nudged.discard(state.id)

    async def _sleep_until_due(self, state: FlowState) -> FlowState | None:
        """Sleep until `wake_at` or a nudge, and see to it that the lease lasts for a step.

        None: the engine is stopped and the flow was given back, or another worker has taken it.
        """
        pause = state.wake_at - self._ports.clock.now()
        if self._stopping or (pause > 0 and not await self._slept(state.id, pause)):
            begun = max(0, state.attempts - 1)
            await self._saves.submit(Save(replace(state, attempts=begun, lease_until=0.0), (), ()))
            return None
        now = self._ports.clock.now()
        if state.lease_until - now >= self._options.lease * _STEP_SHARE:
            return state
        return await self._saves.submit(Save(replace(state, lease_until=now + self._options.lease), (), ()))

    async def _slept(self, flow_id: str, pause: float) -> bool:
        """Sleep; False when the engine is being stopped."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # only ever awaited inside a task
        if flow_id in self._nudged:  # while it was awake, and may have looked too early
            self._nudged.discard(flow_id)
            return not self._stopping
        self._sleeping[flow_id] = task
        self._awake.discard(flow_id)
        try:
            await self._ports.clock.sleep(pause)
        except asyncio.CancelledError:
            if not self._stopping and flow_id not in self._nudged:
                raise
            task.uncancel()
        finally:
            del self._sleeping[flow_id]
            self._awake.add(flow_id)
            self._nudged.discard(flow_id)
        return not self._stopping

    def _nudge(self, parent_id: str | None) -> None:
        """Wake a parent that sleeps here, because a child of it ended; one that is awake looks once more."""
        if parent_id in self._awake:
            self._nudged.add(parent_id)
        elif parent_id in self._sleeping and parent_id not in self._nudged:
            self._nudged.add(parent_id)
            self._sleeping[parent_id].cancel()

    async def _one_step(self, state: FlowState, flow: Flow, run: Run) -> FlowState | None:
        """Run the present step and save what came of it; None when the flow is no longer ours to drive."""
        if state.cancel_requested and can_cancel(state, flow):
            return await self._save(state, cancelled(state, flow, self._ports.clock.now()), flow, None)
        before = _memory(run)
        if why := self._overdue(state) or self._worn_out(state, flow):
            outcome: Outcome | _Nothing = Fail(why)
        else:
            outcome = await self._attempt(run, state, flow)
        if _memory(run) == before and not run.writes and not run.events:
            unsaved = self._without_saving(state, flow, outcome)
            if unsaved is not None:
                return unsaved
        seen = replace(state, memo=run.memo, result=run.result)
        now = self._ports.clock.now()
        new = (
            self._after_nothing(seen, flow, outcome)
            if isinstance(outcome, _Nothing)
            else after(seen, flow, outcome, now)
        )
        if isinstance(outcome, Fail) and can_cancel(state, flow) and await self._is_cancelled(state.id):
            new = replace(cancelled(seen, flow, now), error=outcome.why)
        return await self._save(state, new, flow, run)

    async def _is_cancelled(self, flow_id: str) -> bool:
        """Whether a cancel came while the step ran: its children may have failed because of that."""
        found: bool = await self._reads.submit(lambda session: store.is_cancelled(session, flow_id))
        return found

    def _after_nothing(self, state: FlowState, flow: Flow, nothing: _Nothing) -> FlowState:
        """The state after an attempt that may be made again."""
        now, delay = self._ports.clock.now(), self._options.retry_delay
        if nothing.since is None:
            return after_error(state, flow, nothing.why, now, tries=self._options.tries, delay=delay)
        silent = now - nothing.since
        if silent > self._options.cloud_patience:
            return after(state, flow, Fail(f"gave up after {silent:.0f} s: {nothing.why}"), now)
        pause = min(_CLOUD_PAUSE, max(delay, silent / 4))
        return replace(state, status=Status.RETRY, message=nothing.why, wake_at=now + pause, attempts=1)

    def _without_saving(self, state: FlowState, flow: Flow, outcome: Outcome | _Nothing) -> FlowState | None:
        """The next state when nothing has changed that a worker after us would miss; None: it must be saved.

        A worker that takes over runs the step again; what follows still learns that it may have been begun.
        """
        now = self._ports.clock.now()
        if outcome == Done() and state.step + 1 < len(state.steps(flow)):
            return replace(after(state, flow, Done(), now), attempts=state.attempts)
        if isinstance(outcome, Wait) and outcome.why == state.message:
            wakes_at = now + outcome.seconds
            saved_until = state.lease_until - self._options.lease
            if wakes_at - saved_until < min(_HEAR_EVERY, self._options.lease * _SPARE_SHARE):
                return replace(state, wake_at=wakes_at)
        return None

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
        run.attempt, run.cancel_requested = state.attempts, state.cancel_requested
        try:
            async with asyncio.timeout(self._options.lease * _STEP_SHARE):
                outcome = await state.steps(flow)[state.step](run)
                run.memo.pop(_SILENT_SINCE, None)
                return outcome
        except CloudUnreachable as error:
            return _Nothing(error.message, since=run.memo.setdefault(_SILENT_SINCE, run.now()))
        except (DeviceUnreachable, HostUnreachable, Unavailable) as error:
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
        soon = new.wake_at - self._ports.clock.now() <= self._options.hold
        goes_on = soon and not new.ended and not self._stopping
        lease_until = new.wake_at + self._options.lease if goes_on else 0.0
        # The next attempt is counted before it begins, so that a death in it shows.
        new = replace(new, attempts=new.attempts + goes_on, lease_until=lease_until)
        try:
            saved = await self._saves.submit(
                Save(new, history(old, new, flow, run), run.writes if run else ())
            )
        except Exception:
            log.exception("outcome not saved; the flow is taken up again when its lease has run out")
            return None
        if saved is None:
            log.warning("lease lost; another worker has taken this flow over")
            return None
        if run is not None:
            run.writes, run.events = [], []
        tell(old, new, flow)
        if saved.ended:
            self._nudge(saved.parent_id)
        return saved if goes_on else None


@dataclass(frozen=True)
class _Nothing:
    """An attempt that came to nothing and may be made again; `since` when the cloud has given no answer."""

    why: str
    since: float | None = None


def _memory(run: Run) -> bytes:
    """What a step may have changed in the run, to compare."""
    return orjson.dumps((run.memo, run.result))
