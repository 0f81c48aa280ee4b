"""Creating nodes: one, or many at once of which all are created or none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select

from cloudmanager.api.answers import answer
from cloudmanager.api.boot_files import follow
from cloudmanager.api.document.answers import Answer
from cloudmanager.api.idempotency import keep
from cloudmanager.api.node_schemas import NodeBody, NodeShape
from cloudmanager.api.node_values import Catalogue, values_of
from cloudmanager.api.nodes import SOURCE, blueprint, nodes
from cloudmanager.api.operation import listed, operation, wrapped
from cloudmanager.api.query import Window
from cloudmanager.api.services import services
from cloudmanager.api.usage import node_title
from cloudmanager.errors import Conflict, InvalidInput
from cloudmanager.models import Node, folded, utc_now, without_case
from cloudmanager.tokens import Role

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flask import Response
    from sqlalchemy.orm import Session

_NAMED = 10
BLANK = {
    column.key: column.default.arg if column.default is not None and column.default.is_scalar else None
    for column in Node.__table__.columns
    if column.key != "id"
}
"""Each column's default: rows that name the same columns go into the same statement."""


@operation(
    blueprint,
    "POST",
    "/nodes/",
    role=Role.ADMIN,
    name="create_node",
    summary="Create a node, or many nodes: all of them or none",
    body=NodeBody(),
    wrapper="node",
    plural="nodes",
    answers={
        201: Answer(
            {"anyOf": [wrapped(NodeShape(), "node"), listed(NodeShape(), "nodes")]},
            "Created. `Location` is where it is read, if it is one.",
            sometimes=("Location",),
        )
    },
    errors=(409,),
)
def create_nodes(body: dict[str, Any] | list[dict[str, Any]]) -> Response:
    """Errors of many nodes name them by their place: `nodes.3.name`."""
    many = isinstance(body, list)
    bodies = body if isinstance(body, list) else [body]
    where = [f"nodes.{place}." if many else "" for place in range(len(bodies))]
    with services().database.transaction() as session:
        values = _values(session, bodies, where)
        keys = _insert(session, values)
        follow(session, [row["mac_address"] for row in values])
        if not many:
            return keep(session, nodes.created(nodes.show(session, keys[0])))
        return keep(session, answer({"nodes": _shown(session, keys)}, 201))


def _values(session: Session, bodies: Sequence[dict[str, Any]], where: Sequence[str]) -> list[dict[str, Any]]:
    """The values of all, or an error that names everything that is wrong."""
    catalogue = Catalogue(session)
    values: list[dict[str, Any]] = []
    wrong: dict[str, Sequence[str]] = dict(_repeated_names(bodies, where))
    messages = ["names of nodes are unique, without regard to case"] if wrong else []
    for body, place in zip(bodies, where, strict=True):
        try:
            values.append({**BLANK, "created_at": utc_now(), **values_of(catalogue, body, None, place)})
        except InvalidInput as error:
            messages.append(error.message)
            wrong |= error.fields
    if messages:
        raise InvalidInput("; ".join(list(dict.fromkeys(messages))[:_NAMED]), wrong)
    _refuse_taken_names(session, bodies, where)
    return values


def _repeated_names(
    bodies: Sequence[dict[str, Any]], where: Sequence[str]
) -> Iterator[tuple[str, list[str]]]:
    """What is wrong with names that the request has given before."""
    seen: dict[str, str] = {}
    for body, place in zip(bodies, where, strict=True):
        if (name := body.get("name")) is None:
            continue
        first = seen.setdefault(folded(name), place)
        if first != place:
            yield f"{place}name", [f"The same name as {first}name."]


def _refuse_taken_names(session: Session, bodies: Sequence[dict[str, Any]], where: Sequence[str]) -> None:
    places = {
        folded(body["name"]): place for body, place in zip(bodies, where, strict=True) if body.get("name")
    }
    if not places:
        return
    taken: dict[str, Sequence[str]] = {}
    query = select(Node.id, Node.name).where(without_case(Node.name).in_(places)).order_by(Node.id)
    for key, name in session.execute(query):
        taken[f"{places[folded(name or '')]}name"] = [f"Taken by {node_title(key, name)}."]
    if taken:
        titles = "; ".join(text for texts in list(taken.values())[:_NAMED] for text in texts)
        raise Conflict(f"names of nodes are unique, without regard to case: {titles}", taken)


def _insert(session: Session, values: list[dict[str, Any]]) -> list[int]:
    """The ids, in the order of the values. SQLite counts up; to be told so, it would take a row at a time."""
    counts_up = session.get_bind().dialect.name == "sqlite"
    new = insert(Node).returning(Node.id, sort_by_parameter_order=not counts_up)
    keys = list(session.scalars(new, values))
    return sorted(keys) if counts_up else keys


def _shown(session: Session, keys: Sequence[int]) -> list[dict[str, Any]]:
    """The nodes as the API shows them, in the order of the keys."""
    found = {shown["id"]: shown for shown in SOURCE.objects(session, Window(where=(Node.id.in_(keys),)))}
    return [found[key] for key in keys]
