"""Actions in the operating system of one node. The work itself is done by flows (`flows.nodes`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudmanager.api.answers import accepted
from cloudmanager.api.idempotency import keep
from cloudmanager.api.node_os_schemas import AttachTargets, NodeOsAction, SetCpuMode, SetupLogRedirection
from cloudmanager.api.node_power import start_flow
from cloudmanager.api.nodes import blueprint, nodes
from cloudmanager.api.operation import operation
from cloudmanager.api.services import services
from cloudmanager.errors import Conflict, InvalidInput
from cloudmanager.flows.nodes.asking import subject_of
from cloudmanager.flows.nodes.cpu_mode import CUSTOM
from cloudmanager.flows.nodes.node_safe import storages_of
from cloudmanager.host.iscsi import LONGEST_NAME
from cloudmanager.tokens import Role

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Response
    from sqlalchemy.orm import Session

    from cloudmanager.api.body import Body
    from cloudmanager.models import Node

    Prepare = Callable[[Session, Node, dict[str, Any]], dict[str, Any]]
    """What the flow is given besides the node, from the checked body; raises what stands in the way."""

_FULL_NAMES = ("iqn.", "eui.", "naa.")


def _nothing(_session: Session, _node: Node, _body: dict[str, Any]) -> dict[str, Any]:
    return {}


def _serve(action: str, summary: str, body: Body | None = None, prepare: Prepare = _nothing) -> None:
    @operation(
        blueprint,
        "POST",
        f"/nodes/<id:node_id>/actions/{action}",
        role=Role.MEMBER,
        name=f"{action.replace('-', '_')}_node",
        summary=summary,
        body=body or NodeOsAction(),
        answers={202: None},
        errors=(409,),
    )
    def act(node_id: int, body: dict[str, Any]) -> Response:
        """A task does it; its result is what the node said."""
        with services().database.transaction() as session:
            params = {"node_id": node_id, **prepare(session, nodes.row(session, node_id), body)}
            return keep(session, accepted(start_flow(session, action, subject_of(node_id), params)))


def _cpu_mode(_session: Session, node: Node, body: dict[str, Any]) -> dict[str, Any]:
    mode, model = body["cpu_emulation_mode"], body["cpu_model"]
    if mode == CUSTOM and model is None:
        message = "cpu_model: the mode custom needs a model"
        raise InvalidInput(message, {"cpu_model": ["Missing with the mode custom."]})
    if mode != CUSTOM and model is not None:
        message = "cpu_model: only the mode custom takes a model"
        raise InvalidInput(message, {"cpu_model": ["Only with the mode custom."]})
    _check_dcc(node)
    return {"mode": mode, "model": model}


def _log_host(_session: Session, node: Node, body: dict[str, Any]) -> dict[str, Any]:
    _check_dcc(node)
    return {"host": body.get("log_redirection_hostname")}


def _check_dcc(node: Node) -> None:
    if not node.dcc:
        raise Conflict(
            f"dynamic component configuration of node {node.id} is off: allow it with "
            f"POST /v1/nodes/{node.id}/actions/enable-dcc"
        )


def _node_safe(session: Session, node: Node, _body: dict[str, Any]) -> dict[str, Any]:
    if not services().config.node_actions.nodesafe_peers:
        raise Conflict("the watchdog needs peers to ping: set [node_actions] nodesafe_peers")
    if not storages_of(session, node.id):
        raise Conflict(
            f"node {node.id} has no availability storage: assign one with "
            f"POST /v1/nodes/{node.id}/availability-storages/"
        )
    return {}


def _targets(_session: Session, _node: Node, body: dict[str, Any]) -> dict[str, Any]:
    prefix = services().config.node_actions.iscsi_prefix
    targets = {
        address: [
            name if name.startswith(_FULL_NAMES) else f"{prefix}{name}" for name in dict.fromkeys(names)
        ]
        for address, names in body["targets"].items()
    }
    for address, names in targets.items():
        if "%" in address or max(map(len, names)) > LONGEST_NAME:
            message = (
                f"targets: {address[:100]} with a zone, or a name of more than {LONGEST_NAME} characters"
            )
            raise InvalidInput(message, {f"targets.{address}": ["Not an address and names of targets."]})
    return {"targets": targets, "vendor": body["vendor"], "product": body["product"]}


def _host(_session: Session, node: Node, _body: dict[str, Any]) -> dict[str, Any]:
    if not node.name:
        raise Conflict(f"node {node.id} has no name, by which Nova would know its servers")
    return {"host": node.name}


_serve("enable-snmp", "Start the SNMP agent of a node, now and with it")
_serve("disable-snmp", "End the SNMP agent of a node, now and for good")
_serve("enable-ssh", "Open the SSH of a node to all")
_serve("disable-ssh", "Close the SSH of a node to all but this daemon")
_serve("enable-nodesafe", "Have a node stop its servers when it is cut off", prepare=_node_safe)
_serve("disable-nodesafe", "End the watchdog that stops servers of a node that is cut off")
_serve("enable-dcc", "Allow dynamic component configuration of a node")
_serve("disable-dcc", "Forbid dynamic component configuration of a node")
_serve("set-cpu-mode", "Choose the processor that servers of a node see", SetCpuMode(), _cpu_mode)
_serve("setup-log-redirection", "Send the logs of a node to a host", SetupLogRedirection(), _log_host)
_serve("disable-log-redirection", "Send the logs of a node nowhere else any more", prepare=_log_host)
_serve("update-system", "Bring all packages of a node up to date")
_serve("attach-targets", "Log a node on to iSCSI targets", AttachTargets(), _targets)
_serve("repair-locks", "Take lost locks of volumes that servers of a node use", prepare=_host)
_serve("collect-facts", "Collect hardware and storage sessions of a node")
