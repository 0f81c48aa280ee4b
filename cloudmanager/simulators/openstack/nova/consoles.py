"""Calls for consoles of servers: addresses for a browser, each with a token of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.simulators.http import Answer
from cloudmanager.simulators.openstack.compute.rows import new_id
from cloudmanager.simulators.openstack.nova.servers import find_server
from cloudmanager.simulators.openstack.problems import Conflict, Invalid, NotThere

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudmanager.simulators.openstack.compute import Compute
    from cloudmanager.simulators.openstack.rest import Call

_PROTOCOLS = {"novnc": "vnc", "spice-html5": "spice", "serial": "serial", "rdp-html5": "rdp"}
_FIRST_VERSION = (2, 6)
_PAGE = "http://127.0.0.1:6080/vnc_auto.html?path=%3Ftoken%3D"


class Consoles:
    """Answers for consoles. As with the libvirt of most sites, there is VNC alone; nobody serves its page."""

    def __init__(self, compute: Compute) -> None:
        self._compute = compute

    def routes(self) -> dict[str, Callable[[Call], Answer]]:
        """Its only call."""
        return {"POST servers/*/remote-consoles": self._open}

    def _open(self, call: Call) -> Answer:
        if call.version < _FIRST_VERSION:
            raise NotThere("The resource could not be found.")
        server = find_server(self._compute, call)
        call.caller.must_have("member", "os_compute_api:os-remote-consoles")
        wanted = call.wanted("remote_console")
        protocol, kind = wanted.get("protocol"), str(wanted.get("type"))
        if _PROTOCOLS.get(kind) != protocol:
            raise Invalid(f"Invalid input for field/attribute type. Value: {kind}.")
        if server.host is None or self._compute.hosts.reach(server.host) is None:
            raise Conflict(f"Instance {server.id} is not ready")
        if kind != "novnc":
            raise Invalid(f"Unavailable console type {kind}.")
        shown = {"protocol": protocol, "type": kind, "url": f"{_PAGE}{new_id()}"}
        return Answer(200, {"remote_console": shown})
