"""`lend-spare`: switch a reserved node on and let it stand in for a host that is lost.

Parameters: `host` and `node_id` of the spare, `lost_host`. What was found is kept in a row of `spare_loans`,
which outlives the flow: it says what `return-spare` is to restore.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudmanager.drivers.base import PowerState
from cloudmanager.errors import CloudRefused, NotFound
from cloudmanager.flows.base import Done, Fail, Flow, Outcome, Wait
from cloudmanager.flows.hosts import loans
from cloudmanager.flows.hosts.cordon import reason
from cloudmanager.flows.hosts.drain import call_back, coming
from cloudmanager.flows.hosts.events import tell
from cloudmanager.flows.hosts.fence import switched, when
from cloudmanager.flows.hosts.spare_choice import to_join
from cloudmanager.flows.hosts.standing_in import cordon_as_found, leave_aggregates, switch_off_as_found
from cloudmanager.flows.power import WORDS, power_of
from cloudmanager.flows.servers.move import QUEUE
from cloudmanager.models import LoanState

if TYPE_CHECKING:
    from cloudmanager.flows.run import Run
    from cloudmanager.openstack.records import Service

KIND = "lend-spare"
_LOOK_EVERY = 1.0


# --- steps -------------------------------------------------------------------------------------------------


async def note_how_it_is(run: Run) -> Outcome:
    """Remember its power, its cordon and its last report, and begin the loan."""
    host, lost_host = run.params["host"], run.params["lost_host"]
    power = await power_of(run)
    service = await _service(run, host)
    found = {
        "power": power,
        "enabled": service.enabled if service else None,
        "reason": service.disabled_reason if service else None,
    }
    run.memo["node_id"] = run.params["node_id"]
    run.memo["last_report"] = _reported(service)
    run.memo["runs"] = power == PowerState.ON and service is not None and service.up
    run.memo["loan"] = {"host": host, "found": found, "aggregates": []}
    loans.open_loan(
        run, {"host": host, "node_id": run.params["node_id"], "lost_host": lost_host, "found": found}
    )
    known = "Nova has not heard of it" if service is None else f"it is {'up' if service.up else 'down'}"
    return Done(f"{host} is {WORDS[power]}, {known}; it is to stand in for {lost_host}")


async def see_that_it_is_free(run: Run) -> Outcome:
    """The loan must be ours: a spare has one at a time."""
    loan = await run.read(lambda session: loans.loan_of(session, run.params["host"]))
    if loan is None or loan.task_id != run.id:
        run.memo.pop("loan")
        return Fail(f"{run.params['host']} is lent already" if loan else "the loan has been closed")
    return Done()


async def keep_it_cordoned(run: Run) -> Outcome:
    """No server shall come to it before it is where it belongs."""
    if not run.memo["loan"]["found"]["enabled"]:
        return Done()
    await run.ports.cloud.cordon(run.params["host"], reason(run))
    return Done("cordoned until it has joined its aggregates")


async def switch_on_spare(run: Run) -> Outcome:
    """Give it power, confirmed; one that runs is not touched."""
    if run.memo["runs"]:
        return Done()
    return await switched(run, "power-on")


async def wait_until_it_serves(run: Run) -> Outcome:
    """Wait until its nova-compute reports that was started since, and counts as up."""
    host = run.params["host"]
    if run.memo["runs"]:
        return Done()
    service = await _service(run, host)
    if service is not None and service.up and _reported(service) > run.memo["last_report"]:
        return Done(f"{host} is up: its nova-compute reported at {_reported(service)}")
    waited = run.now() - run.memo.setdefault("on_since", run.now())
    if waited > run.ports.config.hosts.boot_timeout:
        return Fail(f"{host} has power, and its nova-compute has not reported for {waited:.0f} s")
    return Wait(_LOOK_EVERY, "waiting for its nova-compute")


async def plan_aggregates(run: Run) -> Outcome:
    """Find the aggregates of the lost host that it is to join, and write them down before it does."""
    host, lost_host = run.params["host"], run.params["lost_host"]
    aggregates = await run.ports.cloud.aggregates()
    wanted = [aggregate for aggregate in aggregates if lost_host in aggregate.hosts]
    own = [aggregate for aggregate in aggregates if host in aggregate.hosts]
    joins, barred = to_join(host, wanted, own)
    for name, why in barred.items():
        run.event(f"aggregate:{name}", "failed", f"{host} cannot join it: {why}")
    run.memo["loan"]["aggregates"] = [aggregate.id for aggregate in joins]
    loans.change_loan(run, run.id, aggregates=run.memo["loan"]["aggregates"])
    names = ", ".join(aggregate.name for aggregate in joins)
    return Done(f"{host} is to join {names}" if names else f"{host} has no aggregate to join")


async def join_aggregates(run: Run) -> Outcome:
    """Join them; what Nova refuses is told, and the others are joined all the same."""
    host, planned = run.params["host"], run.memo["loan"]["aggregates"]
    joined = []
    for aggregate_id in planned:
        try:
            await run.ports.cloud.join_aggregate(aggregate_id, host)
        except (CloudRefused, NotFound) as refused:
            run.event(f"aggregate:{aggregate_id}", "failed", f"Nova refuses {host}: {refused.message}")
        else:
            joined.append(aggregate_id)
    run.memo["joined"] = joined
    return Done(f"{host} has joined {len(joined)} of {len(planned)} aggregates" if planned else "")


async def see_that_it_is_needed(run: Run) -> Outcome:
    """A host that has come back meanwhile needs nobody to stand in for it."""
    lost = await _service(run, run.params["lost_host"])
    if lost is not None and lost.up and lost.enabled:
        return Fail(f"{lost.host} is back and takes servers: nobody needs to stand in for it")
    return Done()


async def let_it_take_servers(run: Run) -> Outcome:
    """Uncordon it."""
    await run.ports.cloud.uncordon(run.params["host"])
    return Done("uncordoned: it takes servers")


async def say_that_it_is_lent(run: Run) -> Outcome:
    """Write it down, and tell."""
    host, lost_host, joined = run.params["host"], run.params["lost_host"], run.memo["joined"]
    message = f"{host} stands in for {lost_host}, in {len(joined)} of its aggregates"
    run.result = {"host": host, "lost_host": lost_host, "aggregates": joined}
    loans.change_loan(run, run.id, state=LoanState.LENT, message=message)
    tell(run, loans.LENT, host, message)
    return Done(message)


# --- undo --------------------------------------------------------------------------------------------------


def _has_begun(run: Run) -> bool:
    return "loan" in run.memo


def _can_be_put_away(run: Run) -> bool:
    return _has_begun(run) and not run.memo.get("occupied")


def _was_switched(run: Run) -> bool:
    return _can_be_put_away(run) and bool(run.memo.get("power_touched"))


async def stop_taking_servers(run: Run) -> Outcome:
    """Undo: cordon it, whoever uncordoned it. Servers that have come to it are left where they are."""
    host = run.params["host"]
    service = await _service(run, host)
    if service is None:
        return Done()
    if service.enabled:
        await run.ports.cloud.cordon(host, reason(run))
    if arriving := await coming(run):
        return Wait(_LOOK_EVERY, f"{arriving} servers are on their way to {host}")
    if left := await run.ports.cloud.servers_on(host):
        run.memo["occupied"] = len(left)
        return Done(f"{len(left)} servers have come to {host}: it stays on")
    return Done()


async def close_the_loan(run: Run) -> Outcome:
    """Undo: say what became of it. One with servers stays lent, so that it can be returned."""
    host, lost_host = run.params["host"], run.params["lost_host"]
    message = f"{host} does not stand in for {lost_host}: see task {run.id}"
    if run.memo.get("occupied"):
        message = f"{host} is cordoned and has servers: return it with drain"
        loans.change_loan(run, run.id, state=LoanState.LENT, message=message)
    elif _has_begun(run):
        loans.end_loan(run, run.id, LoanState.FAILED, message)
    tell(run, loans.FAILED, host, message)
    return Done(message)


async def _service(run: Run, host: str) -> Service | None:
    try:
        return await run.ports.cloud.service(host)
    except NotFound:
        return None


def _reported(service: Any) -> str:
    return service.reported_at.isoformat() if service and service.reported_at else ""


LEND_SPARE = Flow(
    kind=KIND,
    summary="Switch a spare node on and let it stand in for a lost host",
    queue=QUEUE,
    steps=(
        note_how_it_is,
        see_that_it_is_free,
        keep_it_cordoned,
        switch_on_spare,
        wait_until_it_serves,
        plan_aggregates,
        join_aggregates,
        see_that_it_is_needed,
        let_it_take_servers,
        say_that_it_is_lent,
    ),
    no_return=let_it_take_servers,
    undo=(
        call_back,
        when(_has_begun, stop_taking_servers),
        when(_can_be_put_away, leave_aggregates),
        when(_was_switched, switch_off_as_found),
        when(_can_be_put_away, cordon_as_found),
        close_the_loan,
    ),
)
