"""Seeing to it that every guarded node is watched: a verification that gave up is begun again."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from sqlalchemy import select

from cloudmanager.db import after_commit
from cloudmanager.errors import Busy
from cloudmanager.flows.locks import holders
from cloudmanager.flows.opening import start
from cloudmanager.flows.sign.activate import VERIFY
from cloudmanager.flows.sign.locks import watch_subject
from cloudmanager.models import GuardedNode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cloudmanager.db import Database


def open_missing(database: Database, ring: Callable[[Sequence[str]], None]) -> list[str]:
    """Begin to verify every guarded node that nobody verifies; answers the tasks."""
    with database.reading() as session:
        nodes = session.execute(select(GuardedNode.node_id, GuardedNode.host)).all()
        held = holders(session, [watch_subject(node.node_id) for node in nodes])
    begun: list[str] = []
    for node in nodes:
        if watch_subject(node.node_id) not in held:
            with suppress(Busy):
                begun.append(_begin(database, node.node_id, node.host, ring))
    return begun


def _begin(database: Database, node_id: int, host: str, ring: Callable[[Sequence[str]], None]) -> str:
    with database.transaction() as session:
        flow_id = start(
            session,
            VERIFY,
            subject=watch_subject(node_id),
            params={"node_id": node_id, "host": host},
            requested_by="integrity control",
            request_id=None,
        )
        after_commit(session, lambda: ring([flow_id]))
    return flow_id
