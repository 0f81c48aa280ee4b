"""What audits of the balancer look like, and what bodies say of them."""

from __future__ import annotations

from marshmallow import Schema, fields

from cloudmanager.api.body import Body
from cloudmanager.api.fields import Flag, IdOrDigits, choice, number, whole
from cloudmanager.api.hosts import LONGEST
from cloudmanager.drs.options import Mode

MOST_MOVES = 1_000_000
LONGEST_SEARCH = 3600.0


class ExecuteAudit(Body):
    """What to plan; what is not given is as [drs] of the configuration says."""

    auto_apply = Flag()
    mode = choice(*Mode)
    max_moves = whole(1, MOST_MOVES)
    min_gain = number(0, 1000)
    min_improvement = number(0, 1)
    hold_seconds = number(0, LONGEST)
    high = number(0.01, 100)
    low = number(0.01, 100)
    spare = whole(0, 100_000)
    time_limit = number(0.1, LONGEST_SEARCH)
    allow_off_vm = Flag()
    dry_run = Flag()


class ApplyAudit(Body):
    """Which plan to carry out."""

    audit_id = IdOrDigits(required=True)
    deadline = whole(1, LONGEST)
    dry_run = Flag()


class AuditReference(Body):
    """Which audit."""

    audit_id = IdOrDigits(required=True)


class AuditBrief(Schema):
    """How far an audit is."""

    id = fields.Integer()
    status = fields.String()


class PlannedMove(Schema):
    """A server that goes from one host to another."""

    wave = fields.Integer()
    server_id = fields.String()
    name = fields.String()
    source = fields.String()
    destination = fields.String()
    gigabytes = fields.Float()
    gain = fields.Float()
    price = fields.Float()
    reason = fields.String()
    intermediate = fields.Boolean()


class FiguresShape(Schema):
    """How an aggregate stands."""

    cost = fields.Float()
    imbalance = fields.Dict(keys=fields.String(), values=fields.Float())
    utilisation = fields.Dict(
        keys=fields.String(), values=fields.Dict(keys=fields.String(), values=fields.Float())
    )


class ImpossibleMove(Schema):
    """A move that would have paid, and cannot be made."""

    server_id = fields.String()
    name = fields.String()
    source = fields.String()
    destination = fields.String()
    reason = fields.String()


class AuditPlanShape(Schema):
    """What to move in which order, why, and what that gains."""

    mode = fields.String()
    moves = fields.List(fields.Nested(PlannedMove))
    waves = fields.Integer()
    gigabytes = fields.Float()
    before = fields.Nested(FiguresShape)
    after = fields.Nested(FiguresShape)
    why_empty = fields.String(allow_none=True)
    complete = fields.Boolean()
    impossible = fields.List(fields.Nested(ImpossibleMove))
    notes = fields.List(fields.String())
    switch_off = fields.List(fields.String())
    switch_on = fields.List(fields.String())
    evaluations = fields.Integer()


class MoveOutcome(Schema):
    """What has become of a move."""

    wave = fields.Integer()
    server_id = fields.String()
    name = fields.String()
    source = fields.String()
    destination = fields.String()
    outcome = fields.String()
    reason = fields.String(allow_none=True)
    task_id = fields.String(allow_none=True)


class AuditSummary(Schema):
    """An audit without its plan."""

    id = fields.Integer()
    aggregate_id = fields.Integer()
    aggregate_name = fields.String()
    status = fields.String()
    message = fields.String(allow_none=True)
    mode = fields.String()
    auto_apply = fields.Boolean()
    requested_by = fields.String(allow_none=True)
    task_id = fields.String(allow_none=True)
    moves = fields.Integer(allow_none=True)
    gigabytes = fields.Float(allow_none=True)
    created_at = fields.DateTime()
    planned_at = fields.DateTime(allow_none=True)
    expires_at = fields.DateTime(allow_none=True)
    ended_at = fields.DateTime(allow_none=True)


class AuditShape(AuditSummary):
    """An audit with its plan, and with what became of the moves."""

    plan = fields.Nested(AuditPlanShape, allow_none=True)
    outcomes = fields.List(fields.Nested(MoveOutcome), allow_none=True)


class RehearsedMove(Schema):
    """A move of a plan, and why it would be skipped now."""

    wave = fields.Integer()
    server_id = fields.String()
    name = fields.String()
    source = fields.String()
    destination = fields.String()
    reason = fields.String(allow_none=True)


class RehearsalShape(Schema):
    """What applying a plan would do now; nothing has been started."""

    action = fields.String()
    moves = fields.List(fields.Nested(RehearsedMove))
    switch_off = fields.List(fields.String())
    switch_on = fields.List(fields.String())


class ExplanationShape(Schema):
    """Why a server is where it is, why it moves or does not."""

    server_id = fields.String()
    moves = fields.List(fields.String())
    sentences = fields.List(fields.String())
