"""Nodes that a command line names: by id, name or pattern."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from sqlalchemy import select

from cloudmanager.errors import NotFound
from cloudmanager.models import Node

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session


def selected(session: Session, selectors: Sequence[str]) -> list[tuple[int, str | None]]:
    """Id and name of the nodes, by id; without selectors of all. `NotFound` for a selector that fits none."""
    nodes = [
        (node_id, name) for node_id, name in session.execute(select(Node.id, Node.name).order_by(Node.id))
    ]
    if not selectors:
        return nodes
    chosen: dict[int, str | None] = {}
    for selector in selectors:
        found = [
            (node_id, name)
            for node_id, name in nodes
            if selector == str(node_id) or (name and fnmatchcase(name, selector))
        ]
        if not found:
            raise NotFound(f"no node has the id or name {selector!r}")
        chosen.update(found)
    return sorted(chosen.items())
