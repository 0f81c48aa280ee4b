"""`[power] protect_running_servers`: power is not taken from a node while servers of Nova run on it.

It guards what people ask for. The flows that fence hosts and restart emptied ones do not come through here.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sqlalchemy import select

from cloudmanager.api.services import services
from cloudmanager.api.usage import node_title
from cloudmanager.errors import CloudNotConfigured, CloudUnreachable, Conflict
from cloudmanager.models import Node, folded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloudmanager.openstack.port import CloudPort
    from cloudmanager.openstack.records import Hypervisor, Server

AT_REST = frozenset({"stopped", "suspended", "shelved", "shelved_offloaded", "soft-delete", "deleted"})
"""States in which a server has no process on its host. One in ERROR may have: it counts as running."""

ERRORS = (409, 502, 504)
"""What an action that takes power away answers besides the usual."""

_NAMED = 10
_ALL_THE_SAME = "`force: true` does it all the same"


def refuse_while_servers_run(node_ids: Sequence[int], *, force: bool) -> None:
    """Raise `Conflict` that names the servers on these nodes; `CloudUnreachable` when nobody knows them."""
    if force or not services().config.power.protect_running_servers:
        return
    query = select(Node.id, Node.name, Node.hypervisor_id).where(Node.id.in_(node_ids))
    with services().database.reading() as session:
        nodes = {key: (name, hypervisor_id) for key, name, hypervisor_id in session.execute(query)}
    try:
        found = services().cloud.ask(lambda cloud: _running(cloud, nodes))
    except CloudNotConfigured:
        return
    except CloudUnreachable as error:
        message = f"{error.message}: it is not known whether servers run there; {_ALL_THE_SAME}"
        raise CloudUnreachable(message, request_id=error.request_id) from None
    if found:
        told = "; ".join(
            f"{node_title(key, nodes[key][0])}: {_names(servers)}"
            for key, servers in list(found.items())[:_NAMED]
        )
        more = f" and on {len(found) - _NAMED} other nodes" if len(found) > _NAMED else ""
        raise Conflict(f"servers run on {told}{more}: empty the host first, or {_ALL_THE_SAME}")


async def _running(
    cloud: CloudPort, nodes: Mapping[int, tuple[str | None, str | None]]
) -> dict[int, list[Server]]:
    """{node: what runs on it}, of those on which anything does."""
    on = hosts_of(nodes, await cloud.hypervisors())
    servers = await asyncio.gather(*(cloud.servers_on(host) for host in on.values()))
    running = {
        key: [server for server in there if server.vm_state not in AT_REST]
        for key, there in zip(on, servers, strict=True)
    }
    return {key: there for key, there in running.items() if there}


def hosts_of(
    nodes: Mapping[int, tuple[str | None, str | None]], hypervisors: Sequence[Hypervisor]
) -> dict[int, str]:
    """{node: its host}, of the nodes {id: (name, hypervisor id)} that are hosts."""
    hosts = {each.id: each.host for each in hypervisors}
    named = {folded(name): each.host for each in hypervisors for name in (each.name, each.host)}
    found = {
        key: hosts.get(hypervisor_id or "") or named.get(folded(name or ""))
        for key, (name, hypervisor_id) in nodes.items()
    }
    return {key: host for key, host in found.items() if host}


def _names(servers: Sequence[Server]) -> str:
    shown = ", ".join(f"{server.name} ({server.id})" for server in servers[:_NAMED])
    return f"{shown} and {len(servers) - _NAMED} more" if len(servers) > _NAMED else shown
