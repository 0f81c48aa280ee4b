"""What applying a plan would do now: every move checked as if those before it had been made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudmanager.flows.audits.check import why_not_now, with_copies
from cloudmanager.flows.audits.look import Terms, aggregate_of, look
from cloudmanager.load_sources.allocation import AllocationSource

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloudmanager.openstack.port import CloudPort


async def rehearse(
    cloud: CloudPort,
    drs: Any,
    params: Mapping[str, Any],
    moves: Sequence[dict[str, Any]],
    *,
    held: Mapping[str, str],
    now: float,
) -> list[str | None]:
    """For each move why it would be skipped, or None. `held`: {host: task that holds it}."""
    aggregate = await aggregate_of(cloud, params["aggregate_id"])
    hosts = {move[end] for move in moves for end in ("source", "destination")} & aggregate.hosts
    seen = await look(cloud, hosts, AllocationSource(), Terms.of(drs, params), now)
    snapshot, said, wave = seen.snapshot, [], 0
    going: list[dict[str, Any]] = []
    for move in moves:
        if move["wave"] != wave:
            wave = move["wave"]
            snapshot = snapshot.moved({made["server_id"]: made["destination"] for made in going})
            going = []
        why = why_not_now(with_copies(snapshot, going), move, held)
        said.append(why)
        if why is None:
            going.append(move)
    return said
