"""Public addresses of instances, and the domain names that lead to them.

Parameters: `project_id`, `server_id`. An address that a tenant has taken elsewhere is kept: it only no longer
leads to the instance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudmanager.errors import NotFound
from cloudmanager.flows.base import Done, Fail, Flow, Outcome, Wait
from cloudmanager.flows.portal.marks import QUEUE, cloud_of, domain_of, is_ours, mark

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloudmanager.flows.run import Run
    from cloudmanager.openstack.tenant_records import FloatingIp, Network, Port

_AT_ONCE = 0.0
NOBODY = "nobody is told of domain names: [portal] domain_hook is empty"


# --- looking -----------------------------------------------------------------------------------------------


async def look_at_instance(run: Run) -> Outcome:
    """Remember its domain name, and the public addresses that lead to it. One that is gone has none."""
    cloud, server_id = cloud_of(run), run.params["server_id"]
    run.memo["server_id"] = server_id
    try:
        server = await cloud.server(server_id)
    except NotFound:
        run.memo["gone"] = True
        return Done("it is gone")
    run.memo["name"], run.memo["dname"] = server.name, domain_of(server)
    found = leading_to(await cloud.ports(server_id), await cloud.floating_ips())
    run.memo["addresses"] = [
        {"id": one.id, "address": one.address, "ours": is_ours(one.description)} for one in found
    ]
    return Done(f"{server.name} has {len(found)} public addresses")


def leading_to(ports: Iterable[Port], addresses: Iterable[FloatingIp]) -> list[FloatingIp]:
    """Those of the addresses that lead to one of the ports."""
    ids = {port.id for port in ports}
    return sorted((one for one in addresses if one.port_id in ids), key=lambda one: one.address)


def public_network(networks: Iterable[Network], wanted: str) -> Network | str:
    """The network that public addresses come from, as [portal] says; else why there is none."""
    external = [network for network in networks if network.external]
    chosen = [one for one in external if wanted in ("", one.id, one.name)]
    if len(chosen) == 1:
        return chosen[0]
    if wanted or not external:
        return f"the project sees no external network{f' {wanted}' if wanted else ''}"
    return "the project sees several external networks: its operator has to set [portal] public_network"


# --- giving ------------------------------------------------------------------------------------------------


async def give_address(run: Run) -> Outcome:
    """Take a public address that leads to the instance, unless one does."""
    cloud, server_id = cloud_of(run), run.memo["server_id"]
    ports = await cloud.ports(server_id)
    known = leading_to(ports, await cloud.floating_ips())
    if known:
        return _is_public(run, known[0])
    port = min((port for port in ports if _is_v4(port)), key=lambda port: port.id, default=None)
    if port is None:
        return Fail("the instance is on no network with IPv4 addresses")
    network = public_network(await cloud.networks(), run.ports.config.portal.public_network)
    if isinstance(network, str):
        return Fail(network)
    return _is_public(run, await cloud.create_floating_ip(network.id, port.id, mark(run)))


def _is_v4(port: Port) -> bool:
    return any(":" not in address for address in port.addresses)


def _is_public(run: Run, found: FloatingIp) -> Outcome:
    run.memo["address"] = found.address
    run.result = {"instance_id": run.memo["server_id"], "address": found.address}
    return Done(f"its public address is {found.address}")


async def publish_name(run: Run) -> Outcome:
    """Let the domain name lead to the address."""
    name, address = run.memo.get("dname"), run.memo["address"]
    if not name or run.ports.names is None:
        return Done()
    told = await run.ports.names.publish(name, address, run.params["project_id"])
    return Done(f"{name} leads to {address}" if told else NOBODY)


async def withdraw_published(run: Run) -> Outcome:
    """Undo: the name may have been published before its command failed."""
    name, address = run.memo.get("dname"), run.memo.get("address")
    if not name or not address or run.ports.names is None:
        return Done()
    told = await run.ports.names.withdraw(name, address, run.params["project_id"])
    return Done(f"{name} leads no longer to {address}" if told else "")


async def release_taken(run: Run) -> Outcome:
    """Undo: the address that this task took; looked for again until there is none."""
    cloud = cloud_of(run)
    for one in await cloud.floating_ips():
        if one.description == mark(run):
            await cloud.delete_floating_ip(one.id)
            return Wait(_AT_ONCE, f"{one.address} is given back")
    return Done()


# --- taking away -------------------------------------------------------------------------------------------


async def withdraw_name(run: Run) -> Outcome:
    """Let the domain name no longer lead to the addresses."""
    name, told = run.memo.get("dname"), False
    if name and run.ports.names is not None:
        for one in run.memo.get("addresses", ()):
            told |= await run.ports.names.withdraw(name, one["address"], run.params["project_id"])
    return Done(f"{name} is withdrawn" if told else "")


async def release_addresses(run: Run) -> Outcome:
    """Give back the addresses that the portal took; let all others lead nowhere."""
    cloud = cloud_of(run)
    addresses: list[dict[str, Any]] = run.memo.get("addresses", [])
    for one in addresses:
        if one["ours"]:
            await cloud.delete_floating_ip(one["id"])
        else:
            await _unplug(run, one["id"])
    run.result = {
        "instance_id": run.params["server_id"],
        "released": [one["address"] for one in addresses if one["ours"]],
        "unplugged": [one["address"] for one in addresses if not one["ours"]],
    }
    return Done(f"{len(addresses)} public addresses lead there no longer")


async def _unplug(run: Run, floating_ip_id: str) -> None:
    try:
        await cloud_of(run).unplug_floating_ip(floating_ip_id)
    except NotFound:
        run.event(None, "gone", f"the public address {floating_ip_id} is gone")


async def must_be_there(run: Run) -> Outcome:
    """An instance that is gone can be given nothing."""
    return Fail("the instance is gone") if run.memo.get("gone") else Done()


MAKE_PUBLIC = Flow(
    kind="make-public",
    summary="Let an instance be reached from outside, by a floating address",
    queue=QUEUE,
    steps=(look_at_instance, must_be_there, give_address, publish_name),
    undo=(withdraw_published, release_taken),
)
MAKE_PRIVATE = Flow(
    kind="make-private",
    summary="Take its public addresses from an instance",
    queue=QUEUE,
    steps=(look_at_instance, withdraw_name, release_addresses),
    no_return=withdraw_name,
)
