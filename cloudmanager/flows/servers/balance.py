"""`balance-server`: migrate a running server to the first host that meets the conditions.

Parameters: `server_id`; optional `move_locked`, `block_migration`, `policy`. The host with most memory free
is tried first; where Nova's own filters refuse it, the next is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cloudmanager.flows.base import Done, Fail, Flow, Outcome
from cloudmanager.flows.hosts.survey import in_words, where_members_are
from cloudmanager.flows.servers.destinations import (
    candidates,
    suited,
    why_not_candidates,
    why_unsuited,
)
from cloudmanager.flows.servers.move import (
    QUEUE,
    begin_to_move,
    look_at_server,
    tell_what_came_of_it,
    watch_the_move,
)
from cloudmanager.flows.servers.plan import ServerPlan
from cloudmanager.flows.servers.ways import Allowed, Way, judge

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudmanager.flows.run import Run
    from cloudmanager.openstack.port import CloudPort
    from cloudmanager.openstack.records import Server


@dataclass(frozen=True)
class Choice:
    """Where a server may go, the best first; or why it may not go anywhere."""

    server: Server
    destinations: tuple[str, ...] = ()
    reason: str | None = None

    def plan(self) -> ServerPlan:
        """What would be done."""
        first, *others = self.destinations or ("",)
        then = f"; where that is refused, to {', then '.join(others)}" if others else ""
        acts = (f"migrate it from {self.server.host} to {first}{then}",) if first else ()
        return ServerPlan.of("balance", self.server, acts, self.reason)


async def choose_destinations(run: Run) -> Outcome:
    """Find the hosts that could take it; not while a task holds its host, which may be emptied anyway."""
    choice = await choose(run.ports.cloud, run.params)
    host = choice.server.host
    run.result = choice.plan().told()
    if choice.reason is not None:
        return Fail(choice.reason)
    subject = f"host:{host}"
    if holder := (await run.holders([subject])).get(subject):
        return Fail(f"{host} is held by task {holder}, which may move the server by itself")
    run.memo["order"] = {
        "host": host,
        "ways": [Way.LIVE],
        "destinations": list(choice.destinations),
    }
    return Done(f"{len(choice.destinations)} hosts could take it: {', '.join(choice.destinations)}")


async def choose(cloud: CloudPort, params: Mapping[str, Any]) -> Choice:
    """Judge the server and all hosts; nothing is touched."""
    server = await cloud.server(params["server_id"])
    if server.host is None:
        return Choice(server, reason="it is on no host")
    services = await cloud.services()
    hypervisors = await cloud.hypervisors()
    up = any(service.host == server.host and service.up for service in services)
    if not up:
        return Choice(server, reason=f"its host {server.host} is down: repair the server")
    leaving = {server.host}
    hosts = candidates(services, hypervisors, leaving=leaving)
    source = next((hypervisor for hypervisor in hypervisors if hypervisor.host == server.host), None)
    groups = await cloud.server_groups()
    host_of = await where_members_are(cloud, [server], [group.members for group in groups])
    unsuited = {
        **why_not_candidates(services, leaving=leaving),
        **why_unsuited(server, hosts, source, groups, host_of),
    }
    found = suited(server, hosts, source, groups, host_of)
    if not found:
        told = "; ".join(f"{host}: {why}" for host, why in sorted(unsuited.items()))
        return Choice(server, reason=f"no host can take it: {told or 'there is no other one'}")
    verdict = judge(server, _allowed(params), host_up=True)
    if not verdict.movable:
        return Choice(server, reason=in_words(verdict))
    return Choice(server, tuple(candidate.host for candidate in found))


def _allowed(params: Mapping[str, Any]) -> Allowed:
    return Allowed(locked=params.get("move_locked", False), disks=params.get("block_migration") is not False)


async def plan_to_balance(cloud: CloudPort, params: Mapping[str, Any]) -> ServerPlan:
    """What the flow would do."""
    return (await choose(cloud, params)).plan()


BALANCE_SERVER = Flow(
    kind="balance-server",
    summary="Migrate a running server to the first host that meets the conditions",
    queue=QUEUE,
    steps=(choose_destinations, look_at_server, begin_to_move, watch_the_move, tell_what_came_of_it),
    no_return=begin_to_move,
)
