"""Keeps what the monitor sees: in batches, and what nobody asked for as events."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from prometheus_client import Counter
from sqlalchemy import delete, insert, select

from cloudmanager.drivers.base import PowerState
from cloudmanager.models import Event, FlowRow, Node
from cloudmanager.observations import Seen, record_if_newer
from cloudmanager.power import Outlet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from cloudmanager.db import Database
    from cloudmanager.monitor.poller import Look
    from cloudmanager.monitor.roll import Plugged

EVENTS = Counter("cloudmanager_monitor_events_total", "Events that the monitor has noticed.", ["kind"])

DRIFT, SILENT, BACK = "power.drift", "device.silent", "device.back"
_WORDS = {"power_on": "on", "power_off": "off"}


@dataclass(frozen=True)
class _Change:
    """A node whose state is not the one that was last seen."""

    node_id: int
    old: str
    message: str


class Keeper:
    """Remembers the last state of each outlet, writes what is new, and tells what changed behind our back."""

    def __init__(self, database: Database, *, misses: int) -> None:
        self._database = database
        self._misses = misses
        self._known: dict[tuple[int, str], str | None] = {}
        self._silent: set[int] = set()

    def keep(self, looks: Sequence[Look]) -> None:
        """Write what a batch of looks has shown, in one transaction."""
        seen: list[Seen] = []
        changes: list[_Change] = []
        events: list[dict[str, str]] = []
        for look in looks:
            if look.states is None:
                self._missed(look, seen, events)
            else:
                self._heard(look, seen, changes, events)
        if not looks:
            return
        at = datetime.fromtimestamp(min(look.began_at for look in looks), UTC)
        with self._database.transaction() as session:
            events += self._drifts(session, changes)
            record_if_newer(session, seen, at.replace(tzinfo=None, microsecond=0))
            if events:
                session.execute(insert(Event), events)
        for event in events:
            EVENTS.labels(kind=event["kind"]).inc()

    def _missed(self, look: Look, seen: list[Seen], events: list[dict[str, str]]) -> None:
        device = look.device
        if look.misses < self._misses or device.id in self._silent:
            return
        self._silent.add(device.id)
        events.append(_event(SILENT, f"power_control:{device.id}", f"{device.title}: {look.error}"))
        for plugged in device.plugged:
            self._known[device.id, plugged.port] = None
            seen.append(_seen(device.id, plugged, PowerState.UNKNOWN))

    def _heard(
        self, look: Look, seen: list[Seen], changes: list[_Change], events: list[dict[str, str]]
    ) -> None:
        device, states = look.device, look.states or {}
        if device.id in self._silent:
            self._silent.discard(device.id)
            events.append(_event(BACK, f"power_control:{device.id}", f"{device.title} answers again"))
        for plugged in device.plugged:
            state = states.get(plugged.port, PowerState.UNKNOWN)
            new = None if state is PowerState.UNKNOWN else state.value
            old = self._known.get((device.id, plugged.port), plugged.state)
            self._known[device.id, plugged.port] = new
            seen.append(_seen(device.id, plugged, state))
            if plugged.is_default and old and new and old != new:
                told = f"{device.title}, port {plugged.port}: {_WORDS[old]} became {_WORDS[new]}"
                changes.append(_Change(plugged.node_id, old, told))

    def _drifts(self, session: Session, changes: Sequence[_Change]) -> list[dict[str, str]]:
        """Events for the changes that no task has made: what a task has done is in the inventory."""
        if not changes:
            return []
        ids = {change.node_id for change in changes}
        kept = dict(session.execute(select(Node.id, Node.power_state).where(Node.id.in_(ids))).all())
        held = select(FlowRow.subject).where(
            FlowRow.subject.in_({_subject(node_id) for node_id in ids}), FlowRow.ended_at.is_(None)
        )
        at_work = set(session.scalars(held))
        return [
            _event(DRIFT, _subject(change.node_id), change.message)
            for change in changes
            if kept.get(change.node_id) == change.old and _subject(change.node_id) not in at_work
        ]


def prune(database: Database, before: datetime) -> None:
    """Forget events that happened before a time, told to webhooks or not."""
    with database.transaction() as session:
        session.execute(delete(Event).where(Event.time < before))


def _subject(node_id: int) -> str:
    return f"node:{node_id}"


def _seen(control_id: int, plugged: Plugged, state: PowerState) -> Seen:
    return Seen(Outlet(control_id, plugged.port), plugged.node_id if plugged.is_default else None, state)


def _event(kind: str, subject: str, message: str) -> dict[str, str]:
    return {"kind": kind, "subject": subject, "message": message}
