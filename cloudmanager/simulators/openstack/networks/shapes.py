"""How Neutron 28 shows what it keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudmanager.simulators.openstack.rest import moment

if TYPE_CHECKING:
    from cloudmanager.simulators.openstack.networks.networks import Networks
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

EXTENSIONS = {
    "binding": "Port Binding",
    "external-net": "Neutron external network",
    "extraroute": "Neutron Extra Route",
    "net-mtu": "Network MTU",
    "port-security": "Port Security",
    "project-id": "project_id field enabled",
    "provider": "Provider Network",
    "quota_details": "Quota details management support",
    "quotas": "Quota management support",
    "router": "Neutron L3 Router",
    "security-group": "security-group",
    "standard-attr-description": "standard-attr-description",
    "standard-attr-revisions": "Resource revision numbers",
    "standard-attr-timestamp": "Resource timestamps",
}


def extension(alias: str) -> dict[str, Any]:
    """An extension of the API."""
    name = EXTENSIONS[alias]
    return {
        "alias": alias,
        "name": name,
        "description": name,
        "updated": "2016-01-01T00:00:00-00:00",
        "links": [],
    }


def network(networks: Networks, shown: Network, *, is_admin: bool) -> dict[str, Any]:
    """A network; administrators see what carries it."""
    document = {
        **_row(shown),
        "status": "ACTIVE",
        "admin_state_up": shown.admin_state_up,
        "shared": shown.shared,
        "router:external": shown.external,
        "mtu": shown.mtu,
        "port_security_enabled": True,
        "availability_zone_hints": [],
        "availability_zones": [],
        "ipv4_address_scope": None,
        "ipv6_address_scope": None,
        "subnets": [subnet.id for subnet in networks.subnets_of(shown.id)],
    }
    if is_admin:
        document |= {
            "provider:network_type": shown.kind,
            "provider:physical_network": shown.physical,
            "provider:segmentation_id": shown.segment,
        }
    return document


def subnet(shown: Subnet) -> dict[str, Any]:
    """A subnet."""
    return {
        **_row(shown),
        "network_id": shown.network_id,
        "cidr": shown.cidr,
        "gateway_ip": shown.gateway_ip,
        "ip_version": shown.ip_version,
        "enable_dhcp": shown.enable_dhcp,
        "allocation_pools": shown.pools,
        "dns_nameservers": shown.dns,
        "host_routes": [],
        "subnetpool_id": None,
        "ipv6_address_mode": None,
        "ipv6_ra_mode": None,
    }


def port(shown: Port, *, is_admin: bool) -> dict[str, Any]:
    """A port; administrators see where it is bound."""
    document = {
        **_row(shown),
        "network_id": shown.network_id,
        "mac_address": shown.mac,
        "device_id": shown.device_id,
        "device_owner": shown.device_owner,
        "status": shown.status,
        "admin_state_up": shown.admin_state_up,
        "fixed_ips": shown.addresses,
        "security_groups": shown.groups,
        "allowed_address_pairs": [],
        "extra_dhcp_opts": [],
        "port_security_enabled": True,
        "binding:vnic_type": shown.vnic_type,
    }
    if is_admin:
        document |= {
            "binding:host_id": shown.host,
            "binding:profile": {},
            "binding:vif_type": "ovs" if shown.host else "unbound",
            "binding:vif_details": {"port_filter": True} if shown.host else {},
        }
    return document


def group(networks: Networks, shown: SecurityGroup) -> dict[str, Any]:
    """A security group with its rules."""
    rules = [rule(found) for found in networks.rules_of(shown.id)]
    return {**_row(shown), "stateful": True, "shared": False, "security_group_rules": rules}


def rule(shown: Rule) -> dict[str, Any]:
    """A rule of a security group."""
    document = _row(shown)
    del document["name"]
    return {
        **document,
        "security_group_id": shown.security_group_id,
        "direction": shown.direction,
        "ethertype": shown.ethertype,
        "protocol": shown.protocol,
        "port_range_min": shown.port_range_min,
        "port_range_max": shown.port_range_max,
        "remote_ip_prefix": shown.remote_ip_prefix,
        "remote_group_id": shown.remote_group_id,
        "remote_address_group_id": None,
        "normalized_cidr": shown.remote_ip_prefix,
    }


def floating_ip(shown: FloatingIp) -> dict[str, Any]:
    """A floating address."""
    document = _row(shown)
    del document["name"]
    return {
        **document,
        "floating_network_id": shown.network_id,
        "floating_ip_address": shown.address,
        "port_id": shown.port_id,
        "fixed_ip_address": shown.fixed_ip_address,
        "router_id": shown.router_id,
        "status": "ACTIVE" if shown.port_id else "DOWN",
        "port_details": None,
    }


def router(networks: Networks, shown: Router) -> dict[str, Any]:
    """A router, with its gateway."""
    gateway = networks.routing.gateway(shown)
    leads_to = None
    if gateway is not None:
        leads_to = {
            "network_id": gateway.network_id,
            "external_fixed_ips": gateway.addresses,
            "enable_snat": True,
        }
    return {
        **_row(shown),
        "admin_state_up": True,
        "status": "ACTIVE",
        "external_gateway_info": leads_to,
        "availability_zones": ["nova"],
        "availability_zone_hints": [],
        "flavor_id": None,
        "routes": [],
    }


def _row(shown: Row) -> dict[str, Any]:
    return {
        "id": shown.id,
        "name": shown.name,
        "description": shown.description,
        "project_id": shown.project_id,
        "tenant_id": shown.project_id,
        "created_at": moment(shown.created_at, "Z"),
        "updated_at": moment(shown.updated_at, "Z"),
        "revision_number": shown.revision,
        "tags": [],
    }
