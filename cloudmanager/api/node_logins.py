"""How the daemon gets into the operating system of a node, where that is not as `[host]` says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask_smorest import Blueprint
from marshmallow import Schema, fields
from sqlalchemy import select

from cloudmanager.api import etags
from cloudmanager.api.answers import answer, nothing
from cloudmanager.api.body import Body
from cloudmanager.api.fields import Flag, PortNumber, text
from cloudmanager.api.nodes import nodes
from cloudmanager.api.operation import operation, wrapped
from cloudmanager.api.services import services
from cloudmanager.errors import InvalidInput, NotFound
from cloudmanager.models import Node, NodeLogin, utc_now
from cloudmanager.ssh.keys import BadKey, log_on_key, public_key
from cloudmanager.tokens import Role

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask import Response
    from sqlalchemy.orm import Session

    from cloudmanager.vault import Vault

blueprint = Blueprint(
    "node-logins", __name__, url_prefix="/v1", description="The way into the operating systems of nodes"
)

PATH = "/nodes/<id:node_id>/login"
SECRETS = {"password": "sealed_password", "ssh_key": "sealed_ssh_key"}


class LoginBody(Body):
    """Changes of a log-in: what is left out stays; null, or an empty text, means as configured."""

    login = text(allow_none=True)
    port_number = PortNumber(allow_none=True)
    password = text(1024, allow_none=True, load_only=True)
    ssh_key = text(100_000, allow_none=True, load_only=True)
    host_key = text(20_000, allow_none=True)
    sudo = Flag(allow_none=True)


class LoginShape(Schema):
    """What a node has of its own; null is as configured. Secrets are never shown."""

    node_id = fields.Integer()
    login = fields.String(allow_none=True)
    port_number = fields.Integer(allow_none=True)
    has_password = fields.Boolean()
    has_ssh_key = fields.Boolean()
    host_key = fields.String(allow_none=True)
    sudo = fields.Boolean(allow_none=True)
    updated_at = fields.DateTime(allow_none=True)


ONE = wrapped(LoginShape(), "node_login")


@operation(
    blueprint,
    "GET",
    PATH,
    role=Role.ADMIN,
    summary="Get how a node is logged on to",
    answers={200: ONE, 304: etags.NOT_MODIFIED},
    conditional=True,
)
def get_node_login(node_id: int) -> Response:
    """Null means as configured. A host key is the one that was given, or pinned at the first contact."""
    with services().database.reading() as session:
        if session.scalar(select(Node.id).where(Node.id == node_id)) is None:
            raise nodes.missing(node_id)
        return _shown(_row(session, node_id))


@operation(
    blueprint,
    "PUT",
    PATH,
    role=Role.ADMIN,
    summary="Change how a node is logged on to",
    body=LoginBody(),
    wrapper="node_login",
    answers={200: ONE},
    conditional=True,
)
def update_node_login(node_id: int, body: dict[str, Any]) -> Response:
    """A node with a password or a key of its own uses none of the configured ones."""
    vault = services().vault
    with services().database.transaction() as session:
        nodes.row(session, node_id)
        row = _row(session, node_id)
        _check_fresh(row)
        for name, value in _columns(vault, row, body).items():
            setattr(row, name, value)
        row.updated_at = utc_now()
        session.add(row)
        session.flush()
        return _shown(row)


@operation(
    blueprint,
    "DELETE",
    PATH,
    role=Role.ADMIN,
    summary="Log on to a node as configured again",
    answers={204: None},
    conditional=True,
)
def delete_node_login(node_id: int) -> Response:
    """All that the node had of its own is forgotten, a pinned host key too."""
    with services().database.transaction() as session:
        nodes.row(session, node_id)
        row = session.get(NodeLogin, node_id)
        if row is None:
            raise NotFound(f"node {node_id} has no log-in of its own")
        _check_fresh(row)
        session.delete(row)
    return nothing()


def _row(session: Session, node_id: int) -> NodeLogin:
    """What is stored, or a new row of nothing."""
    return session.get(NodeLogin, node_id) or NodeLogin(node_id=node_id)


def _present(row: NodeLogin) -> dict[str, Any]:
    return {
        "node_id": row.node_id,
        "login": row.login,
        "port_number": row.port_number,
        "has_password": bool(row.sealed_password),
        "has_ssh_key": bool(row.sealed_ssh_key),
        "host_key": row.host_key,
        "sudo": row.sudo,
        "updated_at": row.updated_at,
    }


def _shown(row: NodeLogin) -> Response:
    shown = _present(row)
    return etags.tagged(answer({"node_login": shown}), shown, ())


def _check_fresh(row: NodeLogin) -> None:
    if etags.are_asked_for():
        etags.check_fresh(_present(row), ())


def _columns(vault: Vault, row: NodeLogin, body: Mapping[str, Any]) -> dict[str, Any]:
    """Values of columns: keys that can be read, secrets sealed, empty texts as nothing."""
    values = {name: None if value == "" else value for name, value in body.items()}
    if host_key := values.get("host_key"):
        try:
            public_key(host_key)
        except BadKey as problem:
            raise InvalidInput(str(problem), {"host_key": ["Not a public key."]}) from None
    _check_private_key(vault, row, values)
    return {
        SECRETS.get(name, name): vault.seal(value) if name in SECRETS else value
        for name, value in values.items()
    }


def _check_private_key(vault: Vault, row: NodeLogin, values: Mapping[str, Any]) -> None:
    """A key that no password opens would be found out in the night."""
    if not values.keys() & SECRETS.keys():
        return
    after = {name: vault.open(getattr(row, column)) for name, column in SECRETS.items()} | dict(values)
    if after["ssh_key"]:
        try:
            log_on_key(after["ssh_key"], after["password"] or "")
        except BadKey as problem:
            field = "ssh_key" if values.get("ssh_key") else "password"
            raise InvalidInput(str(problem), {field: ["The SSH key cannot be used with it."]}) from None
