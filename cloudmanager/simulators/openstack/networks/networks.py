"""The truth of a simulated Neutron: what is on which network, with which addresses."""

from __future__ import annotations

import ipaddress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeVar

from cloudmanager.simulators.openstack.networks.routing import Routing
from cloudmanager.simulators.openstack.networks.rows import (
    FloatingIp,
    Network,
    Port,
    Router,
    Row,
    Rule,
    SecurityGroup,
    Subnet,
)
from cloudmanager.simulators.openstack.problems import Conflict, Invalid, NotThere

if TYPE_CHECKING:
    from cloudmanager.simulators.clock import Clock

DEFAULT_GROUP = "default"
_FIRST_SEGMENT = 100
_MAC_PREFIX = "fa:16:3e"

_Kept = TypeVar("_Kept", bound=Row)


class Networks:
    """Everything that Neutron knows. It changes by its methods alone."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.networks: dict[str, Network] = {}
        self.subnets: dict[str, Subnet] = {}
        self.ports: dict[str, Port] = {}
        self.groups: dict[str, SecurityGroup] = {}
        self.rules: dict[str, Rule] = {}
        self.floating: dict[str, FloatingIp] = {}
        self.routers: dict[str, Router] = {}
        self.quotas: dict[str, dict[str, int]] = {}  # of the projects that differ from what all have
        self.routing = Routing(self)
        self._macs = 0

    # --- asking ---------------------------------------------------------------------------------------------

    def network(self, key: str) -> Network:
        """One network, or `NotThere`."""
        return _one(self.networks, key, "NetworkNotFound", f"Network {key} could not be found.")

    def subnet(self, key: str) -> Subnet:
        """One subnet, or `NotThere`."""
        return _one(self.subnets, key, "SubnetNotFound", f"Subnet {key} could not be found.")

    def port(self, key: str) -> Port:
        """One port, or `NotThere`."""
        return _one(self.ports, key, "PortNotFound", f"Port {key} could not be found.")

    def group(self, key: str) -> SecurityGroup:
        """One security group, or `NotThere`."""
        return _one(self.groups, key, "SecurityGroupNotFound", f"Security group {key} does not exist")

    def rule(self, key: str) -> Rule:
        """One rule, or `NotThere`."""
        return _one(self.rules, key, "SecurityGroupRuleNotFound", f"Security group rule {key} does not exist")

    def floating_ip(self, key: str) -> FloatingIp:
        """One floating address, or `NotThere`."""
        return _one(self.floating, key, "FloatingIPNotFound", f"Floating IP {key} could not be found")

    def router(self, key: str) -> Router:
        """One router, or `NotThere`."""
        return _one(self.routers, key, "RouterNotFound", f"Router {key} could not be found")

    def ports_of(self, device_id: str) -> list[Port]:
        """The ports of a server, in the order in which they were made."""
        return [port for port in self.ports.values() if port.device_id == device_id]

    def subnets_of(self, network_id: str) -> list[Subnet]:
        """The subnets of a network."""
        return [subnet for subnet in self.subnets.values() if subnet.network_id == network_id]

    def rules_of(self, group_id: str) -> list[Rule]:
        """The rules of a security group."""
        return [rule for rule in self.rules.values() if rule.security_group_id == group_id]

    # --- networks -------------------------------------------------------------------------------------------

    def add_network(self, network: Network) -> Network:
        """Make a network; without a segment it gets a free one."""
        if network.segment is None:
            used = {row.segment for row in self.networks.values()}
            network.segment = next(n for n in range(_FIRST_SEGMENT, 4096) if n not in used)
        return self._keep(self.networks, network)

    def remove_network(self, network: Network) -> None:
        """Remove a network, with its subnets, when nothing is plugged in."""
        used = [port.id for port in self.ports.values() if port.network_id == network.id]
        if used:
            raise Conflict(
                f"Unable to complete operation on network {network.id}. There are one or more ports still in "
                f"use on the network, id for these ports is: {','.join(used)}.",
                "NetworkInUse",
            )
        for subnet in self.subnets_of(network.id):
            del self.subnets[subnet.id]
        del self.networks[network.id]

    def add_subnet(self, subnet: Subnet) -> Subnet:
        """Give a network addresses; gateway and pool are made up where they are not said."""
        self.network(subnet.network_id)
        try:
            cidr = ipaddress.ip_network(subnet.cidr)
        except ValueError:
            message = f"Invalid input for cidr. Reason: '{subnet.cidr}' is not a valid IP subnet."
            raise Invalid(message, "HTTPBadRequest") from None
        subnet.ip_version = cidr.version
        subnet.gateway_ip = subnet.gateway_ip or str(cidr[1])
        subnet.pools = subnet.pools or [{"start": str(cidr[2]), "end": str(cidr[-2])}]
        return self._keep(self.subnets, subnet)

    def remove_subnet(self, subnet: Subnet) -> None:
        """Take the addresses from a network when none is used."""
        if any(a["subnet_id"] == subnet.id for port in self.ports.values() for a in port.addresses):
            raise Conflict(
                f"Unable to complete operation on subnet {subnet.id}: One or more ports have an IP "
                "allocation from this subnet.",
                "SubnetInUse",
            )
        del self.subnets[subnet.id]

    # --- ports ----------------------------------------------------------------------------------------------

    def create_port(
        self,
        network_id: str,
        project_id: str,
        *,
        address: str | None = None,
        groups: list[str] | None = None,
        **more: Any,
    ) -> Port:
        """Make a port with an address (the wanted one, or a free one) and the project's default group."""
        self.network(network_id)
        if groups is None:
            groups = [self.default_group(project_id).id]
        for group in groups:
            self.group(group)
        self._macs += 1
        low = self._macs
        mac = f"{_MAC_PREFIX}:{low >> 16 & 255:02x}:{low >> 8 & 255:02x}:{low & 255:02x}"
        port = Port(network_id=network_id, project_id=project_id, mac=mac, groups=groups, **more)
        port.addresses = self._allocate(network_id, address)
        return self._keep(self.ports, port)

    def delete_port(self, port: Port) -> None:
        """Unplug; a floating address that led there leads nowhere."""
        del self.ports[port.id]
        for floating in self.floating.values():
            if floating.port_id == port.id:
                floating.port_id = floating.fixed_ip_address = floating.router_id = None

    def _allocate(self, network_id: str, wanted: str | None) -> list[dict[str, str]]:
        """One free address, from the first subnet that has one; none on a network without subnets."""
        used = {a["ip_address"] for port in self.ports.values() for a in port.addresses}
        used |= {row.address for row in self.floating.values()}
        subnets = self.subnets_of(network_id)
        for subnet in subnets:
            found = _wanted_in(subnet, wanted, used) if wanted else _free_in(subnet, used)
            if found:
                return [{"subnet_id": subnet.id, "ip_address": found}]
        if wanted:
            message = "IP address {} is not a valid IP for any of the subnets on the specified network."
            raise Invalid(message.format(wanted), "InvalidIpForNetwork")
        if subnets:
            message = f"No more IP addresses available on network {network_id}."
            raise Conflict(message, "IpAddressGenerationFailure")
        return []

    # --- security groups ------------------------------------------------------------------------------------

    def default_group(self, project_id: str) -> SecurityGroup:
        """The group that every project has; it lets in what comes from itself."""
        for group in self.groups.values():
            if group.project_id == project_id and group.name == DEFAULT_GROUP:
                return group
        made = self.add_group(
            SecurityGroup(name=DEFAULT_GROUP, description="Default security group", project_id=project_id)
        )
        for ethertype in ("IPv4", "IPv6"):
            self.add_rule(Rule(security_group_id=made.id, ethertype=ethertype, remote_group_id=made.id))
        return made

    def add_group(self, group: SecurityGroup) -> SecurityGroup:
        """Make a group; it lets everything out."""
        self._keep(self.groups, group)
        for ethertype in ("IPv4", "IPv6"):
            self.add_rule(Rule(security_group_id=group.id, direction="egress", ethertype=ethertype))
        return group

    def remove_group(self, group: SecurityGroup) -> None:
        """Remove a group that no port has."""
        if any(group.id in port.groups for port in self.ports.values()):
            raise Conflict(f"Security Group {group.id} in use.", "SecurityGroupInUse")
        for rule in self.rules_of(group.id):
            del self.rules[rule.id]
        del self.groups[group.id]

    def add_rule(self, rule: Rule) -> Rule:
        """Add a rule that the group does not have."""
        rule.project_id = self.group(rule.security_group_id).project_id
        content = _content(rule)
        for other in self.rules_of(rule.security_group_id):
            if _content(other) == content:
                message = f"Security group rule already exists. Rule id is {other.id}."
                raise Conflict(message, "SecurityGroupRuleExists")
        return self._keep(self.rules, rule)

    # --- floating addresses ---------------------------------------------------------------------------------

    def keep_router(self, router: Router) -> Router:
        """Keep a new router; `routing` plugs it."""
        return self._keep(self.routers, router)

    def add_floating_ip(
        self, network_id: str, project_id: str, *, port: Port | None = None, description: str = ""
    ) -> FloatingIp:
        """Take a free address of an external network; with a port it leads there, or none is taken."""
        network = self.network(network_id)
        if not network.external:
            message = f"Bad floatingip request: Network {network_id} is not a valid external network."
            raise Invalid(message, "BadRequest")
        address = self._allocate(network_id, None)[0]["ip_address"]
        made = FloatingIp(
            network_id=network_id, project_id=project_id, address=address, description=description
        )
        if port is not None:
            self.point(made, port)
        return self._keep(self.floating, made)

    def point(self, floating: FloatingIp, port: Port | None) -> None:
        """Let a floating address lead to a port, or nowhere."""
        router = self.routing.way(floating.network_id, port) if port is not None else None
        if port is not None and any(
            row.port_id == port.id for row in self.floating.values() if row is not floating
        ):
            message = (
                f"Cannot associate floating IP {floating.address} ({floating.id}) with port {port.id} using "
                f"fixed IP {port.addresses[0]['ip_address']}, as that fixed IP already has a floating IP on "
                f"external network {floating.network_id}."
            )
            raise Conflict(message, "FloatingIPPortAlreadyAssociated")
        floating.port_id = port.id if port else None
        floating.fixed_ip_address = port.addresses[0]["ip_address"] if port else None
        floating.router_id = router.id if router else None
        self.touch(floating)

    # --- keeping --------------------------------------------------------------------------------------------

    def touch(self, row: Row) -> None:
        """Note that a row has changed."""
        row.updated_at = self.clock.now()
        row.revision += 1

    def _keep(self, rows: dict[str, _Kept], row: _Kept) -> _Kept:
        row.created_at = row.updated_at = self.clock.now()
        rows[row.id] = row
        return row

    def to_dict(self) -> dict[str, Any]:
        """Everything that a restart must find again, in values that JSON can hold."""
        tables = {name: [asdict(row) for row in getattr(self, name).values()] for name in _TABLES}
        return {**tables, "macs": self._macs, "quotas": self.quotas}

    @classmethod
    def from_dict(cls, kept: dict[str, Any], clock: Clock) -> Networks:
        """Build what `to_dict` described."""
        networks = cls(clock)
        for name, kind in _TABLES.items():
            setattr(networks, name, {row["id"]: kind(**row) for row in kept.get(name, ())})
        networks._macs = kept["macs"]
        networks.quotas = kept.get("quotas", {})
        return networks


