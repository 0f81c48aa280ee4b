"""What devices were seen to say, and keeping it in the inventory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import bindparam, or_, update

from cloudmanager.drivers.base import PowerState
from cloudmanager.models import Node, NodeControl, utc_now

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Table
    from sqlalchemy.orm import Session

    from cloudmanager.power import Outlet


@dataclass(frozen=True)
class Seen:
    """What a device said of an outlet, and the node whose state that is."""

    outlet: Outlet
    node_id: int | None
    state: PowerState


_NODES, _OUTLETS = cast("Table", Node.__table__), cast("Table", NodeControl.__table__)
_SEEN: dict[str, Any] = {"power_state": bindparam("state"), "power_state_checked_at": bindparam("now")}
_OUTLET = (
    update(_OUTLETS)
    .where(_OUTLETS.c.power_control_id == bindparam("control"))
    .where(_OUTLETS.c.power_control_port == bindparam("port"))
    .values(is_initialized=or_(_OUTLETS.c.is_initialized, bindparam("known")), **_SEEN)
)
_NODE = update(_NODES).where(_NODES.c.id == bindparam("node")).values(_SEEN)


def _older(table: Table) -> Any:
    checked_at = table.c.power_state_checked_at
    return or_(checked_at.is_(None), checked_at < bindparam("now"))


def record(session: Session, seen: Sequence[Seen]) -> None:
    """Keep what was just seen. A device that does not know makes the state unknown, never off."""
    _write(session, seen, utc_now(), _OUTLET, _NODE)


def record_if_newer(session: Session, seen: Sequence[Seen], at: datetime) -> None:
    """Keep what was seen at a time, unless something was seen in that second or later."""
    _write(session, seen, at, _OUTLET.where(_older(_OUTLETS)), _NODE.where(_older(_NODES)))


def _write(session: Session, seen: Sequence[Seen], at: datetime, of_outlet: Any, of_node: Any) -> None:
    rows = [
        {
            "control": each.outlet.control_id,
            "port": each.outlet.port,
            "node": each.node_id,
            "known": each.state is not PowerState.UNKNOWN,
            "state": None if each.state is PowerState.UNKNOWN else each.state.value,
            "now": at,
        }
        for each in seen
    ]
    if rows:
        session.connection().execute(of_outlet, rows)
    if of_nodes := [row for row in rows if row["node"] is not None]:
        session.connection().execute(of_node, of_nodes)
