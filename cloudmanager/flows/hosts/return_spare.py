"""`return-spare`: put a spare that stands in for a host back into reserve, as it was found.

Parameters: `host`, the spare's; optional `drain` (move its servers away first) with `allow_off_vm`,
`move_locked`, `block_migration`, `policy`. A spare that holds servers stays lent without `drain`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from cloudmanager.errors import NotFound
from cloudmanager.flows.base import Done, Fail, Flow, Outcome, Wait
from cloudmanager.flows.hosts import loans
from cloudmanager.flows.hosts.cordon import cordon, uncordon_unless_power_was_touched
from cloudmanager.flows.hosts.drain import call_back, coming, confirm_empty, move_servers
from cloudmanager.flows.hosts.events import tell
from cloudmanager.flows.hosts.fence import when
from cloudmanager.flows.hosts.standing_in import cordon_as_found, leave_aggregates, switch_off_as_found
from cloudmanager.flows.hosts.survey import plan_to_empty, remember_host
from cloudmanager.flows.servers.move import QUEUE
from cloudmanager.models import LoanState, Node

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from cloudmanager.flows.run import Run

KIND = "return-spare"
_LOOK_EVERY = 1.0


def _goes_back(run: Run) -> bool:
    return not run.memo["kept"]


def _is_known(run: Run) -> bool:
    return _goes_back(run) and not run.memo.get("gone")


def _drains(run: Run) -> bool:
    return _is_known(run) and bool(run.params.get("drain"))


def _is_left_alone(run: Run) -> bool:
    return _is_known(run) and not run.params.get("drain")


def _is_still_lent(run: Run) -> bool:
    return "loan" in run.memo


# --- steps -------------------------------------------------------------------------------------------------


async def take_up_the_loan(run: Run) -> Outcome:
    """Find the loan and the host. A node that was taken out of reserve meanwhile is nobody's spare."""
    host = run.params["host"]
    loan = await run.read(lambda session: loans.loan_of(session, host))
    if loan is None:
        return Fail(f"{host} is not lent")
    run.result = {"host": host, "lost_host": loan.lost_host, "plan": [], "servers": []}
    run.memo["loan"] = loan._asdict()
    run.memo["kept"] = not await run.read(lambda session: _is_reserved(session, loan.node_id))
    if run.memo["kept"]:
        return Done(f"node {loan.node_id} is not reserved any more")
    try:
        outcome = await remember_host(run)
    except NotFound:
        run.memo["gone"] = True
        outcome = Done(f"Nova does not know {host} any more")
    run.memo["node_id"] = loan.node_id
    return outcome


def _is_reserved(session: Session, node_id: int) -> bool:
    return bool(session.scalar(select(Node.is_reserved).where(Node.id == node_id)))


async def see_that_it_is_empty(run: Run) -> Outcome:
    """Without `drain` nothing is touched while it holds servers."""
    host = run.params["host"]
    run.memo["plan"] = []
    if left := await run.ports.cloud.servers_on(host):
        run.memo["occupied"] = len(left)
        return Fail(f"{host} holds {len(left)} servers, so it stays lent: ask with drain: true to move them")
    return Done()


async def let_servers_arrive(run: Run) -> Outcome:
    """Those that were on their way when it was cordoned."""
    if arriving := await coming(run):
        return Wait(_LOOK_EVERY, f"{arriving} servers are on their way to {run.params['host']}")
    return Done()


async def begin_to_put_it_away(run: Run) -> Outcome:
    """From here on it stays cordoned, whatever happens, until it is asked for again."""
    run.memo["power_touched"] = True
    return Done()


async def close_the_loan(run: Run) -> Outcome:
    """It is a spare again."""
    loan = run.memo["loan"]
    host, lost_host = loan["host"], loan["lost_host"]
    if run.memo["kept"]:
        message = f"{host} was taken out of reserve: it stays in service, and stands in for nobody"
        loans.end_loan(run, loan["task_id"], LoanState.KEPT, message)
    else:
        message = f"{host} is in reserve again; it stood in for {lost_host}"
        loans.end_loan(run, loan["task_id"], LoanState.RETURNED, message)
    tell(run, loans.RETURNED, host, message)
    return Done(message)


# --- undo --------------------------------------------------------------------------------------------------


async def say_that_it_stays(run: Run) -> Outcome:
    """Undo: tell that it stays lent."""
    loan = run.memo["loan"]
    host, lost_host, left = loan["host"], loan["lost_host"], run.memo.get("occupied")
    why = f"it holds {left} servers" if left else f"task {run.id} could not return it"
    message = f"{host} stays lent for {lost_host}: {why}"
    loans.change_loan(run, loan["task_id"], message=message)
    tell(run, loans.KEPT, host, message)
    return Done(message)


RETURN_SPARE = Flow(
    kind=KIND,
    summary="Put a spare that stands in for a host back into reserve",
    queue=QUEUE,
    steps=(
        take_up_the_loan,
        when(_is_left_alone, see_that_it_is_empty),
        when(_drains, plan_to_empty(must_succeed=True)),
        when(_is_known, cordon),
        when(_drains, move_servers),
        when(_is_known, let_servers_arrive),
        when(_is_known, confirm_empty),
        when(_goes_back, begin_to_put_it_away),
        when(_is_known, leave_aggregates),
        when(_goes_back, switch_off_as_found),
        when(_is_known, cordon_as_found),
        close_the_loan,
    ),
    undo=(
        call_back,
        when(_is_still_lent, uncordon_unless_power_was_touched),
        when(_is_still_lent, say_that_it_stays),
    ),
)
