"""What a step is given: its parameters, its memory, the ports, and ways to write with its outcome."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from cloudmanager.flows import children as children_of
from cloudmanager.flows.locks import holders
from cloudmanager.flows.opening import new_row, open_rows
from cloudmanager.models import utc_now

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

    from cloudmanager.db import Database
    from cloudmanager.flows.base import Child, Ports, Write
    from cloudmanager.flows.children import ChildState
    from cloudmanager.flows.state import FlowState

T = TypeVar("T")


@dataclass(frozen=True)
class Event:
    """A line of history besides the step's own outcome: what happened to one target."""

    target: str | None
    outcome: str
    message: str
    time: datetime


class Run:
    """What one worker's steps of one flow share.

    `memo` is a small dictionary that is saved with every outcome, errors included; `result` is what the task
    answers. `attempt` above 1 means that an earlier attempt may have got anywhere, up to its last call.
    """

    def __init__(
        self,
        state: FlowState,
        database: Database,
        ports: Ports,
        ring: Callable[[Sequence[str]], None],
        reads: Callable[[Callable[[Session], Any]], Awaitable[Any]],
    ) -> None:
        self.id = state.id
        self.kind = state.kind
        self.subject = state.subject
        self.params = state.params
        self.attempt = state.attempts
        self.requested_by = state.requested_by
        self.request_id = state.request_id
        self.cancel_requested = state.cancel_requested
        self.memo: dict[str, Any] = state.memo
        self.result: Any = state.result
        self.ports = ports
        self.events: list[Event] = []
        self.writes: list[Write] = []
        self._state = state
        self._database = database
        self._ring = ring
        self._reads = reads

    def now(self) -> float:
        """Seconds since the epoch."""
        return self.ports.clock.now()

    def event(self, target: str | None, outcome: str, message: str) -> None:
        """Add a line to the history; saved with the step's outcome."""
        self.events.append(Event(target, outcome, message, utc_now()))

    def write(self, change: Callable[[Session, Sequence[T]], None], item: T) -> None:
        """Change the database in the transaction that saves the step's outcome, or not at all.

        `change` gets the items of all flows that are saved with this one: it writes them together.
        """
        self.writes.append((change, item))

    async def read(self, query: Callable[[Session], T]) -> T:
        """Read from the database, together with whoever else reads now."""
        answer: T = await self._reads(query)
        return answer

    async def start_children(self, kind: str, children: Sequence[Child]) -> dict[str, str]:
        """Start flows below this one; asking again for the same children is harmless.

        Answers {subject: id of the open flow that holds it} for those that could not start.
        """
        return await asyncio.to_thread(
            children_of.start_children,
            self._database,
            self._state,
            kind,
            children,
            now=self.now(),
            ring=self._ring,
        )

    def leave_behind(self, kind: str, subject: str, params: dict[str, Any]) -> None:
        """Open a flow of its own with the step's outcome; it outlives this one. Asking twice is harmless."""
        row = new_row(
            str(uuid.uuid5(uuid.UUID(self.id), f"{kind} {subject}")),
            kind,
            subject,
            params,
            self.now(),
            requested_by=self.requested_by,
            request_id=self.request_id,
        )
        self.write(_open, row)

    async def holders(self, subjects: Sequence[str]) -> dict[str | None, str]:
        """{subject: id of the open flow that holds it}, of those that are held."""
        return await self.read(lambda session: holders(session, subjects))

    async def open_children(self) -> int:
        """How many of the children have not ended."""
        return await self.read(lambda session: children_of.count_open(session, self.id))

    async def children(self, kind: str | None = None) -> Sequence[ChildState]:
        """All children, or those of one kind, with what came of them."""
        return await self.read(lambda session: children_of.states(session, self.id, kind))

    async def cancel_children(self) -> None:
        """Ask all flows below this one to stop before their next safe point."""
        await asyncio.to_thread(children_of.cancel_children, self._database, self.id, self._ring)


def _open(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    open_rows(session, rows)
