"""Audits of the balancer: planning for an aggregate, carrying plans out, reading and explaining them."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from flask import Response, g
from flask_smorest import Blueprint
from sqlalchemy import exists, select

from cloudmanager.api import filters
from cloudmanager.api.answers import accepted, answer, task_location
from cloudmanager.api.audit_schemas import (
    ApplyAudit,
    AuditBrief,
    AuditPlanShape,
    AuditReference,
    AuditShape,
    AuditSummary,
    ExecuteAudit,
    ExplanationShape,
    RehearsalShape,
)
from cloudmanager.api.document.answers import Answer
from cloudmanager.api.document.glossary.hosts import SERVER_ID
from cloudmanager.api.idempotency import keep
from cloudmanager.api.listing import list_answer
from cloudmanager.api.operation import listed, operation, wrapped
from cloudmanager.api.query import ListQuery, Option, Options, Window
from cloudmanager.api.reading import Source
from cloudmanager.api.services import services
from cloudmanager.audits.options import options_for
from cloudmanager.audits.packing import plan_from, unpack
from cloudmanager.audits.rows import audit_of
from cloudmanager.db import after_commit
from cloudmanager.drs.model import model
from cloudmanager.drs.telling import difference, explain
from cloudmanager.errors import Conflict, InvalidInput
from cloudmanager.flows import holders
from cloudmanager.flows.audits.execute import work_out
from cloudmanager.flows.audits.look import aggregate_of
from cloudmanager.flows.audits.opening import begin_audit, begin_to_apply, check_applicable
from cloudmanager.flows.audits.rehearsal import rehearse
from cloudmanager.models import Audit, AuditStatus
from cloudmanager.tokens import Role

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session

blueprint = Blueprint("audits", __name__, url_prefix="/v1", description="Balancing aggregates")

_PATH = "/aggregates/<id:aggregate_id>"
_ANSWERED_WITHIN = 20.0
"""Seconds of search for a plan for which a client waits."""

_COLUMNS = (
    "id",
    "aggregate_id",
    "aggregate_name",
    "status",
    "message",
    "mode",
    "auto_apply",
    "requested_by",
    "task_id",
    "moves",
    "gigabytes",
    "created_at",
    "planned_at",
    "ended_at",
)

# --- shapes ------------------------------------------------------------------------------------------------


def present(row: Any) -> dict[str, Any]:
    """An audit as the API shows it."""
    shown = dict(zip(_COLUMNS, row, strict=True))
    planned_at = shown["planned_at"]
    waits = shown["status"] == AuditStatus.DONE and planned_at is not None
    lifetime = services().config.drs.plan_lifetime
    return {
        **shown,
        "planned_at": _moment(planned_at) if planned_at is not None else None,
        "expires_at": _moment(planned_at + lifetime) if waits else None,
    }


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC).replace(tzinfo=None)


def _brief(audit_id: int, status: str) -> dict[str, Any]:
    return {"audit": {"id": audit_id, "status": status}}


def _server(value: str) -> str:
    if not 0 < len(value) <= 255 or "\0" in value:  # noqa: PLR2004 no id of Nova is as long
        raise ValueError("not the id of a server")
    return value


AUDITS = Source(select(*(getattr(Audit, column) for column in _COLUMNS)), key=Audit.id, present=present)
QUERY = ListQuery(
    {
        "id": filters.integer(Audit.id),
        "status": filters.text(Audit.status),
        "mode": filters.text(Audit.mode),
        "created_at": filters.moment(Audit.created_at),
        "task_id": filters.text(Audit.task_id),
    }
)
WHOSE = Options(
    {
        "server": Option(
            "Id of the server. Required.",
            _server,
            None,
            {
                "type": "string",
                "minLength": 1,
                "maxLength": 255,
                "pattern": r"^[^\u0000]*$",
                "examples": [SERVER_ID],
            },
        )
    }
)
BRIEF = wrapped(AuditBrief(), "audit")

# --- actions -----------------------------------------------------------------------------------------------


@operation(
    blueprint,
    "POST",
    f"{_PATH}/actions/execute-audit",
    role=Role.ADMIN,
    summary="Plan moves that balance an aggregate",
    body=ExecuteAudit(),
    answers={
        202: Answer(BRIEF, "Begun. `Location` names its task.", headers=("Location",)),
        200: Answer(wrapped(AuditPlanShape(), "plan"), "The plan, for `dry_run`; it is not kept."),
    },
    errors=(409, 501, 502, 504),
)
def execute_audit(aggregate_id: int, body: dict[str, Any]) -> Response:
    """Nothing moves, unless `auto_apply` says so."""
    config = services().config
    params = {**body, "mode": body.get("mode") or config.drs.mode}
    options_for(config.drs, params)
    aggregate = services().cloud.ask(lambda cloud: aggregate_of(cloud, aggregate_id))
    if params.pop("dry_run", False):
        params |= {"aggregate_id": aggregate_id}
        params["time_limit"] = min(params.get("time_limit") or config.drs.time_limit, _ANSWERED_WITHIN)
        found = services().cloud.ask(lambda cloud: work_out(cloud, config, params, time.time()))
        return answer({"plan": found[2].told()})
    with services().database.transaction() as session:
        audit_id, task_id = begin_audit(
            session, aggregate, params, requested_by=g.caller.name, request_id=g.request_id
        )
        _ring(session, task_id)
        body = _brief(audit_id, AuditStatus.NEW)
        return keep(session, answer(body, 202, {"Location": task_location(task_id)}))


@operation(
    blueprint,
    "POST",
    f"{_PATH}/actions/apply-audit",
    role=Role.ADMIN,
    summary="Carry out the plan of an audit",
    body=ApplyAudit(),
    answers={
        202: None,
        200: Answer(wrapped(RehearsalShape(), "plan"), "What would be done, for `dry_run`."),
    },
    errors=(409, 501, 502, 504),
)
def apply_audit(aggregate_id: int, body: dict[str, Any]) -> Response:
    """Once, and while the plan is fresh. Each move is checked just before it starts."""
    lifetime, now = services().config.drs.plan_lifetime, time.time()
    services().cloud.ask(lambda cloud: aggregate_of(cloud, aggregate_id))
    with services().database.transaction() as session:
        audit = check_applicable(session, aggregate_id, body["audit_id"], now=now, lifetime=lifetime)
        plan = audit.plan or {}
        if not body.get("dry_run"):
            task_id = begin_to_apply(
                session,
                audit,
                requested_by=g.caller.name,
                request_id=g.request_id,
                timeout=body.get("deadline"),
            )
            _ring(session, task_id)
            return keep(session, accepted(task_id))
        params = audit.params
    return answer({"plan": _rehearsed(plan, params, now)})


def _rehearsed(plan: Mapping[str, Any], params: Mapping[str, Any], now: float) -> dict[str, Any]:
    drs, moves = services().config.drs, plan["moves"]
    subjects = {f"host:{move[end]}" for move in moves for end in ("source", "destination")}
    with services().database.reading() as session:
        tasks = holders(session, sorted(subjects))
    held = {str(subject).removeprefix("host:"): task for subject, task in tasks.items()}
    said = services().cloud.ask(lambda cloud: rehearse(cloud, drs, params, moves, held=held, now=now))
    shown = ("wave", "server_id", "name", "source", "destination")
    return {
        "action": "apply-audit",
        "moves": [
            {**{name: move[name] for name in shown}, "reason": reason}
            for move, reason in zip(moves, said, strict=True)
        ],
        "switch_off": plan["switch_off"] if drs.switch_hosts else [],
        "switch_on": plan["switch_on"] if drs.switch_hosts else [],
    }


@operation(
    blueprint,
    "POST",
    f"{_PATH}/actions/get-audit-status",
    role=Role.READER,
    summary="Show how far an audit is",
    body=AuditReference(),
    answers={200: BRIEF},
)
def get_audit_status(aggregate_id: int, body: dict[str, Any]) -> Response:
    """NEW, RUNNING, DONE (there is a plan), APPLYING, APPLIED, FAILED or STALE."""
    with services().database.transaction() as session:
        audit = audit_of(session, aggregate_id, body["audit_id"])
        return keep(session, answer(_brief(audit.id, audit.status)))


def _ring(session: Session, task_id: str) -> None:
    bell = services().bell
    after_commit(session, lambda: bell.ring([task_id]))


# --- reading -----------------------------------------------------------------------------------------------


@operation(
    blueprint,
    "GET",
    f"{_PATH}/audits/",
    role=Role.READER,
    name="list_audits",
    summary="List audits of an aggregate",
    query=QUERY,
    answers={200: Answer(listed(AuditSummary(), "audits"), headers=("Link",))},
    errors=(501, 502, 504),
)
def list_audits(aggregate_id: int, query: Window) -> Response:
    """Also of an aggregate that is gone, as long as they are kept."""
    with services().database.reading() as session:
        known = session.scalar(select(exists().where(Audit.aggregate_id == aggregate_id)))
    if not known:
        services().cloud.ask(lambda cloud: aggregate_of(cloud, aggregate_id))
    where = (*query.where, Audit.aggregate_id == aggregate_id)
    return list_answer(AUDITS, replace(query, where=where), "audits")


@operation(
    blueprint,
    "GET",
    f"{_PATH}/audits/<id:audit_id>",
    role=Role.READER,
    name="get_audit",
    summary="Show an audit with its plan",
    answers={200: wrapped(AuditShape(), "audit")},
)
def get_audit(aggregate_id: int, audit_id: int) -> Response:
    """The moves in order, the imbalance before and after, and what became of the moves."""
    with services().database.reading() as session:
        audit = audit_of(session, aggregate_id, audit_id)
        shown = present([getattr(audit, column) for column in _COLUMNS])
        return answer({"audit": {**shown, "plan": audit.plan, "outcomes": audit.outcomes}})


@operation(
    blueprint,
    "GET",
    f"{_PATH}/audits/<id:audit_id>/diff",
    role=Role.READER,
    name="get_audit_diff",
    summary="Show what the plan of an audit changes, in sentences",
    answers={200: Answer({"type": "string"}, "Lines for people.", content_type="text/plain")},
    errors=(409,),
)
def get_audit_diff(aggregate_id: int, audit_id: int) -> Response:
    """From the whole to the single moves."""
    with services().database.reading() as session:
        plan = _plan_of(audit_of(session, aggregate_id, audit_id))
    lines = "".join(f"{line}\n" for line in difference(plan_from(plan)))
    return Response(lines, content_type="text/plain; charset=utf-8")


@operation(
    blueprint,
    "GET",
    f"{_PATH}/audits/<id:audit_id>/explain",
    role=Role.READER,
    name="explain_audit",
    summary="Say why a server is where it is, and why it moves or does not",
    query=WHOSE,
    answers={200: wrapped(ExplanationShape(), "explanation")},
    errors=(409,),
)
def explain_audit(aggregate_id: int, audit_id: int, query: dict[str, Any]) -> Response:
    """By what the plan was made of; sentences are about where the plan leads."""
    server_id = query["server"]
    if server_id is None:
        raise InvalidInput("which server? give its id as `server`", {"server": ["Missing."]})
    with services().database.reading() as session:
        audit = audit_of(session, aggregate_id, audit_id)
        plan, packed = _plan_of(audit), audit.snapshot
    snapshot, options = unpack(packed or b"")
    mine = [move for move in plan["moves"] if move["server_id"] == server_id]
    after = snapshot.moved({move["server_id"]: move["destination"] for move in plan["moves"]})
    sentences = explain(after, model(after, options), options, server_id)
    moves = [
        f"Wave {move['wave']}: {move['source']} -> {move['destination']}: {move['reason']}." for move in mine
    ]
    return answer({"explanation": {"server_id": server_id, "moves": moves, "sentences": sentences}})


def _plan_of(audit: Audit) -> dict[str, Any]:
    if audit.plan is None:
        raise Conflict(f"audit {audit.id} has no plan: it is {audit.status}")
    return audit.plan
