"""What was done to the power of a node: by whom, when, and with what outcome."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields
from sqlalchemy import select

from cloudmanager.api import filters
from cloudmanager.api.nodes import blueprint
from cloudmanager.api.reading import Source
from cloudmanager.api.resource import Parent, Resource
from cloudmanager.models import Node, PowerAction


class PowerActionShape(Schema):
    """A power action; `result` is null while it runs."""

    id = fields.Integer()
    action = fields.String()
    node_id = fields.Integer()
    user_name = fields.String(allow_none=True)
    start_time = fields.DateTime()
    end_time = fields.DateTime(allow_none=True)
    result = fields.String(allow_none=True)
    error = fields.String(allow_none=True)
    task_id = fields.String(allow_none=True)


def present(row: Any) -> dict[str, Any]:
    """A power action as the API shows it."""
    key, action, node_id, user_name, start_time, end_time, result, error, task_id = row
    return {
        "id": key,
        "action": action,
        "node_id": node_id,
        "user_name": user_name,
        "start_time": start_time,
        "end_time": end_time,
        "result": result,
        "error": error,
        "task_id": task_id,
    }


power_actions = Resource(
    blueprint=blueprint,
    path="/nodes/<id:node_id>/power-actions/",
    noun="power_action",
    plural="power_actions",
    model=PowerAction,
    source=Source(
        select(
            PowerAction.id,
            PowerAction.action,
            PowerAction.node_id,
            PowerAction.user_name,
            PowerAction.start_time,
            PowerAction.end_time,
            PowerAction.result,
            PowerAction.error,
            PowerAction.task_id,
        ),
        key=PowerAction.id,
        present=present,
    ),
    shape=PowerActionShape(),
    fields={
        "id": filters.integer(PowerAction.id),
        "action": filters.text(PowerAction.action),
        "user_name": filters.text(PowerAction.user_name),
        "start_time": filters.moment(PowerAction.start_time),
        "end_time": filters.moment(PowerAction.end_time),
        "result": filters.text(PowerAction.result),
        "task_id": filters.text(PowerAction.task_id),
    },
    parent=Parent("node", "node_id", Node, PowerAction.node_id),
    countable=False,
).register()
