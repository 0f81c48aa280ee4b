"""What a node is made of and which storages it uses, kept in the inventory: `collect-facts`.

Parameters: `node_id`. Result: what was collected, and what a node could not say.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update

from cloudmanager.db import insert_or_ignore
from cloudmanager.errors import CommandFailed, HostRefused
from cloudmanager.flows.base import Done, Fail, Flow, Outcome
from cloudmanager.flows.nodes.asking import QUEUE, run_on_node
from cloudmanager.host import hardware
from cloudmanager.host.iscsi import read_sessions
from cloudmanager.models import Node, NodeFacts, utc_now

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.orm import Session

    from cloudmanager.flows.run import Run
    from cloudmanager.flows.state import FlowState
    from cloudmanager.host.iscsi import Target

_READERS: dict[str, Callable[[str], Any]] = {
    "processors": hardware.read_processors,
    "disks": hardware.read_disks,
    "smbios": hardware.read_smbios,
    "numa": hardware.read_numa,
}


async def collect(run: Run) -> Outcome:
    """Ask for all at once; what one program cannot say does not keep the others from being noted."""
    *parts, sessions = await asyncio.gather(
        *(_part(run, command, read) for command, read in _READERS.items()), _sessions(run)
    )
    found = dict(zip(_READERS, parts, strict=True))
    wrong = {name: str(part) for name, part in found.items() if isinstance(part, Exception)}
    hwinfo = {name: part for name, part in found.items() if name not in wrong}
    for name, why in wrong.items():
        run.event(name, "unknown", why)
    if not hwinfo:
        return Fail(f"the node says nothing of its hardware: {next(iter(wrong.values()))}")
    now = utc_now()
    hwinfo["collected_at"] = now.isoformat(timespec="seconds")
    values = {"hwinfo": hwinfo, "collected_at": now, "tried_at": now, "error": None}
    if not isinstance(sessions, Exception):
        values["nas"] = await _by_storage(run, sessions)
    run.write(_store, (run.params["node_id"], values))
    run.result = {"collected": sorted(found.keys() - wrong), "unknown": wrong}
    return Done(f"collected {', '.join(run.result['collected'])}")


async def keep_sessions(run: Run) -> None:
    """Note which storages the node uses now."""
    nas = await _by_storage(run, read_sessions((await run_on_node(run, "iscsi-sessions")).out))
    run.write(_store, (run.params["node_id"], {"nas": nas}))


async def _part(run: Run, command: str, read: Callable[[str], Any]) -> Any:
    """What it says, or the error."""
    try:
        return read((await run_on_node(run, command)).out)
    except (CommandFailed, HostRefused) as problem:
        return problem


async def _sessions(run: Run) -> list[Target] | Exception:
    try:
        return read_sessions((await run_on_node(run, "iscsi-sessions")).out)
    except (CommandFailed, HostRefused) as problem:  # a node without open-iscsi
        return problem


async def _by_storage(run: Run, sessions: Sequence[Target]) -> dict[str, list[str]]:
    """{name of the storage host with that address, else the address: names of targets}."""
    names = await run.read(_names_by_address) if sessions else {}
    found: dict[str, set[str]] = {}
    for session in sessions:
        found.setdefault(names.get(session.address, session.address), set()).add(session.name)
    return {host: sorted(targets) for host, targets in sorted(found.items())}


def _names_by_address(session: Session) -> dict[str, str]:
    rows = session.execute(select(Node.name, Node.ip_addresses).where(Node.ip_addresses.is_not(None)))
    return {address: name for name, addresses in rows for address in addresses or () if name}


def _store(session: Session, items: Sequence[tuple[int, dict[str, Any]]]) -> None:
    """Put the new values into the rows, which are made where there are none."""
    for node_id, values in items:
        session.execute(insert_or_ignore(session, NodeFacts).values(node_id=node_id, tried_at=utc_now()))
        session.execute(update(NodeFacts).where(NodeFacts.node_id == node_id).values(values))


def _note_failures(session: Session, states: Sequence[FlowState]) -> None:
    """Remember that it was tried: a node that cannot be reached is not tried all the time."""
    now = utc_now()
    _store(
        session,
        [
            (state.params["node_id"], {"tried_at": now, "error": state.error})
            for state in states
            if state.error
        ],
    )


COLLECT_FACTS = Flow(
    kind="collect-facts",
    summary="Note hardware and storage sessions of a node in the inventory",
    queue=QUEUE,
    steps=(collect,),
    finish=_note_failures,
)
