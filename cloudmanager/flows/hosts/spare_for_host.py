"""Having a spare stand in for a host that is evacuated, and having it returned when the host is back.

The spare is asked for as soon as the host is fenced, and starts while Nova is told. Nothing waits for it but
servers for which there is no room elsewhere, and those for `[host_tasks] spare_wait` seconds at most.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.flows.base import Child, Done, Outcome, Wait
from cloudmanager.flows.hosts import lend_spare, loans, return_spare
from cloudmanager.flows.hosts.drain import targets
from cloudmanager.flows.hosts.events import tell
from cloudmanager.flows.hosts.room import UNKNOWN_RATIOS, all_go_in, room_of
from cloudmanager.flows.hosts.spares import find_spare, ratios, to_evacuate

if TYPE_CHECKING:
    from cloudmanager.flows.run import Run

_LOOK_EVERY = 2.0


async def ask_for_spare(run: Run) -> Outcome:
    """Have the best spare lent, where that is wished; that none fits is told and changes nothing."""
    host = run.params["host"]
    if not run.params.get("use_spare") or await run.children(lend_spare.KIND):
        return Done()
    if loan := await run.read(lambda session: loans.loan_for(session, host)):
        return Done(f"{loan.host} is lent for {host} already")
    asked = await _ask(run)
    return Done(f"{asked} is asked to stand in" if asked else run.memo["no_spare"])


async def wait_for_spare(run: Run) -> Outcome:
    """Wait for it only as long as servers have no room elsewhere; when it fails, ask for the next."""
    children = await run.children(lend_spare.KIND)
    if not children:
        return Done()
    spare = children[-1].params["host"]
    if children[-1].succeeded:
        return Done(f"{spare} is ready")
    if await _is_room_elsewhere(run):
        return Done("nothing waits for the spare: there is room elsewhere")
    most = run.ports.config.host_tasks.spare_wait
    if run.now() - run.memo.setdefault("spare_asked_at", run.now()) >= most:
        return Done(f"going on without {spare}, which is not ready after {most:g} s")
    if not children[-1].ended:
        return Wait(_LOOK_EVERY, f"waiting for {spare}: there is not enough room elsewhere")
    return await _ask_another(run, f"{spare} cannot stand in ({children[-1].error or 'cancelled'})")


async def _ask_another(run: Run, why: str) -> Outcome:
    if asked := await _ask(run):
        return Wait(_LOOK_EVERY, f"{why}; {asked} is asked to")
    return Done(f"{why}, and no other spare fits")


async def have_spare_returned(run: Run) -> Outcome:
    """The host takes servers again: begin to return the spare that stands in for it."""
    host = run.params["host"]
    loan = None if run.memo.get("gone") else await run.read(lambda session: loans.loan_for(session, host))
    if loan is None:
        return Done()
    if await run.children(return_spare.KIND):
        return Done(f"{loan.host} is being returned")
    service = await run.ports.cloud.service(host)
    if not service.enabled or service.forced_down:
        return _stays(run, loan, f"{host} is back, but takes no servers yet")
    held = await run.start_children(return_spare.KIND, [Child(f"host:{loan.host}", {"host": loan.host})])
    if held:
        return _stays(run, loan, f"task {next(iter(held.values()))} holds it")
    return Done(f"{loan.host} is being returned")


def _stays(run: Run, loan: loans.Loan, why: str) -> Outcome:
    message = f"{loan.host} stays lent for {loan.lost_host}: {why}"
    tell(run, loans.KEPT, loan.host, message)
    return Done(message)


async def _ask(run: Run) -> str | None:
    """Begin to have the best spare lent that was not tried before; answers its host, None: none fits."""
    host = run.params["host"]
    tried = {child.params["host"] for child in await run.children(lend_spare.KIND)}
    choice = await find_spare(run.ports.cloud, run.read, host)
    run.memo.setdefault("spare_asked_at", run.now())
    for spare in choice.fitting:
        params = {"host": spare.host, "node_id": spare.node_id, "lost_host": host}
        subject = f"host:{spare.host}"
        if spare.host not in tried and not await run.start_children(
            lend_spare.KIND, [Child(subject, params)]
        ):
            return f"{spare.host} (node {spare.node_id})"
    run.memo["no_spare"] = message = f"no spare fits {host}: {choice.why_none()}"
    tell(run, loans.NONE_FITS, host, message)
    return None


async def _is_room_elsewhere(run: Run) -> bool:
    """Whether all servers of the host go into the others, as far as is known."""
    flavors = to_evacuate(await run.ports.cloud.servers_on(run.params["host"]))
    hosts = [candidate.hypervisor for candidate in await targets(run)]
    known = await run.read(lambda session: ratios(session, [hypervisor.id for hypervisor in hosts]))
    rooms = [room_of(hypervisor, known.get(hypervisor.id, UNKNOWN_RATIOS)) for hypervisor in hosts]
    return all_go_in(flavors, rooms)
