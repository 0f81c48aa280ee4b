"""What Neutron says and is told in a tenant's project."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.errors import CloudRefused, NotFound
from cloudmanager.openstack.calls import segment
from cloudmanager.openstack.definitions import Made
from cloudmanager.openstack.records import Accepted
from cloudmanager.openstack.tenant_records import (
    UNLIMITED,
    Allowance,
    FloatingIp,
    Network,
    Port,
    SecurityGroup,
)
from cloudmanager.openstack.tenant_servers import TenantServers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

_THERE_ALREADY = 409
_ALLOWANCES = {"floating_ips": "floatingip", "security_groups": "security_group"}


class TenantNetworks(TenantServers):
    """Networks, security groups and public addresses of one project."""

    async def networks(self) -> Sequence[Network]:
        """The networks that the project sees: its own, shared ones, and external ones."""
        found = await self._neutron.pages("networks", "networks", "networks", {})
        return tuple(
            Network(body["id"], body.get("name") or "", bool(body.get("router:external")))
            for body in found
            if body.get("shared") or body.get("router:external") or self._is_own(body)
        )

    async def ports(self, server_id: str) -> Sequence[Port]:
        """Where a server is plugged in."""
        found = await self._neutron.pages("ports", "ports", "ports", {"device_id": server_id})
        return tuple(
            Port(
                body["id"],
                body["network_id"],
                tuple(address["ip_address"] for address in body.get("fixed_ips") or ()),
            )
            for body in found
            if self._is_own(body)
        )

    def _is_own(self, body: Mapping[str, Any]) -> bool:
        return (body.get("project_id") or body.get("tenant_id")) == self.project_id

    # --- security groups ------------------------------------------------------------------------------------

    async def security_groups(self) -> Sequence[SecurityGroup]:
        """The security groups of the project."""
        found = await self._neutron.pages("security_groups", "security-groups", "security_groups", {})
        return tuple(
            SecurityGroup(body["id"], body["name"], body.get("description") or "")
            for body in found
            if self._is_own(body)
        )

    async def create_security_group(self, name: str, mark: str) -> Made:
        """Make a group that lets nothing in. Asked twice it makes two."""
        body = {"security_group": {"name": name, "description": mark}}
        answer = await self._neutron.call("create_security_group", "POST", "security-groups", body=body)
        return Made(answer.part("security_group")["id"], answer.request_id)

    async def let_in(self, group_id: str, port: int, source: str) -> Accepted:
        """Let a group take TCP on a port from a network; one that does has been let."""
        rule = {
            "security_group_id": group_id,
            "direction": "ingress",
            "ethertype": "IPv6" if ":" in source else "IPv4",
            "protocol": "tcp",
            "port_range_min": port,
            "port_range_max": port,
            "remote_ip_prefix": source,
        }
        body = {"security_group_rule": rule}
        try:
            return (await self._neutron.call("let_in", "POST", "security-group-rules", body=body)).accepted
        except CloudRefused as refused:
            if refused.status != _THERE_ALREADY or not await self._lets_in(rule):
                raise
            return Accepted(refused.request_id)

    async def _lets_in(self, rule: Mapping[str, Any]) -> bool:
        """Whether a rule is there: 409 is also what a full quota gives."""
        query = {"security_group_id": rule["security_group_id"]}
        path, key = "security-group-rules", "security_group_rules"
        found = await self._neutron.pages("let_in", path, key, query)
        return any(all(body.get(name) == value for name, value in rule.items()) for body in found)

    async def delete_security_group(self, group_id: str) -> Accepted:
        """Remove a group; one that is gone is removed."""
        return await self._remove("delete_security_group", f"security-groups/{segment(group_id)}")

    # --- public addresses -----------------------------------------------------------------------------------

    async def floating_ips(self) -> Sequence[FloatingIp]:
        """The public addresses of the project; a Neutron without routers knows none."""
        try:
            found = await self._neutron.pages("floating_ips", "floatingips", "floatingips", {})
        except NotFound:
            return ()
        return tuple(_floating_ip_from(body) for body in found if self._is_own(body))

    async def create_floating_ip(self, network_id: str, port_id: str, mark: str) -> FloatingIp:
        """Take a public address that leads to a port. Asked twice it takes two: look for the mark."""
        wish = {"floating_network_id": network_id, "port_id": port_id, "description": mark}
        body = {"floatingip": wish}
        answer = await self._neutron.call("create_floating_ip", "POST", "floatingips", body=body)
        return _floating_ip_from(answer.part("floatingip"))

    async def delete_floating_ip(self, floating_ip_id: str) -> Accepted:
        """Give a public address back; one that is gone is given back."""
        return await self._remove("delete_floating_ip", f"floatingips/{segment(floating_ip_id)}")

    async def unplug_floating_ip(self, floating_ip_id: str) -> Accepted:
        """Let a public address lead nowhere; the project keeps it."""
        path, body = f"floatingips/{segment(floating_ip_id)}", {"floatingip": {"port_id": None}}
        answer = await self._neutron.call("unplug_floating_ip", "PUT", path, body=body, repeat=True)
        return answer.accepted

    async def _remove(self, verb: str, path: str) -> Accepted:
        try:
            return (await self._neutron.call(verb, "DELETE", path, repeat=True)).accepted
        except NotFound:
            return Accepted(None)

    # --- quotas ---------------------------------------------------------------------------------------------

    async def network_allowances(self) -> Mapping[str, Allowance]:
        """Of `floating_ips` and `security_groups`; nothing where Neutron lacks the extension."""
        path = f"quotas/{segment(self.project_id)}/details"
        try:
            told = (await self._neutron.get("network_allowances", path)).part("quota")
        except NotFound:
            return {}
        return {name: _allowance(told[key]) for name, key in _ALLOWANCES.items() if key in told}


def _allowance(told: Mapping[str, Any]) -> Allowance:
    limit = told["limit"]
    return Allowance(None if limit == UNLIMITED else limit, told.get("used"))


def _floating_ip_from(body: Mapping[str, Any]) -> FloatingIp:
    return FloatingIp(
        body["id"], body["floating_ip_address"], body.get("port_id"), body.get("description") or ""
    )
