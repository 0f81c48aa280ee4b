"""Which node uses which availability storage, from both sides: POST adds, PUT replaces the whole set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from marshmallow import fields, validate
from sqlalchemy import delete, select

from cloudmanager.api import availability_storages, nodes
from cloudmanager.api.answers import nothing
from cloudmanager.api.body import Body
from cloudmanager.api.fields import identifier
from cloudmanager.api.idempotency import keep
from cloudmanager.api.operation import operation
from cloudmanager.api.services import services
from cloudmanager.db import insert_or_ignore
from cloudmanager.errors import InvalidInput, NotFound
from cloudmanager.models import NodeAvailabilityStorage
from cloudmanager.tokens import Role

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flask import Response
    from flask_smorest import Blueprint
    from sqlalchemy.orm import Session

    from cloudmanager.api.resource import Resource

_MOST = 10_000


class StoragesOfNode(Body):
    """Availability storages for a node."""

    availability_storages = fields.List(identifier(), required=True, validate=validate.Length(max=_MOST))


class NodesOfStorage(Body):
    """Nodes for an availability storage."""

    nodes = fields.List(identifier(), required=True, validate=validate.Length(max=_MOST))


@dataclass(frozen=True)
class Side:
    """One side: the owner in the path, and those that the body lists."""

    blueprint: Blueprint
    owner: Resource
    others: Resource
    body: Body

    @property
    def path(self) -> str:
        """The path of the owner's assignments."""
        return f"{self.owner.item_path}/{self.others.plural.replace('_', '-')}/"

    def values(self, owner_id: int, other_id: int) -> dict[str, int]:
        """The columns of one assignment."""
        return {self.owner.variable: owner_id, self.others.variable: other_id}

    def add(self, session: Session, owner_id: int, other_ids: Sequence[int]) -> None:
        """Assign what is not assigned yet; all of them must exist."""
        _hold(session, self.owner, owner_id)
        self._check_known(session, other_ids)
        if rows := [self.values(owner_id, other_id) for other_id in other_ids]:
            session.execute(insert_or_ignore(session, NodeAvailabilityStorage), rows)

    def _check_known(self, session: Session, other_ids: Sequence[int]) -> None:
        key = self.others.source.key
        known = set(session.scalars(select(key).where(key.in_(other_ids))))
        name, title = self.others.plural, self.others.title
        wrong = {
            f"{name}.{place}": [f"No such {title}."]
            for place, other_id in enumerate(other_ids)
            if other_id not in known
        }
        if wrong:
            raise InvalidInput(f"{name}: {len(wrong)} of them do not exist", wrong)

    def clear(self, session: Session, owner_id: int) -> None:
        """Take all away."""
        _hold(session, self.owner, owner_id)
        session.execute(delete(NodeAvailabilityStorage).filter_by(**{self.owner.variable: owner_id}))


SIDES = (
    Side(nodes.blueprint, nodes.nodes, availability_storages.availability_storages, StoragesOfNode()),
    Side(
        availability_storages.blueprint,
        availability_storages.availability_storages,
        nodes.nodes,
        NodesOfStorage(),
    ),
)
"""The second is the same table, asked from the storages."""

blueprint = nodes.blueprint


def _serve(side: Side) -> None:
    owner, others = side.owner, side.others
    titles = f"{others.plural.replace('_', ' ')} of {'an' if owner.noun[0] in 'aeiou' else 'a'} {owner.title}"

    @operation(
        side.blueprint,
        "POST",
        side.path,
        role=Role.ADMIN,
        name=f"add_{owner.noun}_{others.plural}",
        summary=f"Add to the {titles}",
        body=side.body,
        answers={204: None},
    )
    def add(body: dict[str, Any], **variables: int) -> Response:
        """What is assigned already stays so; when one of the ids is unknown, nothing is assigned."""
        with services().database.transaction() as session:
            side.add(session, variables[owner.variable], body[others.plural])
            return keep(session, nothing())

    @operation(
        side.blueprint,
        "PUT",
        side.path,
        role=Role.ADMIN,
        name=f"replace_{owner.noun}_{others.plural}",
        summary=f"Replace the {titles}",
        body=side.body,
        answers={204: None},
    )
    def replace(body: dict[str, Any], **variables: int) -> Response:
        """What is not in the body is unassigned; an empty list unassigns all."""
        with services().database.transaction() as session:
            side.clear(session, variables[owner.variable])
            side.add(session, variables[owner.variable], body[others.plural])
        return nothing()

    @operation(
        side.blueprint,
        "DELETE",
        f"{side.path}<id:{others.variable}>",
        role=Role.ADMIN,
        name=f"remove_{owner.noun}_{others.noun}",
        summary=f"Remove one of the {titles}",
        answers={204: None},
    )
    def remove(**variables: int) -> Response:
        """Unassign it; both stay."""
        with services().database.transaction() as session:
            _hold(session, owner, variables[owner.variable])
            gone = delete(NodeAvailabilityStorage).filter_by(**variables)
            if not session.execute(gone.returning(NodeAvailabilityStorage.node_id)).first():
                known = [f"{part.title} {variables[part.variable]}" for part in (others, owner)]
                raise NotFound(f"{known[0]} is not assigned to {known[1]}")
        return nothing()


for _side in SIDES:
    _serve(_side)


def _hold(session: Session, owner: Resource, key: int) -> None:
    """Keep the owner from those who replace its set, not from those who assign it to another."""
    held = select(owner.source.key).where(owner.source.key == key).with_for_update(key_share=True)
    if session.scalar(held) is None:
        raise owner.missing(key)
