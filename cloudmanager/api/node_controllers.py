"""Binding nodes to a virtual controller. The work itself is done by flows (`flows.nodes.controllers`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from cloudmanager.api.idempotency import keep
from cloudmanager.api.node_os_schemas import ControllerBinding
from cloudmanager.api.node_power import start_flow
from cloudmanager.api.nodes import blueprint
from cloudmanager.api.operation import operation
from cloudmanager.api.services import services
from cloudmanager.api.started import STARTED, started
from cloudmanager.errors import Conflict, InvalidInput
from cloudmanager.models import Node, folded, without_case
from cloudmanager.tokens import Role

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from flask import Response
    from sqlalchemy.orm import Session

_NAMED = 20
"""Nodes that the message of an error names."""


@operation(
    blueprint,
    "POST",
    "/nodes/actions/attach",
    role=Role.MEMBER,
    name="attach_nodes",
    summary="Bind nodes to a virtual controller; no server is touched",
    body=ControllerBinding(),
    answers={202: STARTED},
    errors=(409,),
)
def attach_nodes(body: dict[str, Any]) -> Response:
    """Nothing is begun when a node is unknown, or belongs to another controller."""
    uuid = body["controller_uuid"].lower()
    return _begin(
        "attach-nodes",
        uuid,
        body["hostnames"],
        lambda held: held in (None, uuid),
        "belong to others: detach them",
    )


@operation(
    blueprint,
    "POST",
    "/nodes/actions/detach",
    role=Role.MEMBER,
    name="detach_nodes",
    summary="Unbind nodes from a virtual controller; no server is touched",
    body=ControllerBinding(),
    answers={202: STARTED},
    errors=(409,),
)
def detach_nodes(body: dict[str, Any]) -> Response:
    """Nothing is begun when a node is unknown, or does not belong to this controller."""
    uuid = body["controller_uuid"].lower()
    return _begin(
        "detach-nodes",
        uuid,
        body["hostnames"],
        lambda held: held == uuid,
        f"do not belong to controller {uuid}",
    )


def _begin(
    kind: str, uuid: str, hostnames: Sequence[str], may: Callable[[str | None], bool], why_not: str
) -> Response:
    with services().database.transaction() as session:
        found = _nodes(session, hostnames)
        wrong = [
            node.name or "" for node in found if not may(node.controller_id and node.controller_id.lower())
        ]
        if wrong:
            raise Conflict(f"{', '.join(wrong[:_NAMED])} {why_not}")
        params = {"controller": uuid, "nodes": {str(node.id): node.name for node in found}}
        return keep(session, started(start_flow(session, kind, None, params)))


def _nodes(session: Session, hostnames: Sequence[str]) -> list[Node]:
    """The nodes with these names, without regard to case; each once."""
    wanted = dict.fromkeys(folded(name) for name in hostnames)
    rows = session.scalars(select(Node).where(without_case(Node.name).in_(list(wanted))))
    by_name = {folded(node.name or ""): node for node in rows}
    if unknown := [name for name in hostnames if folded(name) not in by_name]:
        message = f"there is no node {', '.join(unknown[:_NAMED])}; nothing was started"
        raise InvalidInput(message, {"hostnames": [f"No such node: {name}." for name in unknown[:_NAMED]]})
    return [by_name[name] for name in wanted]