_TABLES: dict[str, Any] = {
    "networks": Network,
    "subnets": Subnet,
    "ports": Port,
    "groups": SecurityGroup,
    "rules": Rule,
    "floating": FloatingIp,
    "routers": Router,
}


def _one(rows: dict[str, _Kept], key: str, kind: str, message: str) -> _Kept:
    try:
        return rows[key]
    except KeyError:
        raise NotThere(message, kind) from None


def _content(rule: Rule) -> tuple[Any, ...]:
    kept = ("id", "name", "description", "created_at", "updated_at", "revision")
    return tuple(value for name, value in asdict(rule).items() if name not in kept)


def _free_in(subnet: Subnet, used: set[str]) -> str | None:
    for pool in subnet.pools:
        first, last = ipaddress.ip_address(pool["start"]), ipaddress.ip_address(pool["end"])
        for number in range(int(first), int(last) + 1):
            address = str(type(first)(number))
            if address not in used and address != subnet.gateway_ip:
                return address
    return None


def _wanted_in(subnet: Subnet, wanted: str, used: set[str]) -> str | None:
    try:
        is_inside = ipaddress.ip_address(wanted) in ipaddress.ip_network(subnet.cidr)
    except ValueError:
        raise Invalid(f"Invalid input for fixed_ips: '{wanted}' is not a valid IP address.") from None
    if is_inside and wanted in used:
        message = f"IP address {wanted} already allocated in subnet {subnet.id}"
        raise Conflict(message, "IpAddressAlreadyAllocated")
    return wanted if is_inside else None
