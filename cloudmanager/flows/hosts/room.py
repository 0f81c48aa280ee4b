"""How much room hosts have for servers: pure functions. None is unknown, and never counts as too little."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloudmanager.openstack.records import Flavor, Hypervisor

Ratios = tuple[float | None, float | None]
"""By how much a host may promise more vCPUs and more memory than it has; None: not known."""

UNKNOWN_RATIOS: Ratios = (None, None)


@dataclass(frozen=True)
class Room:
    """What can still be promised to servers."""

    vcpus: float | None
    ram_mb: float | None

    def holds(self, vcpus: int, ram_mb: int) -> bool:
        """Whether so much goes in, as far as is known."""
        return (self.vcpus is None or self.vcpus >= vcpus) and (self.ram_mb is None or self.ram_mb >= ram_mb)

    def without(self, vcpus: int, ram_mb: int) -> Room:
        """What is left of it."""
        return Room(
            None if self.vcpus is None else self.vcpus - vcpus,
            None if self.ram_mb is None else self.ram_mb - ram_mb,
        )

    def __str__(self) -> str:
        vcpus = "?" if self.vcpus is None else f"{self.vcpus:g}"
        ram_mb = "?" if self.ram_mb is None else f"{self.ram_mb:g}"
        return f"{vcpus} vCPUs and {ram_mb} MB"


UNKNOWN = Room(None, None)


def room_of(hypervisor: Hypervisor, ratios: Ratios = UNKNOWN_RATIOS) -> Room:
    """Without its ratio nothing is known of vCPUs, which hosts promise many times; memory counts as it is."""
    cpu_ratio, ram_ratio = ratios
    vcpus = ram_mb = None
    if hypervisor.vcpus and cpu_ratio:
        vcpus = hypervisor.vcpus * cpu_ratio - (hypervisor.vcpus_used or 0)
    if hypervisor.ram_mb:
        ram_mb = hypervisor.ram_mb * (ram_ratio or 1.0) - (hypervisor.ram_used_mb or 0)
    return Room(vcpus, ram_mb)


def all_go_in(flavors: Iterable[Flavor], rooms: Iterable[Room]) -> bool:
    """Whether servers of these sizes go into these hosts: the largest first, where most memory is free."""
    left = list(rooms)
    for flavor in sorted(flavors, key=lambda flavor: (-flavor.ram_mb, -flavor.vcpus)):
        takers = [index for index, room in enumerate(left) if room.holds(flavor.vcpus, flavor.ram_mb)]
        if not takers:
            return False
        best = max(takers, key=lambda index: _free(left[index]))
        left[best] = left[best].without(flavor.vcpus, flavor.ram_mb)
    return True


def _free(room: Room) -> float:
    return float("inf") if room.ram_mb is None else room.ram_mb
