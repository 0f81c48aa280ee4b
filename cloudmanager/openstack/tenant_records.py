"""What a tenant sees of the cloud besides servers, volumes and images: plain records, as in `records`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

UNLIMITED = -1
"""What OpenStack says for no limit."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """How much of something a project may have, and has. No limit is None; `used` is None when not told."""

    limit: int | None
    used: int | None

    def has_room(self, more: int) -> bool:
        """Whether so much more would be allowed, as far as one can tell."""
        return self.limit is None or self.used is None or self.used + more <= self.limit


def lacking(allowances: Mapping[str, Allowance], wanted: Mapping[str, int]) -> list[str]:
    """What of `wanted` would exceed a quota, with the numbers; what is not told is not checked."""
    return [
        f"{name}: {one.used} of {one.limit} used, {more} more wanted"
        for name, more in wanted.items()
        if (one := allowances.get(name)) is not None and not one.has_room(more)
    ]


@dataclass(frozen=True, slots=True)
class Size:
    """A flavor that the project may use."""

    id: str
    name: str
    vcpus: int
    ram_mb: int
    disk_gb: int


@dataclass(frozen=True, slots=True)
class Keypair:
    """A public key that new servers can be given."""

    name: str
    fingerprint: str
    public_key: str


@dataclass(frozen=True, slots=True)
class Console:
    """Where a browser finds the console of a server; the address is itself the permission."""

    protocol: str
    type: str
    url: str


@dataclass(frozen=True, slots=True)
class Deed:
    """What was done with a server, as Nova wrote it down; `message` when it failed."""

    action: str
    request_id: str
    started_at: datetime | None
    message: str | None


@dataclass(frozen=True, slots=True)
class AttachedDisk:
    """A volume of a server."""

    id: str
    volume_id: str
    device: str | None


@dataclass(frozen=True, slots=True)
class Network:
    """A network that the project sees; floating addresses come from one that is `external`."""

    id: str
    name: str
    external: bool


@dataclass(frozen=True, slots=True)
class SecurityGroup:
    """A set of rules for what may reach a server."""

    id: str
    name: str
    description: str


@dataclass(frozen=True, slots=True)
class Port:
    """Where a server is plugged into a network."""

    id: str
    network_id: str
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FloatingIp:
    """A public address; `port_id` is where it leads, if anywhere."""

    id: str
    address: str
    port_id: str | None
    description: str


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup of a volume. `status` is Cinder's word: available, creating, deleting, error and others."""

    id: str
    name: str | None
    status: str
    volume_id: str
    size_gb: int
    description: str | None
    created_at: datetime | None
