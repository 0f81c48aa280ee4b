"""The shape of tasks."""

from __future__ import annotations

from marshmallow import Schema, fields


class ProgressShape(Schema):
    """Steps of the task, or tasks below it, that have ended."""

    done = fields.Integer()
    total = fields.Integer()


class StepShape(Schema):
    """What a step did to a target."""

    name = fields.String()
    target = fields.String(allow_none=True)
    status = fields.String()
    message = fields.String(allow_none=True)
    started_at = fields.DateTime()
    ended_at = fields.DateTime(allow_none=True)


class TaskSummary(Schema):
    """A task without its steps."""

    id = fields.String()
    status = fields.String()
    name = fields.String()
    subject = fields.String(allow_none=True)
    message = fields.String(allow_none=True)
    error = fields.String(allow_none=True)
    result = fields.Raw(allow_none=True)
    traceback = fields.String(allow_none=True)
    progress = fields.Nested(ProgressShape)
    parent_id = fields.String(allow_none=True)
    requested_by = fields.String(allow_none=True)
    request_id = fields.String(allow_none=True)
    cancel_requested = fields.Boolean()
    created_at = fields.DateTime()
    started_at = fields.DateTime(allow_none=True)
    ended_at = fields.DateTime(allow_none=True)


class TaskShape(TaskSummary):
    """A task with its steps and the tasks below it."""

    steps = fields.List(fields.Nested(StepShape))
    children = fields.List(fields.String())
