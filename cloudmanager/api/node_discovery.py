"""Asking a storage which targets it offers a node: answered when the node has answered."""

from __future__ import annotations

import ipaddress
import time
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from cloudmanager.api.answers import answer, task_location
from cloudmanager.api.document.answers import Answer
from cloudmanager.api.idempotency import keep
from cloudmanager.api.node_os_schemas import TARGETS, DiscoveryNas
from cloudmanager.api.node_power import start_flow
from cloudmanager.api.nodes import blueprint, nodes
from cloudmanager.api.operation import operation
from cloudmanager.api.services import services
from cloudmanager.errors import Conflict, HostError, HostUnreachable, InvalidInput
from cloudmanager.flows.nodes.asking import subject_of
from cloudmanager.models import FlowRow, Node, Status
from cloudmanager.tokens import Role

if TYPE_CHECKING:
    from flask import Response
    from sqlalchemy.orm import Session

_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.2
"""Seconds between two looks at the task."""


@operation(
    blueprint,
    "POST",
    "/nodes/<id:node_id>/actions/discovery-nas",
    role=Role.MEMBER,
    name="discovery_nas",
    summary="Ask a storage which targets it offers a node",
    body=DiscoveryNas(),
    answers={200: Answer(TARGETS, "What it offers.", headers=("Location",))},
    errors=(409, 502, 504),
)
def discovery_nas(node_id: int, body: dict[str, Any]) -> Response:
    """Waits up to `[node_actions] discovery_wait`; `Location` is the task that asks, address by address."""
    with services().database.transaction() as session:
        nodes.row(session, node_id)
        params = {"node_id": node_id, "addresses": _addresses(session, body["storage_id"])}
        task_id = start_flow(session, "discovery-nas", subject_of(node_id), params)
    result = _await(task_id)
    response = answer({"targets": result["targets"]}, headers={"Location": task_location(task_id)})
    with services().database.transaction() as session:
        return keep(session, response)


def _addresses(session: Session, storage_id: int) -> list[str]:
    """Those of the storage that another machine can reach."""
    storage = session.get(Node, storage_id)
    if storage is None:
        message = f"there is no node {storage_id}"
        raise InvalidInput(message, {"storage_id": ["No such node."]})
    found = [each for each in storage.ip_addresses or [] if not ipaddress.ip_address(each).is_loopback]
    if not found:
        raise Conflict(f"node {storage_id} has no address at which it could offer targets: set ip_addresses")
    return found


def _await(task_id: str) -> dict[str, Any]:
    """The task's result; `HostError` when it has none, or not in time."""
    wait = services().config.node_actions.discovery_wait
    give_up = time.monotonic() + wait
    pause = _FIRST_PAUSE
    while (ended := _outcome(task_id)) is None:
        if (left := give_up - time.monotonic()) <= 0:
            raise HostUnreachable(f"no answer after {wait:g} s; task {task_id} goes on asking")
        time.sleep(min(pause, left))
        pause = min(pause * 1.5, _LONGEST_PAUSE)
    status, result, error = ended
    if status != Status.SUCCESS:
        raise HostError(f"task {task_id}: {error or 'cancelled'}")
    return result


def _outcome(task_id: str) -> tuple[str, dict[str, Any], str | None] | None:
    """(status, result, error) of a task that has ended."""
    query = select(FlowRow.status, FlowRow.result, FlowRow.error).where(
        FlowRow.id == task_id, FlowRow.ended_at.is_not(None)
    )
    with services().database.reading() as session:
        row = session.execute(query).first()
    return None if row is None else (row.status, row.result or {}, row.error)
