"""Where a server may go: Nova's filters, and Placement's arithmetic of what is claimed on a host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.simulators.openstack.problems import NotThere

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from cloudmanager.simulators.openstack.compute.compute import Compute
    from cloudmanager.simulators.openstack.compute.rows import Flavor, Host, Server

RATIOS = {"VCPU": 4.0, "MEMORY_MB": 1.0, "DISK_GB": 1.0}
"""Nova's initial_*_allocation_ratio."""

RESERVED = {"VCPU": 0, "MEMORY_MB": 512, "DISK_GB": 0}
"""Nova's reserved_host_*."""


class NoValidHost(Exception):
    """No host passes all filters."""

    def __init__(self, reason: str = "There are not enough hosts available.") -> None:
        super().__init__(f"No valid host was found. {reason}".rstrip())


def resources(flavor: Flavor) -> dict[str, int]:
    """What a server of that size claims."""
    disk = flavor.disk + flavor.ephemeral + -(-flavor.swap // 1024)
    return {"VCPU": flavor.vcpus, "MEMORY_MB": flavor.ram, "DISK_GB": disk}


class Scheduler:
    """Chooses hosts; the one with most free memory first."""

    def __init__(self, compute: Compute) -> None:
        self._compute = compute
        self._tables = compute.tables
        self.ratios = dict(RATIOS)

    def totals(self, host: Host) -> dict[str, int]:
        """What a host has."""
        return {"VCPU": host.vcpus, "MEMORY_MB": host.memory_mb, "DISK_GB": host.disk_gb}

    def claims(self, host: Host) -> Iterator[tuple[str, dict[str, int]]]:
        """Which server claims what on a host: also those that come, and those that were evacuated."""
        for server in self._tables.servers_on(host.name):
            yield server.id, claim_of(server)
        for migration in self._compute.migrations.claiming():
            server = self._tables.servers[migration.server_id]
            places = {migration.source, migration.destination} - {server.host}
            if host.name in places and not server.deleted:
                yield server.id, migration.claimed

    def used(self, host: Host) -> dict[str, int]:
        """What is claimed on a host."""
        total = dict.fromkeys(RATIOS, 0)
        for _, claimed in self.claims(host):
            for name, amount in claimed.items():
                total[name] += amount
        return total

    def choose(
        self,
        server: Server,
        *,
        wanted: str | None = None,
        without: Collection[str] = (),
        flavor: Flavor | None = None,
    ) -> Host:
        """The best host, or `NoValidHost`; `wanted` is the only one that may be it."""
        if wanted is not None and wanted not in self._tables.hosts:
            raise NotThere(f"Compute host {wanted} could not be found.")
        hosts = [self._tables.hosts[wanted]] if wanted else self._compute.hosts.registered()
        need = claim_of(server, flavor)
        fitting = [
            (self._free(host)["MEMORY_MB"], host)
            for host in hosts
            if host.name not in without and self._may_take(host, server) and self._fits(host, need)
        ]
        ranked = sorted(fitting, key=lambda pair: (self._penalty(pair[1], server), -pair[0], pair[1].name))
        if not ranked:
            raise NoValidHost
        return ranked[0][1]

    def _free(self, host: Host) -> dict[str, float]:
        used, totals = self.used(host), self.totals(host)
        return {name: (totals[name] - RESERVED[name]) * self.ratios[name] - used[name] for name in RATIOS}

    def _fits(self, host: Host, need: dict[str, int]) -> bool:
        free = self._free(host)
        return all(free[name] >= amount for name, amount in need.items() if amount)

    def _may_take(self, host: Host, server: Server) -> bool:
        if not host.enabled or not self._compute.hosts.is_up(host):
            return False
        if server.zone is not None and self._compute.hosts.zone_of(host.name) != server.zone:
            return False
        return self._group_allows(host, server)

    def _group_allows(self, host: Host, server: Server) -> bool:
        group = self._tables.group_of(server)
        if group is None:
            return True
        if group.policy == "affinity":
            others = self._others(server)
            return not others or host.name in others
        if group.policy == "anti-affinity":
            return self._others(server).count(host.name) < group.rules.get("max_server_per_host", 1)
        return True

    def _penalty(self, host: Host, server: Server) -> int:
        group = self._tables.group_of(server)
        if group is None or not group.policy.startswith("soft-"):
            return 0
        together = self._others(server).count(host.name)
        return together if group.policy == "soft-anti-affinity" else -together

    def _others(self, server: Server) -> list[str]:
        """Where the other members of the group are, and where they are going."""
        group = self._tables.group_of(server)
        members = [self._tables.servers[key] for key in group.members if key != server.id] if group else []
        going = [
            row.destination
            for member in members
            for row in self._tables.migrations_of(member.id)
            if row.status in ("queued", "preparing", "running", "pre-migrating") and row.destination
        ]
        return [m.host for m in members if m.host and not m.deleted] + going


def claim_of(server: Server, flavor: Flavor | None = None) -> dict[str, int]:
    """What a server claims, with its own or another flavor; a root disk that is a volume does not count."""
    claimed = resources(flavor or server.flavor)
    if server.volumes and not server.image_id:
        claimed["DISK_GB"] -= (flavor or server.flavor).disk
    return claimed
