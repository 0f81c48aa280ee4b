"""Collecting the facts of hypervisors anew when they are old: a `collect-facts` for each, few at a time."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import or_, select

from cloudmanager.db import after_commit
from cloudmanager.drivers.base import PowerState
from cloudmanager.errors import Busy
from cloudmanager.flows.nodes.asking import subject_of
from cloudmanager.flows.nodes.facts import COLLECT_FACTS
from cloudmanager.flows.opening import start
from cloudmanager.models import Node, NodeClass, NodeFacts, NodeLogin, utc_now

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Select

    from cloudmanager.config import Config
    from cloudmanager.db import Database

AT_ONCE = 50
"""Nodes that one look begins with: ten thousand take some hours, and no worker is flooded."""

_HYPERVISOR = "hypervisor"


def open_due(database: Database, config: Config, ring: Callable[[Sequence[str]], None]) -> list[str]:
    """Begin with those that were looked at longest ago; answers the tasks.

    Nodes that are off are left alone, and so are those into which there is no way.
    """
    if not config.node_actions.collect_interval:
        return []
    with database.reading() as session:
        due = session.scalars(_due(config)).all()
    begun: list[str] = []
    for node_id in due:
        with suppress(Busy), database.transaction() as session:
            begun.append(
                start(
                    session,
                    COLLECT_FACTS.kind,
                    subject=subject_of(node_id),
                    params={"node_id": node_id},
                    requested_by="collection",
                    request_id=None,
                )
            )
            after_commit(session, lambda: ring(begun[-1:]))
    return begun


def _due(config: Config) -> Select[int]:
    before = utc_now() - timedelta(seconds=config.node_actions.collect_interval)
    query = (
        select(Node.id)
        .join(NodeClass, NodeClass.id == Node.node_class_id)
        .outerjoin(NodeFacts, NodeFacts.node_id == Node.id)
        .where(
            NodeClass.name == _HYPERVISOR,
            Node.active,
            or_(Node.power_state.is_(None), Node.power_state != PowerState.OFF),
            or_(NodeFacts.tried_at.is_(None), NodeFacts.tried_at < before),
        )
        .order_by(NodeFacts.tried_at.is_not(None), NodeFacts.tried_at, Node.id)
        .limit(AT_ONCE)
    )
    if config.host.key_file or config.host.password:
        return query
    return query.where(select(NodeLogin.node_id).where(NodeLogin.node_id == Node.id).exists())
