"""`/v1/sign`: signatures of servers. Signing looks at the server on its node, within the request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask_smorest import Blueprint
from marshmallow import fields
from sqlalchemy import select

from cloudmanager.api import filters
from cloudmanager.api.answers import answer
from cloudmanager.api.body import Body
from cloudmanager.api.document.answers import Answer
from cloudmanager.api.idempotency import keep
from cloudmanager.api.listing import next_link
from cloudmanager.api.operation import listed, operation, wrapped
from cloudmanager.api.query import ListQuery
from cloudmanager.api.reading import Source
from cloudmanager.api.services import services
from cloudmanager.api.sign_shapes import COLUMNS, SignShape, shown
from cloudmanager.errors import Conflict, NotFound
from cloudmanager.flows.hosts.survey import node_of
from cloudmanager.models import Signature, Validity, utc_now
from cloudmanager.sign.keys import SigningKeys
from cloudmanager.sign.measure import Node
from cloudmanager.sign.record import seal
from cloudmanager.tokens import Role

if TYPE_CHECKING:
    from uuid import UUID

    from flask import Response
    from sqlalchemy.orm import Session

    from cloudmanager.api.query import Window
    from cloudmanager.openstack.port import CloudPort
    from cloudmanager.openstack.records import Hypervisor, Server
    from cloudmanager.sign.measure import Measured

blueprint = Blueprint("signs", __name__, url_prefix="/v1", description="Signatures of servers, guarded nodes")

_ERRORS = (409, 501, 502, 504)
_SOURCE = Source(select(*COLUMNS), key=Signature.id, present=lambda row: row)
_LIST = ListQuery(
    {
        "id": filters.integer(Signature.id),
        "server_id": filters.text(Signature.server_id),
        "instance_name": filters.text(Signature.instance_name),
        "node_id": filters.integer(Signature.node_id),
    }
)


class SignServer(Body):
    """The server to sign."""

    server_id = fields.UUID(required=True)


@operation(
    blueprint,
    "GET",
    "/sign",
    role=Role.ADMIN,
    name="list_signs",
    summary="List signatures",
    query=_LIST,
    answers={200: Answer(listed(SignShape(), "signs"), headers=("Link",))},
)
def list_signs(query: Window) -> Response:
    """Signatures as the last verification left them; a record that was changed by others is `false`."""
    keys = signing_keys()
    with services().database.reading() as session:
        rows = list(_SOURCE.objects(session, query.with_one_more()))
        signs = [shown(session, row, keys) for row in rows[: query.limit]]
    return answer({"signs": signs}, headers=next_link(query, len(rows)))


@operation(
    blueprint,
    "GET",
    "/sign/<uuid:server_id>",
    role=Role.ADMIN,
    name="show_sign",
    summary="Show the signature of a server",
    answers={200: wrapped(SignShape(), "sign")},
)
def show_sign(server_id: UUID) -> Response:
    """As the last verification left it; a record that was changed by others is `false`."""
    with services().database.reading() as session:
        row = session.execute(select(*COLUMNS).where(Signature.server_id == str(server_id))).one_or_none()
        if row is None:
            raise _missing(str(server_id))
        return answer({"sign": shown(session, row, signing_keys())})


@operation(
    blueprint,
    "POST",
    "/sign",
    role=Role.ADMIN,
    name="create_sign",
    summary="Sign a server",
    body=SignServer(),
    answers={201: wrapped(SignShape(), "sign")},
    errors=_ERRORS,
)
def create_sign(body: dict[str, Any]) -> Response:
    """Its definition, its firmware and its NVRAM are read on its node; what they are now is signed."""
    server_id = str(body["server_id"])
    if _known(server_id, signed=True):
        raise _signed_already(server_id)
    server, node_id, measured = _measured(server_id)
    with services().database.transaction() as session:
        row = _row(session, server_id)
        if row is not None and row.baseline is not None:
            raise _signed_already(server_id)
        sign = _signed(session, row, server, node_id, measured)
        return keep(session, answer({"sign": sign}, 201, {"Location": f"/v1/sign/{server_id}"}))


@operation(
    blueprint,
    "PUT",
    "/sign",
    role=Role.ADMIN,
    name="update_sign",
    summary="Recalculate the signature of a server",
    body=SignServer(),
    answers={200: wrapped(SignShape(), "sign")},
    errors=(404, *_ERRORS),
)
def update_sign(body: dict[str, Any]) -> Response:
    """What the server is now counts from now on. One that was stopped stays stopped until it is started."""
    server_id = str(body["server_id"])
    if not _known(server_id):
        raise _missing(server_id)
    server, node_id, measured = _measured(server_id)
    with services().database.transaction() as session:
        row = _row(session, server_id)
        if row is None:
            raise _missing(server_id)
        row.updated_at = utc_now()
        return answer({"sign": _signed(session, row, server, node_id, measured)})


def signing_keys() -> SigningKeys:
    """What signs and verifies here."""
    return SigningKeys(services().vault)


def _measured(server_id: str) -> tuple[Server, int, Measured]:
    """The server, its node and what it is there now."""
    server, hypervisors = services().cloud.ask(lambda cloud: _server(cloud, server_id))
    if server.host is None:
        raise Conflict(f"server {server_id} ({server.status}) is on no host: start it, then sign it")
    if server.task_state is not None:
        raise Conflict(f"server {server_id} is {server.task_state}: sign it when that is over")
    with services().database.reading() as session:
        node_id = node_of(session, server.host, hypervisors)
    if node_id is None:
        raise Conflict(
            f"{server.host}, on which server {server_id} is, is no node of the inventory, or several"
        )
    with_nvram = services().config.sign.verify_nvram
    found = services().host.ask(lambda host: Node(host, node_id, with_nvram=with_nvram).measure(server_id))
    return server, node_id, found


async def _server(cloud: CloudPort, server_id: str) -> tuple[Server, list[Hypervisor]]:
    return await cloud.server(server_id), list(await cloud.hypervisors(max_age=5.0))


def _signed(
    session: Session, row: Signature | None, server: Server, node_id: int, measured: Measured
) -> dict[str, Any]:
    """Store what was measured, signed, and answer it as it is shown."""
    row = row or Signature(server_id=server.id, locked_for=None, created_at=utc_now())
    row.instance_name, row.node_id = measured.instance_name, node_id
    row.baseline, row.is_valid, row.reason = measured.baseline, Validity.TRUE.value, None
    keys = signing_keys()
    seal(session, row, keys)
    return shown(session, row, keys)


def _row(session: Session, server_id: str) -> Signature | None:
    return session.scalar(select(Signature).where(Signature.server_id == server_id).with_for_update())


def _known(server_id: str, *, signed: bool = False) -> bool:
    """Whether there is a record of a server, and one that says what it was."""
    with services().database.reading() as session:
        query = select(Signature.baseline).where(Signature.server_id == server_id)
        found = session.execute(query).one_or_none()
    return found is not None and (found.baseline is not None or not signed)


def _signed_already(server_id: str) -> Conflict:
    return Conflict(f"server {server_id} has a signature: PUT recalculates it")


def _missing(server_id: str) -> NotFound:
    return NotFound(f"server {server_id} has no signature: POST makes one")
