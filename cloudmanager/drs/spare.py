"""Which hosts can be switched off, and which are needed: what a consolidation is for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.drs.cluster import HostState
from cloudmanager.drs.options import Mode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudmanager.drs.cluster import Snapshot
    from cloudmanager.drs.load import Load
    from cloudmanager.drs.options import Options


def hosts_to_switch(
    snapshot: Snapshot, options: Options, loads: Sequence[Load]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(hosts to switch off, hosts to switch on), by name, in the mode `consolidate`; else none.

    Off: empty ones beyond `spare`, while the load of the others stays under the low mark without them. On: as
    many as bring the load of all under the high mark. Between the marks nothing is switched: no swinging.
    """
    if options.mode is not Mode.CONSOLIDATE:
        return (), ()
    live = {host.name for host in snapshot.hosts if host.state is HostState.UP and not host.cordoned}
    asleep = [host.name for host in snapshot.hosts if host.state is HostState.OFF]
    needed: list[str] = []
    while asleep and _fullest(snapshot, loads, live | set(needed)) > options.high:
        needed.append(asleep.pop(0))
    if needed:
        return (), tuple(needed)
    taken = {server.host for server in snapshot.servers}
    empty = sorted(live - taken)
    off: list[str] = []
    for name in reversed(empty[options.spare :]):
        if _fullest(snapshot, loads, live - {*off, name}) > options.low:
            break
        off.append(name)
    return tuple(sorted(off)), ()


def _fullest(snapshot: Snapshot, loads: Sequence[Load], live: set[str]) -> float:
    """The utilisation of some hosts that carry all servers together, in the scarcest resource."""
    fullest = 0.0
    for load in loads:
        chosen = [index for index, host in enumerate(snapshot.hosts) if host.name in live]
        room = float(load.room[chosen].sum())
        used = float(load.use.sum() + load.rest[chosen].sum())
        fullest = max(fullest, used / room if room > 0 else float("inf"))
    return fullest
