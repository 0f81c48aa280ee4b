"""Steps that bring a server back to ACTIVE: the remedy stands in the memo, put there by a step that looked.

A hard reboot must be asked for only once. Its witness is the server's time of change, noted before: Nova
changes it before it accepts a reboot. All other remedies ask for a state, and asking twice is harmless.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.flows.base import Done, Fail, Outcome, Wait
from cloudmanager.flows.servers.remedies import IN_WORDS, Diagnosis, Remedy

if TYPE_CHECKING:
    from cloudmanager.flows.run import Run
    from cloudmanager.openstack.records import Accepted, Server


def prescribe(run: Run, server: Server, diagnosis: Diagnosis) -> Outcome:
    """Note what is to be done, for the steps that follow."""
    name = f"{server.name} ({server.status})"
    if diagnosis.hopeless:
        return Fail(f"{name}: {diagnosis.told}")
    run.memo |= {"remedy": diagnosis.remedy, "reset": diagnosis.reset}
    run.result = {"id": server.id, "name": server.name, "found": server.status, "did": []}
    run.result["told"] = diagnosis.told
    return Done(f"{name}: {diagnosis.told}")


async def reset_its_state(run: Run) -> Outcome:
    """Have Nova's record say active, and forget what task it had; the guest is not touched."""
    if not run.memo.get("reset"):
        return Done()
    await run.ports.cloud.reset_state(run.params["server_id"], "active")
    _did(run, "reset its state to active")
    return Done("Nova's record says ACTIVE, without a task")


async def note_before_reboot(run: Run) -> Outcome:
    """Note when the server was changed last, to know a reboot that has begun."""
    if run.memo.get("remedy") != Remedy.REBOOT:
        return Done()
    run.memo["changed"] = _changed(await run.ports.cloud.server(run.params["server_id"]))
    return Done()


async def begin_remedy(run: Run) -> Outcome:
    """Ask Nova for the remedy."""
    if not run.memo.get("remedy"):
        return Done()
    remedy = Remedy(run.memo["remedy"])
    if run.attempt > 1 and remedy is Remedy.REBOOT and await _has_begun(run):
        _did(run, IN_WORDS[remedy])
        return Done("Nova has begun to reboot it")
    accepted = await _ask(run, remedy)
    _did(run, IN_WORDS[remedy])
    return Done(f"asked Nova to {IN_WORDS[remedy]} ({accepted.request_id or 'no request id'})")


async def confirm_it_runs(run: Run) -> Outcome:
    """Watch until Nova says ACTIVE and has no task for the server."""
    if not (run.memo.get("remedy") or run.memo.get("reset")):
        return Done()
    hosts = run.ports.config.hosts
    server = await run.ports.cloud.server(run.params["server_id"])
    if server.task_state is None and server.vm_state == "active":
        run.result |= {"status": server.status, "host": server.host}
        return Done(f"{server.name} is ACTIVE on {server.host}")
    if server.task_state is None and server.vm_state == "error":
        return Fail(f"{server.name} is in ERROR: {server.fault or 'Nova does not say why'}")
    waited = run.now() - run.memo.setdefault("treated_at", run.now())
    state = f"{server.status}, {server.task_state}" if server.task_state else server.status
    if waited > hosts.server_timeout:
        return Fail(f"{server.name} is still {state} after {waited:.0f} s")
    return Wait(hosts.poll_interval, f"{server.name} is {state}")


async def _ask(run: Run, remedy: Remedy) -> Accepted:
    cloud, server_id = run.ports.cloud, run.params["server_id"]
    match remedy:
        case Remedy.START:
            return await cloud.start(server_id)
        case Remedy.REBOOT:
            return await cloud.reboot(server_id, hard=True)
        case Remedy.RESUME:
            return await cloud.resume(server_id)
        case Remedy.UNPAUSE:
            return await cloud.unpause(server_id)
        case Remedy.UNSHELVE:
            return await cloud.unshelve(server_id)


async def _has_begun(run: Run) -> bool:
    server = await run.ports.cloud.server(run.params["server_id"])
    return server.task_state is not None or _changed(server) != run.memo["changed"]


def _changed(server: Server) -> str:
    return server.updated_at.isoformat() if server.updated_at else ""


def _did(run: Run, what: str) -> None:
    if what not in run.result["did"]:
        run.result["did"].append(what)


TREATMENT = (reset_its_state, note_before_reboot, begin_remedy, confirm_it_runs)
"""The steps, in order."""
