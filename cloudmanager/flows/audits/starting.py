"""Starting moves of a plan: one `move-server` below for each that is still possible."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudmanager.flows.audits.check import why_not_now, with_copies
from cloudmanager.flows.audits.look import Terms, look
from cloudmanager.flows.audits.outcomes import SKIPPED
from cloudmanager.flows.audits.strangers import foreign_note, strangers
from cloudmanager.flows.base import Child
from cloudmanager.flows.servers.ways import Way
from cloudmanager.load_sources.allocation import AllocationSource

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from cloudmanager.flows.audits.look import Seen
    from cloudmanager.flows.audits.outcomes import Moves
    from cloudmanager.flows.run import Run


async def start_next(run: Run, moves: Moves, chosen: Sequence[int], members: Collection[str]) -> None:
    """Look at the hosts of these moves once more, and start those that can still be made; skip the others."""
    wanted = [moves.planned[index] for index in chosen]
    hosts = {move[end] for move in wanted for end in ("source", "destination")}
    held = await _holders(run, hosts)
    terms = Terms.of(run.ports.config.drs, run.params)
    seen = await look(run.ports.cloud, hosts & set(members), AllocationSource(), terms, run.now())
    await _tell_of_strangers(run, seen)
    begun = [moves.planned[index] for index in moves.running]
    for index in chosen:
        move = moves.planned[index]
        snapshot = with_copies(seen.snapshot, begun)
        if why := why_not_now(snapshot, move, held):
            moves.end(run, index, SKIPPED, why)
            continue
        running = snapshot.servers[snapshot.server_index[move["server_id"]]].running
        if holder := await _begin(run, index, move, running=running):
            moves.end(run, index, SKIPPED, f"task {holder} works at it")
        else:
            begun.append(move)


async def _begin(run: Run, index: int, move: dict[str, Any], *, running: bool) -> str | None:
    """Start a move, to its destination and no other; answers the task that holds the server, if one does."""
    params = {
        "server_id": move["server_id"],
        "host": move["source"],
        "ways": [Way.LIVE if running else Way.COLD],
        "destinations": [move["destination"]],
        "destination": move["destination"],
        "move": index,
    }
    child = Child(f"server:{move['server_id']}", params, turn=move["wave"])
    refused = await run.start_children("move-server", [child])
    return refused.get(child.subject)


async def _holders(run: Run, hosts: Collection[str]) -> dict[str, str]:
    """{host: task that holds it}: such a host is being emptied, restarted or rescued."""
    held = await run.holders([f"host:{host}" for host in sorted(hosts)])
    return {str(subject).removeprefix("host:"): task for subject, task in held.items()}


async def _tell_of_strangers(run: Run, seen: Seen) -> None:
    """Say once of each server that somebody else moves it."""
    told: list[str] = run.memo.setdefault("strangers", [])
    new = [server_id for server_id in await strangers(run, seen.moving) if server_id not in told]
    if new:
        told += new
        run.event(None, "noticed", foreign_note(new))
