"""What follows from a round of verification: locks, a server stopped, a node cordoned.

An act stays remembered until it is seen to be done; before it is done it is looked at again, because
somebody may have recalculated the signature meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudmanager.errors import CloudRefused, NotFound
from cloudmanager.flows.sign import rows
from cloudmanager.flows.sign.activate import to_be_locked
from cloudmanager.flows.sign.locks import reason_for
from cloudmanager.models import Validity

if TYPE_CHECKING:
    from cloudmanager.flows.run import Run

_LOOKS = 30
"""Looks at one act; one that is not done by then is told, and left to the next round."""


async def act_on_next(run: Run) -> float:
    """Do the first of what is remembered, or see that it is done; answers after how long to go on."""
    act = run.memo["acts"][0]
    act["looks"] = act.get("looks", 0) + 1
    try:
        finished = await _ACTS[act["do"]](run, act)
    except NotFound:
        finished = True
    except CloudRefused as refused:
        finished = True
        _tell_failure(run, act, refused.message)
    if not finished and act["looks"] > _LOOKS:
        finished = True
        _tell_failure(run, act, "it was asked for, and does not happen")
    if finished:
        run.memo["acts"].pop(0)
        return 0.0
    pause: float = run.ports.config.hosts.poll_interval
    return pause


def _tell_failure(run: Run, act: dict[str, Any], why: str) -> None:
    message = f"cannot {act['do']}: {why}"
    rows.tell(run, "signature.not_contained", f"server:{act['server_id']}", message)


async def _lock(run: Run, act: dict[str, Any]) -> bool:
    server = await run.ports.cloud.server(act["server_id"])
    node_id = run.params["node_id"]
    if server.host != run.params["host"]:
        return True
    if to_be_locked(server, node_id):
        await run.ports.cloud.lock(server.id, reason_for(node_id))
        return False  # the record follows when the lock is seen
    row = await rows.of_server(run, server.id)
    if row is not None and row.locked_for != node_id and await rows.is_ours(run, row):
        rows.change(run, row, locked_for=node_id)
    return row is not None


async def _stop(run: Run, act: dict[str, Any]) -> bool:
    """Stop a violated server. One that does not run stays as it is; so does one that was recalculated."""
    server = await run.ports.cloud.server(act["server_id"])
    row = await rows.of_server(run, server.id)
    if row is None or row.is_valid != Validity.FALSE or row.node_id != run.params["node_id"]:
        return True
    if server.task_state is None and server.vm_state != "active":
        if act.get("asked"):
            rows.tell(run, "signature.stopped", f"server:{server.id}", f"stopped: {row.reason}")
        return True
    if server.task_state is None:
        act["asked"] = True
        await run.ports.cloud.stop(server.id)
    return False


async def _cordon(run: Run, act: dict[str, Any]) -> bool:
    """Let no server come to a node whose firmware is not what it was."""
    host = run.params["host"]
    service = await run.ports.cloud.service(host)
    row = await rows.of_server(run, act["server_id"])
    if not service.enabled or row is None or row.is_valid != Validity.FALSE:
        return True
    await run.ports.cloud.cordon(host, f"cloudmanager: {row.reason}")
    rows.tell(run, "signature.firmware_changed", f"host:{host}", f"cordoned: {row.reason}")
    return True


_ACTS = {"lock": _lock, "stop": _stop, "cordon": _cordon}
"""What there is to do: each answers whether it is done."""
