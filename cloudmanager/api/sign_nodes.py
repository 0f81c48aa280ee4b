"""`/v1/sign/node/{node_id}/action`: guarding the servers of a node, and ending it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudmanager.api.answers import answer, task_location
from cloudmanager.api.body import Body
from cloudmanager.api.document.answers import Answer
from cloudmanager.api.document.glossary.tasks import TASK_ID
from cloudmanager.api.fields import Flag, choice
from cloudmanager.api.idempotency import keep
from cloudmanager.api.node_power import start_flow
from cloudmanager.api.nodes import nodes
from cloudmanager.api.operation import operation, wrapped
from cloudmanager.api.power_protection import hosts_of
from cloudmanager.api.services import services
from cloudmanager.api.sign import blueprint
from cloudmanager.api.sign_shapes import GuardPlanShape
from cloudmanager.errors import Conflict
from cloudmanager.flows.sign.activate import told
from cloudmanager.flows.sign.locks import guarding_subject, is_ours
from cloudmanager.models import GuardedNode, Node
from cloudmanager.tokens import Role

if TYPE_CHECKING:
    from flask import Response

    from cloudmanager.openstack.port import CloudPort
    from cloudmanager.openstack.records import Hypervisor

ACTIVATE, DEACTIVATE = "activate", "deactivate"
_KINDS = {ACTIVATE: "activate-signing", DEACTIVATE: "deactivate-signing"}
_PATH = "/sign/node/<id:node_id>/action"


class GuardNode(Body):
    """What to do; with `dry_run` it is only said."""

    action = choice(ACTIVATE, DEACTIVATE, required=True)
    dry_run = Flag()


_STARTED = Answer(
    {
        "type": "object",
        "required": ["success", "task_id", "node_id", "action"],
        "additionalProperties": False,
        "properties": {
            "success": {"type": "boolean", "description": "That it was started.", "examples": [True]},
            "task_id": {"type": "string", "description": "Id of its task.", "examples": [TASK_ID]},
            "node_id": {"type": "integer", "description": "Number of the node.", "examples": [7]},
            "action": {"type": "string", "description": "What was asked for.", "examples": [ACTIVATE]},
        },
    },
    "Started. `Location` names the task too.",
)
_PLAN = Answer(wrapped(GuardPlanShape(), "plan"), "The plan, for `dry_run`.")


def guard_node(node_id: int, body: dict[str, Any]) -> Response:
    """Activating locks its servers and verifies them from then on; deactivating unlocks those again."""
    action = body["action"]
    host = _host_of(node_id, action)
    if body.get("dry_run"):
        return answer({"plan": _plan(node_id, action, host)})
    with services().database.transaction() as session:
        if action == ACTIVATE and session.get(GuardedNode, node_id) is not None:
            raise Conflict(f"node {node_id} is guarded already: deactivate it first")
        params = {"node_id": node_id, "host": host}
        task_id = start_flow(session, _KINDS[action], guarding_subject(node_id), params)
        content = {"success": True, "task_id": task_id, "node_id": node_id, "action": action}
        return keep(session, answer(content, 202, {"Location": task_location(task_id)}))


for _method, _name in (("GET", "guard_node_by_get"), ("POST", "guard_node")):
    operation(
        blueprint,
        _method,
        _PATH,
        role=Role.ADMIN,
        name=_name,
        summary="Guard the servers of a node, or end that",
        body=GuardNode(),
        answers={202: _STARTED, 200: _PLAN},
        errors=(409, 501, 502, 504),
    )(guard_node)


def _host_of(node_id: int, action: str) -> str | None:
    """The host that the node is. A node that is none any more can still be released."""
    with services().database.reading() as session:
        node = session.get(Node, node_id)
        if node is None:
            raise nodes.missing(node_id)
        known = {node_id: (node.name, node.hypervisor_id)}
        guarded = session.get(GuardedNode, node_id)

    async def ask(cloud: CloudPort) -> list[Hypervisor]:
        return list(await cloud.hypervisors())

    host = hosts_of(known, services().cloud.ask(ask)).get(node_id)
    if host is None and action == ACTIVATE:
        raise Conflict(f"node {node_id} is no host of the cloud: there are no servers to guard")
    return host or (guarded.host if guarded else None)


def _plan(node_id: int, action: str, host: str | None) -> dict[str, Any]:
    """What would be locked, or unlocked."""
    servers = services().cloud.ask(lambda cloud: cloud.servers_on(host)) if host is not None else ()
    if action == DEACTIVATE:
        servers = [server for server in servers if is_ours(server, node_id)]
    listed = [told(server, node_id) for server in servers]
    return {"action": action, "node_id": node_id, "host": host, "servers": listed}
