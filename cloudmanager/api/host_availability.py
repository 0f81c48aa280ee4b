"""Whether a host is available, by what evidence, and what host tracking would do about it."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from marshmallow import Schema, fields

from cloudmanager.api.answers import answer
from cloudmanager.api.document.answers import Answer
from cloudmanager.api.hosts import SpareChoiceShape, blueprint, spares_for
from cloudmanager.api.idempotency import keep
from cloudmanager.api.operation import operation, wrapped
from cloudmanager.api.services import services
from cloudmanager.availability.heartbeats import Storages
from cloudmanager.errors import NotFound
from cloudmanager.flows.hosts.loans import loan_for, loan_of
from cloudmanager.tokens import Role
from cloudmanager.tracking.look import Lookout
from cloudmanager.tracking.stand_in import asks_for_spare, with_spare

if TYPE_CHECKING:
    from collections.abc import Collection

    from flask import Response

    from cloudmanager.availability.evidence import Evidence
    from cloudmanager.openstack.port import CloudPort
    from cloudmanager.tracking.decision import Verdict
    from cloudmanager.tracking.look import Seen
    from cloudmanager.tracking.snapshot import Decision, HostFacts

# --- shapes ------------------------------------------------------------------------------------------------


class StorageEvidenceShape(Schema):
    """What an availability storage says of a host."""

    id = fields.Integer()
    name = fields.String()
    sign = fields.String()
    why = fields.String()
    written_at = fields.DateTime(allow_none=True)
    boot_id = fields.String(allow_none=True)
    running_servers = fields.Integer(allow_none=True)


class GateShape(Schema):
    """A gate between a host that looks dead and its evacuation."""

    gate = fields.String()
    outcome = fields.String()
    reason = fields.String()


class DecisionShape(Schema):
    """The evacuation that was begun for the present outage."""

    task_id = fields.String()
    made_at = fields.DateTime()
    outcome = fields.String()


class AvailabilityShape(Schema):
    """A host as host tracking sees it."""

    host = fields.String()
    state = fields.String()
    up = fields.Boolean(allow_none=True)
    reported_at = fields.DateTime(allow_none=True)
    down_since = fields.DateTime(allow_none=True)
    down_count = fields.Integer()
    node_id = fields.Integer(allow_none=True)
    power = fields.String()
    expected_servers = fields.Integer(allow_none=True)
    storages = fields.List(fields.Nested(StorageEvidenceShape))
    gates = fields.List(fields.Nested(GateShape))
    next = fields.String()
    alarm = fields.String(allow_none=True)
    mode = fields.String()
    decision = fields.Nested(DecisionShape, allow_none=True)
    spare = fields.String(allow_none=True)
    spare_to_ask = fields.Nested(SpareChoiceShape, allow_none=True)
    lent_for = fields.String(allow_none=True)


AVAILABILITY = Answer(wrapped(AvailabilityShape(), "availability"))

# --- operations --------------------------------------------------------------------------------------------


@operation(
    blueprint,
    "GET",
    "/hosts/<string:host_name>/availability",
    role=Role.READER,
    name="get_host_availability",
    summary="Show whether a host is available, and what would be done about it",
    answers={200: AVAILABILITY},
    errors=(501, 502, 504),
)
def get_host_availability(host_name: str) -> Response:
    """What is known now. Its storages are read only if it may be dead; nothing is counted or done."""
    return answer({"availability": _availability(host_name)})


@operation(
    blueprint,
    "POST",
    "/hosts/<string:host_name>/actions/check-availability",
    role=Role.MEMBER,
    name="check_availability_host",
    summary="Check now whether a host is available",
    answers={200: AVAILABILITY},
    errors=(501, 502, 504),
)
def check_availability_host(host_name: str) -> Response:
    """Its storages are read now, whatever its state. Nothing is counted or done."""
    found = answer({"availability": _availability(host_name, closely=[host_name])})
    with services().database.transaction() as session:
        return keep(session, found)


def _availability(host: str, closely: Collection[str] = ()) -> dict[str, Any]:
    given = services()

    async def look(cloud: CloudPort) -> Seen:
        await cloud.service(host)
        storages = _storages(given.config.extra_availability_check.timeout)
        lookout = Lookout(given.config, given.database, cloud, storages, given.database.now)
        return await lookout.look(counts=False, closely=closely)

    seen = given.cloud.ask(look)
    if host not in seen.snapshot.hosts:
        raise NotFound(f"Nova knows no compute host {host}")
    with given.database.reading() as session:
        spare, own = loan_for(session, host), loan_of(session, host)
    lent = {"spare": spare and spare.host, "lent_for": own and own.lost_host}
    tracker, verdict, choice = given.config.node_tracker, seen.verdicts[host], None
    if asks_for_spare(verdict, use_spares=tracker.use_spares, lent=lent["spare"]):
        choice = spares_for(host)
        verdict = with_spare(verdict, choice)
    shown = _shown(seen.snapshot.hosts[host], verdict, tracker.enabled)
    return {**shown, **lent, "spare_to_ask": choice and choice.told()}


@cache
def _storages(timeout: float) -> Storages:
    """One for all requests: a storage that hangs is not asked by each of them."""
    return Storages(timeout=timeout)


def _shown(host: HostFacts, verdict: Verdict, mode: str) -> dict[str, Any]:
    return {
        **verdict.told(),
        "host": host.name,
        "up": host.up,
        "reported_at": _moment(host.reported_at),
        "down_since": _moment(host.down_since),
        "down_count": host.down_count,
        "node_id": host.node_id,
        "power": host.power.value,
        "expected_servers": None if host.expected is None else len(host.expected),
        "storages": [_evidence(each) for each in host.storages],
        "mode": mode,
        "decision": _decision(host.decision),
    }


def _evidence(evidence: Evidence) -> dict[str, Any]:
    return {
        "id": evidence.storage_id,
        "name": evidence.storage,
        "sign": evidence.sign.value,
        "why": evidence.why,
        "written_at": _moment(evidence.written_at),
        "boot_id": evidence.boot_id,
        "running_servers": None if evidence.running is None else len(evidence.running),
    }


def _decision(decision: Decision | None) -> dict[str, Any] | None:
    if decision is None:
        return None
    return {
        "task_id": decision.task_id,
        "made_at": _moment(decision.made_at),
        "outcome": decision.came.value,
    }


def _moment(seconds: float | None) -> datetime | None:
    """As times are answered: UTC without zone, in whole seconds."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(int(seconds), UTC).replace(tzinfo=None)
