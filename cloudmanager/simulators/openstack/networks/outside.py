"""Calls about the way outside: routers and floating addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudmanager.simulators.http import Answer
from cloudmanager.simulators.openstack.problems import Invalid

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudmanager.simulators.openstack.networks.rows import FloatingIp, Network, Port, Router, Subnet
    from cloudmanager.simulators.openstack.networks.service import Neutron
    from cloudmanager.simulators.openstack.rest import Call

_GATEWAY = "external_gateway_info"


class Outside:
    """Answers for a `Neutron`."""

    def __init__(self, neutron: Neutron) -> None:
        self._neutron = neutron
        self._networks = neutron.networks

    def routes(self) -> dict[str, Callable[[Call], Answer]]:
        """Its calls."""
        return {
            "GET v2.0/floatingips": self._list_floating,
            "POST v2.0/floatingips": self._create_floating,
            "GET v2.0/floatingips/*": self._show_floating,
            "PUT v2.0/floatingips/*": self._update_floating,
            "DELETE v2.0/floatingips/*": self._delete_floating,
            "GET v2.0/routers": self._list_routers,
            "POST v2.0/routers": self._create_router,
            "GET v2.0/routers/*": self._show_router,
            "PUT v2.0/routers/*": self._update_router,
            "DELETE v2.0/routers/*": self._delete_router,
            "PUT v2.0/routers/*/add_router_interface": self._plug,
            "PUT v2.0/routers/*/remove_router_interface": self._unplug,
        }

    # --- floating addresses ---------------------------------------------------------------------------------

    def _list_floating(self, call: Call) -> Answer:
        return self._neutron.listed("floatingips", self._networks.floating.values(), call)

    def _create_floating(self, call: Call) -> Answer:
        asked = call.wanted("floatingip")
        port = self._asked_port(asked, call)
        made = self._networks.add_floating_ip(
            str(asked.get("floating_network_id")),
            self._neutron.project(asked, call),
            port=port,
            description=asked.get("description") or "",
        )
        return self._neutron.show("floatingip", made, call, 201)

    def _show_floating(self, call: Call) -> Answer:
        return self._neutron.show("floatingip", self._floating(call), call)

    def _update_floating(self, call: Call) -> Answer:
        floating, asked = self._floating(call), call.wanted("floatingip")
        if "port_id" in asked:
            self._networks.point(floating, self._asked_port(asked, call))
        if "description" in asked:
            floating.description = asked["description"] or ""
            self._networks.touch(floating)
        return self._neutron.show("floatingip", floating, call)

    def _delete_floating(self, call: Call) -> Answer:
        del self._networks.floating[self._floating(call).id]
        return Answer(204)

    def _asked_port(self, asked: dict[str, Any], call: Call) -> Port | None:
        key = asked.get("port_id")
        return self._neutron.seen(self._networks.port(key), call) if key else None

    def _floating(self, call: Call) -> FloatingIp:
        return self._neutron.seen(self._networks.floating_ip(call.name), call)

    # --- routers --------------------------------------------------------------------------------------------

    def _list_routers(self, call: Call) -> Answer:
        return self._neutron.listed("routers", self._networks.routers.values(), call)

    def _create_router(self, call: Call) -> Answer:
        asked = call.wanted("router")
        outside = self._asked_network(asked, call)
        made = self._networks.routing.add(
            asked.get("name") or "",
            self._neutron.project(asked, call),
            outside=outside,
            description=asked.get("description") or "",
        )
        return self._neutron.show("router", made, call, 201)

    def _show_router(self, call: Call) -> Answer:
        return self._neutron.show("router", self._router(call), call)

    def _update_router(self, call: Call) -> Answer:
        router, asked = self._router(call), call.wanted("router")
        if _GATEWAY in asked:
            self._networks.routing.set_gateway(router, self._asked_network(asked, call))
        for name in ("name", "description"):
            if name in asked:
                setattr(router, name, asked[name])
                self._networks.touch(router)
        return self._neutron.show("router", router, call)

    def _delete_router(self, call: Call) -> Answer:
        self._networks.routing.remove(self._router(call))
        return Answer(204)

    def _plug(self, call: Call) -> Answer:
        router, subnet = self._router(call), self._asked_subnet(call)
        return _plugged(router, subnet, self._networks.routing.plug(router, subnet))

    def _unplug(self, call: Call) -> Answer:
        router, subnet = self._router(call), self._asked_subnet(call)
        return _plugged(router, subnet, self._networks.routing.unplug(router, subnet))

    def _router(self, call: Call) -> Router:
        return self._neutron.seen(self._networks.router(call.name), call)

    def _asked_network(self, asked: dict[str, Any], call: Call) -> Network | None:
        key = (asked.get(_GATEWAY) or {}).get("network_id")
        return self._neutron.seen(self._networks.network(key), call) if key else None

    def _asked_subnet(self, call: Call) -> Subnet:
        """The subnet, also that of a port."""
        asked = call.body()
        key = asked.get("subnet_id")
        if not key and asked.get("port_id"):
            port = self._neutron.seen(self._networks.port(str(asked["port_id"])), call)
            key = next((address["subnet_id"] for address in port.addresses), None)
        if not key:
            message = "Bad router request: Either subnet_id or port_id must be specified."
            raise Invalid(message, "BadRequest")
        return self._neutron.seen(self._networks.subnet(str(key)), call)


def _plugged(router: Router, subnet: Subnet, port: Port) -> Answer:
    document = {
        "id": router.id,
        "subnet_id": subnet.id,
        "subnet_ids": [subnet.id],
        "port_id": port.id,
        "network_id": port.network_id,
        "project_id": router.project_id,
        "tenant_id": router.project_id,
        "tags": [],
    }
    return Answer(200, document)
