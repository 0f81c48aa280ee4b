"""What a flow of a host sees before it touches anything: the host, its node, and a verdict on each server."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from sqlalchemy import exists, or_, select

from cloudmanager.errors import NotFound
from cloudmanager.flows.base import Done, Fail, Outcome, Step
from cloudmanager.flows.servers.destinations import candidates, suited, why_nowhere
from cloudmanager.flows.servers.ways import Allowed, Verdict, Way, judge, priority
from cloudmanager.models import Node, NodeControl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from cloudmanager.flows.run import Run
    from cloudmanager.openstack.port import CloudPort
    from cloudmanager.openstack.records import Hypervisor, Server

_LIST_AGE = 5.0
"""Seconds for which a list of the whole cloud is good enough to choose from."""


async def remember_host(run: Run) -> Outcome:
    """Look at the host's nova-compute and remember how it was found, to restore it."""
    service = await run.ports.cloud.service(run.params["host"])
    run.memo["found"] = {
        "enabled": service.enabled,
        "reason": service.disabled_reason,
        "up": service.up,
        "forced_down": service.forced_down,
    }
    run.memo["node_id"] = await find_node(run, run.params["host"])
    up = "up" if service.up else "down"
    enabled = (
        "takes servers" if service.enabled else f"is cordoned ({service.disabled_reason or 'no reason'})"
    )
    return Done(f"{service.host} is {up} and {enabled}")


async def require_power(run: Run) -> Outcome:
    """Refuse before anything is touched when nobody could switch the host's power."""
    host, node_id = run.params["host"], run.memo["node_id"]
    if node_id is None:
        return Fail(
            f"{host} has no node in the inventory: register it under this name, or sync the inventory"
        )
    if not await run.read(lambda session: _has_control(session, node_id)):
        return Fail(f"{host} is node {node_id}, which has no power control: assign one first")
    return Done()


def plan_to_empty(*, must_succeed: bool) -> Step:
    """A step that judges every server of the host; one that cannot move ends the flow if all must."""

    async def judge_servers(run: Run) -> Outcome:
        host, host_up = run.params["host"], run.memo["found"]["up"]
        allowed = allowed_by(run.kind, run.params, host_up=host_up)
        verdicts = await judge_all(run.ports.cloud, host, allowed, host_up=host_up)
        run.memo["plan"] = [verdict.told() for verdict in verdicts]
        run.result = {"host": host, "plan": run.memo["plan"], "servers": []}
        stuck = [verdict for verdict in verdicts if not verdict.movable]
        for verdict in verdicts:
            run.event(verdict.server_id, "planned", in_words(verdict))
        if stuck and must_succeed:
            return Fail(f"nothing was touched: {'; '.join(in_words(verdict) for verdict in stuck)}")
        return Done(f"{len(verdicts) - len(stuck)} of {len(verdicts)} servers can be moved")

    return judge_servers


async def plan_for(cloud: CloudPort, kind: str, host: str, params: dict[str, Any]) -> dict[str, Any]:
    """What a flow of this kind would find and do; nothing is touched. `NotFound` for an unknown host."""
    service = await cloud.service(host)
    allowed = allowed_by(kind, params, host_up=service.up)
    verdicts = await judge_all(cloud, host, allowed, host_up=service.up)
    return {
        "host": host,
        "up": service.up,
        "cordoned": not service.enabled,
        "servers": [verdict.told() for verdict in verdicts],
        "movable": all(verdict.movable for verdict in verdicts),
        "spare": None,
    }


async def judge_all(cloud: CloudPort, host: str, allowed: Allowed, *, host_up: bool) -> list[Verdict]:
    """A verdict on each server, in the order in which they are to move."""
    servers = await cloud.servers_on(host)
    if not servers:
        return []
    hypervisors = await cloud.hypervisors(max_age=_LIST_AGE)
    source = next((hypervisor for hypervisor in hypervisors if hypervisor.host == host), None)
    hosts = candidates(await cloud.services(max_age=_LIST_AGE), hypervisors, leaving={host})
    groups = await cloud.server_groups()
    host_of = await where_members_are(cloud, servers, [group.members for group in groups])
    return [
        judge(
            server,
            allowed,
            host_up=host_up,
            nowhere=why_nowhere(server, hosts, groups, host_of),
            alike=bool(suited(server, hosts, source, groups, host_of)),
        )
        for server in in_order(servers, host_up=host_up)
    ]


async def where_members_are(
    cloud: CloudPort, servers: Sequence[Server], groups: Sequence[frozenset[str]]
) -> dict[str, str]:
    """{server: host} of those that share a server group with one of these."""
    ours = {server.id for server in servers}
    host_of = {server.id: server.host for server in servers if server.host}
    strangers = {member for group in groups if group & ours for member in group} - ours
    for member in sorted(strangers):
        with suppress(NotFound):  # a group may name servers that are deleted
            server = await cloud.server(member)
            if server.host:
                host_of[member] = server.host
    return host_of


def in_order(servers: Sequence[Server], *, host_up: bool) -> list[Server]:
    """Off a dead host the most important first; off one that is up the largest, so that the end is even."""
    size = {server.id: server.flavor.ram_mb if server.flavor else 0 for server in servers}
    if host_up:
        return sorted(servers, key=lambda server: (-size[server.id], server.name, server.id))
    return sorted(servers, key=lambda server: (-priority(server), server.name, server.id))


def allowed_by(kind: str, params: dict[str, Any], *, host_up: bool) -> Allowed:
    """What the request allows, in the words of the API. To evacuate a dead host is to allow just that."""
    rescue = kind == "evacuate-host" and not host_up
    return Allowed(
        live=params.get("allow_live_migrate", True),
        cold=params.get("allow_off_vm", False) or params.get("allow_migrate", False),
        evacuate=rescue or params.get("allow_evacuate", False),
        locked=params.get("move_locked", False),
        disks=params.get("block_migration") is not False,
    )


def planned(run: Run, *ways: Way) -> list[dict[str, Any]]:
    """Those of the plan that can go one of these ways, and only these ways of them."""
    found = []
    for verdict in run.memo["plan"]:
        possible = [way for way in verdict["ways"] if way in ways]
        if possible:
            found.append(verdict | {"ways": possible})
    return found


def in_words(verdict: Verdict) -> str:
    """A verdict as a line of history."""
    if verdict.movable:
        return f"{verdict.name} ({verdict.status}) can move: {', then '.join(verdict.ways)}"
    way_out = f"; would change it: {verdict.option}" if verdict.option else ""
    return f"{verdict.name} ({verdict.status}) cannot move: {verdict.reason}{way_out}"


async def find_node(run: Run, host: str) -> int | None:
    """The host's machine in the inventory: by its hypervisor's id, else by its name."""
    hypervisors = await run.ports.cloud.hypervisors(max_age=_LIST_AGE)
    return await run.read(lambda session: node_of(session, host, hypervisors))


def node_of(session: Session, host: str, hypervisors: Sequence[Hypervisor]) -> int | None:
    """None also when several nodes answer to it: cutting the power of a guess is worse than asking."""
    mine = [hypervisor for hypervisor in hypervisors if hypervisor.host == host]
    names = {host, *(hypervisor.name for hypervisor in mine)}
    ids = {hypervisor.id for hypervisor in mine}
    query = select(Node.id).where(or_(Node.hypervisor_id.in_(ids), Node.name.in_(names)))
    found = session.scalars(query).all()
    return found[0] if len(found) == 1 else None


def _has_control(session: Session, node_id: int) -> bool:
    return bool(session.scalar(select(exists().where(NodeControl.node_id == node_id))))
