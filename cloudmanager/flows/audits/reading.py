"""What Nova's records say of a server, in the planner's words: pure functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.drs.cluster import MB_PER_GB, Resource
from cloudmanager.flows.servers.ways import Allowed, Way, judge
from cloudmanager.openstack.records import SUCCEEDED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloudmanager.openstack.records import Flavor, Migration, Server

_OVERRIDES = {
    "resources:VCPU": Resource.CPU,
    "resources:MEMORY_MB": Resource.RAM,
    "resources:DISK_GB": Resource.DISK,
}
_TRAIT = "trait:"
_DEDICATED = ("dedicated", "mixed")


def demand_of(server: Server) -> dict[Resource, float]:
    """What Placement sets aside for it. A root disk on a volume takes none of its host."""
    flavor = server.flavor
    if flavor is None:
        return {}
    demand = {
        Resource.CPU: float(flavor.vcpus),
        Resource.RAM: float(flavor.ram_mb),
        Resource.DISK: local_disk_of(server),
    }
    for key, resource in _OVERRIDES.items():
        if (amount := flavor.extra_specs.get(key, "")).isascii() and amount.isdigit():
            demand[resource] = float(amount)
    return demand


def local_disk_of(server: Server) -> float:
    """GB of its disks that are not volumes."""
    flavor = server.flavor
    if flavor is None:
        return 0.0
    root = flavor.disk_gb if server.image_id is not None else 0
    return float(root + flavor.ephemeral_gb + flavor.swap_mb / MB_PER_GB)


def required_traits(flavor: Flavor | None) -> frozenset[str]:
    """What the host of a server of this flavor must be able to do."""
    specs = flavor.extra_specs if flavor else {}
    return frozenset(
        key.removeprefix(_TRAIT)
        for key, value in specs.items()
        if key.startswith(_TRAIT) and value == "required"
    )


def why_stuck(server: Server, *, cold: bool) -> str | None:
    """Why it cannot move, besides what the planner is told in other words; None: it can.

    A server that runs is never stopped for the sake of balance; `cold`: one that is stopped may move.
    """
    specs = server.flavor.extra_specs if server.flavor else {}
    if server.flavor is None:
        return "its flavor is not known"
    if specs.get("hw:cpu_policy") in _DEDICATED or "resources:PCPU" in specs:
        return "it has CPUs of its own, of which no account is kept here"
    runs = server.vm_state != "stopped"
    verdict = judge(server, Allowed(cold=cold and not runs, locked=True), host_up=True)
    if verdict.movable or server.task_state or server.metadata.get("pinned"):
        return None
    if runs and Way.COLD in judge(server, Allowed(cold=True, locked=True), host_up=True).ways:
        return "it needs devices of its host"
    return verdict.reason


def moved_at(server_id: str, migrations: Iterable[Migration]) -> float | None:
    """When it was moved last, as far as the records go back: seconds since the epoch."""
    times = [
        record.updated_at.timestamp()
        for record in migrations
        if record.server_id == server_id and record.status in SUCCEEDED and record.updated_at is not None
    ]
    return max(times, default=None)
