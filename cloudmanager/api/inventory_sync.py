"""Bringing Nova's hypervisors into the inventory now, instead of in the monitor's next round."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from marshmallow import Schema, fields

from cloudmanager.api.answers import answer
from cloudmanager.api.body import Body
from cloudmanager.api.document.answers import Answer
from cloudmanager.api.fields import Flag
from cloudmanager.api.idempotency import keep
from cloudmanager.api.nodes import blueprint
from cloudmanager.api.operation import operation, wrapped
from cloudmanager.api.services import services
from cloudmanager.hypervisors import sync
from cloudmanager.hypervisors.difference import Kind
from cloudmanager.tokens import Role

if TYPE_CHECKING:
    from flask import Response

    from cloudmanager.hypervisors.difference import Difference


class SyncShape(Schema):
    """What a sync has changed, or would change."""

    created = fields.Integer()
    updated = fields.Integer()
    vanished = fields.Integer()
    changes = fields.List(fields.String())
    unclear = fields.List(fields.String())


class SyncInventory(Body):
    """A sync; with `dry_run` it is only said what would be done."""

    dry_run = Flag()


@operation(
    blueprint,
    "POST",
    "/nodes/actions/sync",
    role=Role.ADMIN,
    name="sync_nodes",
    summary="Bring the hypervisors that Nova knows into the inventory",
    body=SyncInventory(),
    answers={200: Answer({"anyOf": [SyncShape(), wrapped(SyncShape(), "plan")]})},
    errors=(409, 501, 502, 504),
)
def sync_nodes(body: dict[str, Any]) -> Response:
    """Nothing is deleted: a node whose hypervisor has vanished becomes inactive. `plan` is for `dry_run`."""
    snapshot = services().cloud.ask(sync.look)
    if body.get("dry_run"):
        return answer({"plan": _shown(sync.difference(services().database, snapshot))})
    with services().database.transaction() as session:
        return keep(session, answer(_shown(sync.write(session, snapshot).difference)))


def _shown(found: Difference) -> dict[str, Any]:
    return {
        **{kind.value: found.count(kind) for kind in Kind},
        "changes": [change.line for change in found.changes],
        "unclear": [each.message for each in found.unclear],
    }
