"""Whether we may write configuration of a node's components: `enable-dcc`, `disable-dcc`.

Parameters: `node_id`. Nothing on the node is touched; what was written stays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import update

from cloudmanager.flows.base import Done, Flow, Outcome
from cloudmanager.flows.nodes.asking import QUEUE
from cloudmanager.models import Node

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from cloudmanager.flows.run import Run


async def allow(run: Run) -> Outcome:
    """From now on."""
    run.write(_allow, run.params["node_id"])
    return Done("configuration of its components may be written")


async def forbid(run: Run) -> Outcome:
    """From now on."""
    run.write(_forbid, run.params["node_id"])
    return Done("configuration of its components is not written any more")


def _allow(session: Session, node_ids: Sequence[int]) -> None:
    session.execute(update(Node).where(Node.id.in_(node_ids)).values(dcc=True))


def _forbid(session: Session, node_ids: Sequence[int]) -> None:
    session.execute(update(Node).where(Node.id.in_(node_ids)).values(dcc=False))


ENABLE_DCC = Flow(
    kind="enable-dcc", summary="Allow dynamic component configuration of a node", queue=QUEUE, steps=(allow,)
)
DISABLE_DCC = Flow(
    kind="disable-dcc",
    summary="Forbid dynamic component configuration of a node",
    queue=QUEUE,
    steps=(forbid,),
)
