"""Routers between the networks of tenants and external ones: floating addresses lead through them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.simulators.openstack.networks.rows import Router
from cloudmanager.simulators.openstack.problems import Conflict, Invalid, NotThere

if TYPE_CHECKING:
    from cloudmanager.simulators.openstack.networks.networks import Networks
    from cloudmanager.simulators.openstack.networks.rows import FloatingIp, Network, Port, Subnet

INTERFACE, GATEWAY = "network:router_interface", "network:router_gateway"
_AGENT = "network-node"  # where the ports of routers are bound


class Routing:
    """What routers are plugged into is told by their ports, as in Neutron."""

    def __init__(self, networks: Networks) -> None:
        self._networks = networks

    def add(
        self, name: str, project_id: str, *, outside: Network | None = None, description: str = ""
    ) -> Router:
        """Make a router, with a gateway to an external network."""
        made = self._networks.keep_router(Router(name=name, project_id=project_id, description=description))
        if outside is not None:
            self.set_gateway(made, outside)
        return made

    def remove(self, router: Router) -> None:
        """Remove a router that is plugged into no subnet."""
        if self._ports(router, INTERFACE):
            raise Conflict(f"Router {router.id} still has ports", "RouterInUse")
        self.set_gateway(router, None)
        del self._networks.routers[router.id]

    def set_gateway(self, router: Router, outside: Network | None) -> None:
        """Let a router lead to an external network, or to none."""
        old = self.gateway(router)
        if outside is not None and not outside.external:
            message = f"Bad router request: Network {outside.id} is not an external network."
            raise Invalid(message, "BadRequest")
        if old is not None and outside is not None and old.network_id == outside.id:
            return
        if old is not None:
            if self._floating_through(router):
                message = f"Gateway cannot be updated for router {router.id}, since a gateway to external "
                message += f"network {old.network_id} is required by one or more floating IPs."
                raise Conflict(message, "RouterExternalGatewayInUseByFloatingIp")
            self._networks.delete_port(old)
        if outside is not None:
            self._networks.create_port(
                outside.id, "", groups=[], device_id=router.id, device_owner=GATEWAY, host=_AGENT
            )
        self._networks.touch(router)

    def plug(self, router: Router, subnet: Subnet) -> Port:
        """Let a router be the gateway of a subnet."""
        if any(subnet.id in _subnets(port) for port in self._ports(router, INTERFACE)):
            message = f"Bad router request: Router already has a port on subnet {subnet.id}."
            raise Invalid(message, "BadRequest")
        return self._networks.create_port(
            subnet.network_id,
            router.project_id,
            address=subnet.gateway_ip,
            groups=[],
            device_id=router.id,
            device_owner=INTERFACE,
            host=_AGENT,
        )

    def unplug(self, router: Router, subnet: Subnet) -> Port:
        """Take a router from a subnet; answers the port that was there."""
        for port in self._ports(router, INTERFACE):
            if subnet.id in _subnets(port):
                used = self._floating_through(router)
                if any(subnet.id in _subnets(self._networks.port(row.port_id or "")) for row in used):
                    message = f"Router interface for subnet {subnet.id} on router {router.id} cannot be "
                    message += "deleted, as it is required by one or more floating IPs."
                    raise Conflict(message, "RouterInterfaceInUseByFloatingIP")
                self._networks.delete_port(port)
                return port
        message = f"Router {router.id} has no interface on subnet {subnet.id}"
        raise NotThere(message, "RouterInterfaceNotFoundForSubnet")

    def gateway(self, router: Router) -> Port | None:
        """The port through which a router leads outside."""
        return next(iter(self._ports(router, GATEWAY)), None)

    def way(self, network_id: str, port: Port) -> Router:
        """The router from an external network to a port; `NotThere` in Neutron's words without one."""
        inside = _subnets(port)
        for router in self._networks.routers.values():
            outer = self.gateway(router)
            plugged = {subnet for each in self._ports(router, INTERFACE) for subnet in _subnets(each)}
            if outer is not None and outer.network_id == network_id and inside & plugged:
                return router
        raise NotThere(
            f"External network {network_id} is not reachable from subnet {', '.join(sorted(inside))}.  "
            f"Therefore, cannot associate Port {port.id} with a Floating IP.",
            "ExternalGatewayForFloatingIPNotFound",
        )

    def _ports(self, router: Router, owner: str) -> list[Port]:
        return [port for port in self._networks.ports_of(router.id) if port.device_owner == owner]

    def _floating_through(self, router: Router) -> list[FloatingIp]:
        return [row for row in self._networks.floating.values() if row.router_id == router.id]


def _subnets(port: Port) -> set[str]:
    return {address["subnet_id"] for address in port.addresses}
