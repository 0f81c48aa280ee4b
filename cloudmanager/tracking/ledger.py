"""What the tracker keeps: a row for each host that was seen down, events, and decisions, each made once."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog
from prometheus_client import Counter
from sqlalchemy import func, insert, select, update

from cloudmanager.db import after_commit, insert_or_ignore
from cloudmanager.errors import Busy
from cloudmanager.flows import FLOWS, start
from cloudmanager.flows.hosts.events import ALIVE
from cloudmanager.models import Event, Lease, TrackedHost
from cloudmanager.monitor.keeper import EVENTS
from cloudmanager.tracking.decision import State
from cloudmanager.tracking.gates import no_sign_of_life

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from sqlalchemy.orm import Session

    from cloudmanager.db import Database
    from cloudmanager.tracking.decision import Verdict
    from cloudmanager.tracking.look import Seen
    from cloudmanager.tracking.snapshot import HostFacts

log = structlog.get_logger(__name__)

REFUSALS = Counter(
    "cloudmanager_tracker_refusals_total", "Refusals to evacuate a host that looks dead, by gate.", ["gate"]
)

KIND = "evacuate-host"
ASKED_BY = "node tracker"
DOWN, BACK, REFUSED = "host.down", "host.back", "guard.refused"
EVACUATING, WOULD_EVACUATE = "host.evacuating", "host.would_evacuate"

_OBSERVED = "only observed"
_NAMED = 20
"""Hosts that one event names; more are counted."""

_FENCES = "tracker fences"
_CYCLE = 0.9
"""Loops that count as one cycle: a little less, since no loop is shorter than it should be."""


@dataclass(frozen=True)
class Decider:
    """Who decides: the name of its process, and the leases by which the hosts are its own."""

    name: str
    leases: dict[str, str]
    """{host: the lease}"""


class Ledger:
    """Writes what a look has shown of the hosts that are ours."""

    def __init__(
        self,
        database: Database,
        ring: Callable[[Sequence[str], str], None],
        *,
        check_delay: float,
        observe: bool,
        use_spares: bool = False,
    ) -> None:
        self._database = database
        self._ring = ring
        self._check_delay = check_delay
        self._observe = observe
        self._use_spares = use_spares

    def keep(self, seen: Seen, mine: Collection[str]) -> None:
        """Write what has changed, in one transaction; tell it in events."""
        events: list[dict[str, str]] = []
        alarms: defaultdict[str, list[Verdict]] = defaultdict(list)
        with self._database.transaction() as session:
            for name in sorted(mine):
                self._keep_host(session, seen, name, events, alarms)
            for gate, verdicts in alarms.items():
                events += _in_few_words(gate, verdicts)
            if events:
                session.execute(insert(Event), events)
        for event in events:
            EVENTS.labels(kind=event["kind"]).inc()
        for gate, verdicts in alarms.items():
            REFUSALS.labels(gate=gate).inc(len(verdicts))

    def _keep_host(
        self,
        session: Session,
        seen: Seen,
        name: str,
        events: list[dict[str, str]],
        alarms: defaultdict[str, list[Verdict]],
    ) -> None:
        host, verdict = seen.snapshot.hosts[name], seen.verdicts[name]
        row = seen.records.rows.get(name)
        if host.up is None or (host.up and (row is None or row.down_since is None)):
            return
        values = _values(host, verdict, seen.snapshot.now)
        if host.up and row is not None and row.announced:
            events.append(_event(BACK, name, f"{name} is up again"))
        values["announced"] = not host.up and ((row is not None and row.announced) or _is_down(host, seen))
        if values["announced"] and not (row is not None and row.announced):
            events.append(_event(DOWN, name, f"{name} is down: seen so {host.down_count} times in a row"))
        told = row.alarm if row is not None else None
        values["alarm"] = alarm = self._alarm(verdict)
        if alarm is not None and alarm != told:
            if alarm == _OBSERVED:
                events.append(_event(WOULD_EVACUATE, name, f"{name} would be evacuated: {verdict.next}"))
            else:
                alarms[alarm].append(verdict)
        if row is None or host.checks > row.checks:
            values["next_check_at"] = seen.snapshot.now + self._check_delay
        _put(session, name, values)

    def _alarm(self, verdict: Verdict) -> str | None:
        if self._observe and verdict.state is State.DEAD:
            return _OBSERVED
        return verdict.alarm_gate

    def act(self, seen: Seen, decider: Decider) -> list[str]:
        """Start the evacuation of what is dead and ours; answers the tasks."""
        if self._observe:
            return []
        begun = []
        for name, verdict in sorted(seen.verdicts.items()):
            if verdict.state is not State.DEAD or name not in decider.leases:
                continue
            try:
                with self._database.transaction() as session:
                    task_id = self._decide(session, seen, verdict, decider)
            except Busy as busy:
                log.info("dead host is held", host=name, held_by=busy.flow_id)
            else:
                begun += [task_id] if task_id else []
        return begun

    def _decide(self, session: Session, seen: Seen, verdict: Verdict, decider: Decider) -> str | None:
        """Begin it, unless somebody else decides by now, has decided, or enough are being fenced."""
        host, now = seen.snapshot.hosts[verdict.host], seen.snapshot.now
        if not (_still_holds(session, decider, host.name, now) and _is_its_turn(session, seen)):
            return None
        known = seen.records.rows.get(host.name)
        before = known.decision_id if known else None
        row = TrackedHost.host == host.name
        taken = session.execute(
            update(TrackedHost)
            .where(
                row, TrackedHost.decision_id.is_not_distinct_from(before), TrackedHost.down_since.is_not(None)
            )
            .values(decided_at=now)
            .returning(TrackedHost.host)
        ).first()
        if taken is None:
            return None
        params: dict[str, Any] = {"host": host.name, "only_if_down": True}
        if verdict.vouched:
            params["fenced"] = True
        if self._use_spares:
            params["use_spare"] = True
        subject = f"host:{host.name}"
        task_id = start(session, KIND, subject=subject, params=params, requested_by=ASKED_BY, request_id=None)
        session.execute(update(TrackedHost).where(row).values(decision_id=task_id))
        event = _event(EVACUATING, host.name, f"{host.name} is dead: task {task_id}; {verdict.next}")
        session.execute(insert(Event), [event])
        after_commit(session, lambda: self._ring([task_id], FLOWS[KIND].queue))
        after_commit(session, lambda: EVENTS.labels(kind=EVACUATING).inc())
        return task_id


def _is_down(host: HostFacts, seen: Seen) -> bool:
    return host.down_count >= seen.snapshot.limits.mutex


def _values(host: HostFacts, verdict: Verdict, now: float) -> dict[str, Any]:
    evidence = [each.told() for each in host.storages]
    values: dict[str, Any] = {
        "state": verdict.state.value,
        "seen_at": now,
        "down_since": host.down_since,
        "down_count": host.down_count,
        "checks": host.checks,
        "verdict": {**verdict.told(), "storages": evidence},
    }
    return values | ({"decision_id": None, "decided_at": None} if host.up else {})


def _put(session: Session, name: str, values: dict[str, Any]) -> None:
    statement = update(TrackedHost).where(TrackedHost.host == name).values(values)
    if session.execute(statement.returning(TrackedHost.host)).first() is None:
        fresh = {"host": name, "next_check_at": 0.0, **values}
        session.execute(insert_or_ignore(session, TrackedHost).values(fresh))


def _still_holds(session: Session, decider: Decider, host: str, now: float) -> bool:
    """Whether the lease is ours to the end of this transaction: who takes it waits for that."""
    ours = (
        update(Lease)
        .where(Lease.name == decider.leases[host], Lease.holder == decider.name, Lease.until > now)
        .values(holder=decider.name)
        .returning(Lease.name)
    )
    return session.execute(ours).first() is not None


def _is_its_turn(session: Session, seen: Seen) -> bool:
    """Whether fewer were fenced of late than may be, by whichever decider; one decides at a time."""
    row = {"name": _FENCES, "holder": ASKED_BY, "until": 0.0}
    session.execute(insert_or_ignore(session, Lease).values(row))
    session.execute(update(Lease).where(Lease.name == _FENCES).values(holder=ASKED_BY))
    late = seen.snapshot.now - _CYCLE * seen.loop_time
    query = select(func.count()).where(TrackedHost.decided_at > late)
    return (session.scalar(query) or 0) < seen.snapshot.limits.fences_per_cycle


def _in_few_words(gate: str, verdicts: Sequence[Verdict]) -> list[dict[str, str]]:
    """The refusals of a gate: an event for each host, or one for all when they are many."""
    kind = ALIVE if gate == no_sign_of_life.__name__ else REFUSED
    if len(verdicts) == 1:
        return [_event(kind, verdicts[0].host, f"{verdicts[0].host} is not evacuated: {verdicts[0].alarm}")]
    names = ", ".join(verdict.host for verdict in verdicts[:_NAMED])
    more = f" and {len(verdicts) - _NAMED} more" if len(verdicts) > _NAMED else ""
    message = f"{names}{more} are not evacuated: {verdicts[0].alarm}"
    return [{"kind": kind, "subject": "hosts", "message": message}]


def _event(kind: str, host: str, message: str) -> dict[str, str]:
    return {"kind": kind, "subject": f"host:{host}", "message": message}
