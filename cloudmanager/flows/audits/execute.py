"""`execute-audit`: look at an aggregate, plan for it, and with `auto_apply` carry the plan out.

Parameters: `aggregate_id`, `aggregate_name`, `mode`; optional `auto_apply`, `allow_off_vm`, `scheduled_for`
and what `cloudmanager.audits.options` takes. Result: `{"audit": {"id", "status"}, "moves", "why_empty"}`.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cloudmanager.audits.options import options_for
from cloudmanager.audits.packing import pack
from cloudmanager.audits.planning import plan_apart
from cloudmanager.audits.rows import id_of_task, keep
from cloudmanager.errors import CloudManagerError
from cloudmanager.flows.audits.apply import APPLYING, UNDO
from cloudmanager.flows.audits.look import Terms, aggregate_of, look
from cloudmanager.flows.audits.story import PLANNING, ended, opened
from cloudmanager.flows.audits.strangers import foreign_note, strangers
from cloudmanager.flows.base import Done, Fail, Flow, Outcome, Wait
from cloudmanager.flows.hosts.fence import when
from cloudmanager.flows.servers.move import QUEUE
from cloudmanager.load_sources.choice import source_for
from cloudmanager.models import AuditStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudmanager.drs.cluster import Snapshot
    from cloudmanager.drs.options import Options
    from cloudmanager.drs.plan import Plan
    from cloudmanager.flows.run import Run
    from cloudmanager.openstack.port import CloudPort
    from cloudmanager.openstack.records import Migration

KIND = "execute-audit"
_LOOK_EVERY = 0.5
_TRIES = 3
_INTERNAL = "internal error; the log has it under this task id"


# --- working out -----------------------------------------------------------------------------------------


async def work_out(
    cloud: CloudPort, config: Any, params: Mapping[str, Any], now: float
) -> tuple[Snapshot, Options, Plan, tuple[Migration, ...]]:
    """Look at the aggregate and plan; the running moves to or from its hosts. `NotFound`: no aggregate."""
    aggregate = await aggregate_of(cloud, params["aggregate_id"])
    options = options_for(config.drs, params)
    seen = await look(cloud, aggregate.hosts, source_for(config, cloud), Terms.of(config.drs, params), now)
    made = await plan_apart(seen.snapshot, options)
    return seen.snapshot, options, replace(made, notes=(*seen.notes, *made.notes)), seen.moving


# --- steps -----------------------------------------------------------------------------------------------


async def begin_audit(run: Run) -> Outcome:
    """Say in the row that it is worked on."""
    audit_id = run.memo["audit_id"] = await run.read(lambda session: id_of_task(session, run.id))
    run.write(keep, (audit_id, {"status": AuditStatus.RUNNING}))
    return Done(f"audit {audit_id} is begun")


async def measure_and_plan(run: Run) -> Outcome:
    """Have it worked out aside, as it takes longer than a step may, and keep what was found."""
    params = run.params
    began = run.memo.setdefault("began_at", run.now())
    try:
        found = run.ports.desk.ask(
            run.id, lambda: work_out(run.ports.cloud, run.ports.config, params, run.now())
        )
    except Exception as error:
        # Each wait for the desk is progress to the engine, which therefore would try for ever.
        tries = run.memo["failures"] = run.memo.get("failures", 0) + 1
        if tries < _TRIES:
            raise
        why = error.message if isinstance(error, CloudManagerError) else _INTERNAL
        return Fail(f"gave up after {tries} attempts: {why}")
    if found is None:
        return Wait(_LOOK_EVERY, "looking at the aggregate and planning")
    snapshot, options, made, moving = found
    if foreign := await strangers(run, moving):
        made = replace(made, notes=(*made.notes, foreign_note(foreign)))
    values = {
        "status": AuditStatus.DONE,
        "plan": made.told(),
        "moves": len(made.moves),
        "gigabytes": made.gigabytes,
        "snapshot": await asyncio.to_thread(pack, snapshot, options),
        "planned_at": snapshot.taken_at,
    }
    run.write(keep, (run.memo["audit_id"], values))
    PLANNING.labels(mode=params["mode"]).observe(max(0.0, run.now() - began))
    run.result = {
        "audit": {"id": run.memo["audit_id"], "status": AuditStatus.DONE},
        "moves": len(made.moves),
        "why_empty": made.why_empty,
    }
    return Done(_in_words(made))


async def leave_the_desk(run: Run) -> Outcome:
    """Undo: let nobody go on planning for it."""
    await run.ports.desk.drop(run.id)
    return Done()


def _in_words(made: Plan) -> str:
    switches = [
        *(f"{host} can be switched off" for host in made.switch_off),
        *(f"{host} should be switched on" for host in made.switch_on),
    ]
    said = "; ".join(switches)
    if not made.moves:
        return f"nothing moves: {made.why_empty}{f'; {said}' if said else ''}"
    moves = f"{len(made.moves)} moves in {made.waves} waves, {made.gigabytes:.1f} GB"
    return f"{moves}{f'; {said}' if said else ''}"


def shall_apply(run: Run) -> bool:
    """Whether the plan is carried out at once."""
    return bool(run.params.get("auto_apply"))


EXECUTE_AUDIT = Flow(
    kind=KIND,
    summary="Plan moves that balance an aggregate, and make them where that is wished",
    queue=QUEUE,
    steps=(begin_audit, measure_and_plan, *(when(shall_apply, step) for step in APPLYING)),
    undo=(leave_the_desk, *UNDO),
    begin=opened,
    finish=ended,
)
