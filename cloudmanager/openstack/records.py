"""What the Cloud port answers: plain records, in our words. None is unknown: neither zero nor down."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Accepted:
    """The cloud took a request, which means nothing yet; `request_id` finds it in the cloud's logs."""

    request_id: str | None


@dataclass(frozen=True, slots=True)
class Service:
    """A host's nova-compute. Its id changes when it is deleted and comes back: the host is its identity.

    `up` is Nova's view of its reports; `reported_at` the last of them by the database's clock.
    """

    id: str
    host: str
    enabled: bool
    disabled_reason: str | None
    up: bool
    forced_down: bool
    reported_at: datetime | None
    zone: str | None = None


@dataclass(frozen=True, slots=True)
class CpuModel:
    """What a live migration must find again on the other side."""

    arch: str | None
    vendor: str | None
    model: str | None


@dataclass(frozen=True, slots=True)
class Hypervisor:
    """A compute node. `name` is its own, `host` the one of its nova-compute."""

    id: str
    name: str
    host: str
    type: str | None
    up: bool
    enabled: bool
    ip: str | None = None
    vcpus: int | None = None
    vcpus_used: int | None = None
    ram_mb: int | None = None
    ram_used_mb: int | None = None
    disk_gb: int | None = None
    disk_used_gb: int | None = None
    running_servers: int | None = None
    cpu: CpuModel | None = None


@dataclass(frozen=True, slots=True)
class Flavor:
    """The size of a server."""

    name: str
    vcpus: int
    ram_mb: int
    disk_gb: int
    ephemeral_gb: int = 0
    swap_mb: int = 0
    extra_specs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AttachedVolume:
    """A volume of a server."""

    id: str
    delete_on_termination: bool = False


@dataclass(frozen=True, slots=True)
class Server:
    """A virtual machine. `host` is where the record says that it is: after a failure it may lie.

    `instance_name` is what its hypervisor calls it.
    """

    id: str
    name: str
    status: str
    vm_state: str
    task_state: str | None
    host: str | None
    instance_name: str | None = None
    project_id: str | None = None
    user_id: str | None = None
    zone: str | None = None
    locked: bool = False
    locked_reason: str | None = None
    flavor: Flavor | None = None
    image_id: str | None = None
    key_name: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    volumes: tuple[AttachedVolume, ...] = ()
    security_groups: tuple[str, ...] = ()
    addresses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    fault: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    description: str | None = None


class MigrationType(enum.StrEnum):
    """Why a server changes its host, in Nova's words."""

    LIVE = "live-migration"
    COLD = "migration"
    RESIZE = "resize"
    EVACUATION = "evacuation"


SUCCEEDED = frozenset({"completed", "finished", "confirmed", "done"})
FAILED = frozenset({"failed", "error", "cancelled", "reverted"})


@dataclass(frozen=True, slots=True)
class Migration:
    """One attempt of Nova to move a server. Ids grow: the greatest is the newest."""

    id: int
    server_id: str
    type: str
    status: str
    source: str | None
    destination: str | None
    created_at: datetime | None = None
    updated_at: datetime | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it by itself, well or badly."""
        return self.status in SUCCEEDED or self.status in FAILED

    @property
    def failed(self) -> bool:
        """Whether it ended badly."""
        return self.status in FAILED


@dataclass(frozen=True, slots=True)
class LiveMigrationProgress:
    """How far the memory of a server has been copied, in bytes."""

    migration_id: int
    status: str
    memory_total: int | None
    memory_remaining: int | None


@dataclass(frozen=True, slots=True)
class Diagnostics:
    """What the hypervisor of a server has counted since its guest started there.

    `at` is when, in seconds of a clock of ours that is good for differences alone. `cpu_seconds` is of all
    vCPUs together, the octets are of all interfaces. Memory is in the driver's unit: Nova documents MiB, its
    driver for libvirt tells whole GiB.
    """

    at: float
    cpu_seconds: float | None
    received_octets: int | None
    sent_octets: int | None
    memory: int | None
    memory_used: int | None


@dataclass(frozen=True, slots=True)
class ServerGroup:
    """Servers that belong together or apart. `limit`: how many of them an anti-affinity lets share a host."""

    id: str
    name: str
    policy: str
    members: frozenset[str]
    limit: int = 1


@dataclass(frozen=True, slots=True)
class Aggregate:
    """A set of hosts."""

    id: int
    name: str
    zone: str | None
    hosts: frozenset[str]
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stock:
    """What Placement has of a resource on a host: `total` less `reserved`, times `ratio`, may be promised."""

    total: float
    reserved: float = 0.0
    ratio: float = 1.0


@dataclass(frozen=True, slots=True)
class AllocationRatios:
    """By how much Placement lets a host promise more than it has."""

    cpu: float | None
    ram: float | None


@dataclass(frozen=True, slots=True)
class Domain:
    """A domain of Keystone."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Project:
    """A project of Keystone; `domain` is the name of its domain."""

    name: str
    domain_id: str
    domain: str | None
