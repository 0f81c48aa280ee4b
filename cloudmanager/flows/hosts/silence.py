"""After the fence: a host that still writes to its availability storages is not off, whatever was said."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cloudmanager.availability.assigned import storages_of
from cloudmanager.availability.evidence import Freshness, Sign
from cloudmanager.flows.base import Done, Fail, Outcome, Wait
from cloudmanager.flows.hosts.events import ALIVE, tell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudmanager.availability.evidence import Evidence
    from cloudmanager.availability.heartbeats import Storage
    from cloudmanager.flows.run import Run

_LOOK_EVERY = 1.0


async def silence_of(run: Run, host: str, node_id: int | None) -> Outcome:
    """Go on at once when its heartbeats were stale before; else wait until they are, or show that it lives.

    A storage that cannot be read says nothing against the fence.
    """
    freshness = Freshness.from_config(run.ports.config)
    storages = await _storages(run, node_id)
    if not storages:
        return Done()
    fenced_at = run.memo.setdefault("fenced_at", run.now())
    evidence = await _read(run, host, storages, freshness)
    if alive := [each for each in evidence if _since(each, fenced_at, run.now(), freshness)]:
        names = ", ".join(each.storage for each in alive)
        why = f"{host} writes to storage {names} since it counts as off: no server was started elsewhere"
        tell(run, ALIVE, host, why)
        return Fail(f"{why}; see whether it is off, and what its power device says")
    if lately := [each for each in evidence if each.sign in (Sign.FRESH, Sign.DOUBTFUL)]:
        why = f"storage {lately[0].storage}: {lately[0].why}"
        return Wait(_LOOK_EVERY, f"waiting for {host} to be silent for {freshness.stale_after:g} s; {why}")
    return Done(f"{host} is silent" if any(each.sign is Sign.STALE for each in evidence) else "")


async def fall_silent(run: Run) -> Outcome:
    """The same for the host of a flow, as a step."""
    return await silence_of(run, run.params["host"], run.memo["node_id"])


def _since(evidence: Evidence, fenced_at: float, now: float, freshness: Freshness) -> bool:
    """Whether it was written after the fence. What is still not stale so long after it was, by some clock."""
    if evidence.written_at is None:
        return False
    if evidence.written_at > fenced_at + freshness.max_clock_skew:
        return True
    over = now > fenced_at + freshness.stale_after + freshness.max_clock_skew
    return over and evidence.sign is not Sign.STALE


async def _storages(run: Run, node_id: int | None) -> Sequence[Storage]:
    if node_id is None:
        return ()
    found = await run.read(lambda session: storages_of(session, node_id))
    return found.get(node_id, ())


async def _read(run: Run, host: str, storages: Sequence[Storage], freshness: Freshness) -> list[Evidence]:
    looks = [run.ports.storages.look(storage, [(host, None)], freshness) for storage in storages]
    return [evidence for (evidence,) in await asyncio.gather(*looks)]
