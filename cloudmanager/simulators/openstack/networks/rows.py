"""What Neutron keeps: networks, subnets, ports, security groups with their rules, floating addresses."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field


def new_id() -> str:
    """An id in Neutron's form."""
    return str(uuid.uuid4())


@dataclass(slots=True, kw_only=True)
class Row:
    """What every row has."""

    id: str = field(default_factory=new_id)
    name: str = ""
    description: str = ""
    project_id: str = ""
    created_at: float = 0.0
    updated_at: float = 0.0
    revision: int = 0


@dataclass(slots=True, kw_only=True)
class Network(Row):
    """A layer 2 network; `segment` is its VLAN."""

    shared: bool = False
    external: bool = False
    admin_state_up: bool = True
    mtu: int = 1500
    kind: str = "vlan"
    physical: str | None = "physnet1"
    segment: int | None = None


@dataclass(slots=True, kw_only=True)
class Subnet(Row):
    """Addresses on a network."""

    network_id: str
    cidr: str
    gateway_ip: str | None = None
    ip_version: int = 4
    enable_dhcp: bool = True
    pools: list[dict[str, str]] = field(default_factory=list)
    dns: list[str] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Port(Row):
    """Where something is plugged into a network; `host` is where it is bound."""

    network_id: str
    mac: str
    device_id: str = ""
    device_owner: str = ""
    host: str = ""
    admin_state_up: bool = True
    addresses: list[dict[str, str]] = field(default_factory=list)  # {subnet_id, ip_address}
    groups: list[str] = field(default_factory=list)
    vnic_type: str = "normal"

    @property
    def status(self) -> str:
        """Up where it is bound to a host; the simulated agents never fail."""
        return "ACTIVE" if self.host else "DOWN"


@dataclass(slots=True, kw_only=True)
class Rule(Row):
    """What a security group lets through."""

    security_group_id: str
    direction: str = "ingress"
    ethertype: str = "IPv4"
    protocol: str | None = None
    port_range_min: int | None = None
    port_range_max: int | None = None
    remote_ip_prefix: str | None = None
    remote_group_id: str | None = None


@dataclass(slots=True, kw_only=True)
class SecurityGroup(Row):
    """A set of rules."""


@dataclass(slots=True, kw_only=True)
class FloatingIp(Row):
    """An address of an external network that leads to one of a port."""

    network_id: str
    address: str
    port_id: str | None = None
    fixed_ip_address: str | None = None
    router_id: str | None = None


@dataclass(slots=True, kw_only=True)
class Router(Row):
    """A way between subnets, and outside."""
