"""The Compute API v2.1 on a real socket: versions, errors, and the calls of all its parts."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from cloudmanager.simulators.http import Answer
from cloudmanager.simulators.openstack.nova import versions
from cloudmanager.simulators.openstack.nova.administration import Administration
from cloudmanager.simulators.openstack.nova.consoles import Consoles
from cloudmanager.simulators.openstack.nova.creation import Creation
from cloudmanager.simulators.openstack.nova.devices import Devices
from cloudmanager.simulators.openstack.nova.moves import Moves
from cloudmanager.simulators.openstack.nova.quotas import QuotaSets
from cloudmanager.simulators.openstack.nova.server_actions import ServerActions
from cloudmanager.simulators.openstack.nova.servers import Servers
from cloudmanager.simulators.openstack.nova.sizes import Sizes
from cloudmanager.simulators.openstack.problems import NoSuchMethod, NotThere
from cloudmanager.simulators.openstack.rest import RestService

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudmanager.simulators.keystone.identity import Identity
    from cloudmanager.simulators.openstack.compute import Compute
    from cloudmanager.simulators.openstack.problems import Problem
    from cloudmanager.simulators.openstack.rest import Call

_FAULT_NAMES = {
    400: "badRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "itemNotFound",
    406: "computeFault",
    409: "conflictingRequest",
    413: "overLimit",
    503: "serviceUnavailable",
}
_PROJECT = re.compile(r"[0-9a-f]{32}")


class Nova(RestService):
    """A server for `Compute`."""

    name = "nova"
    kind = "compute"
    mount = "/v2.1"
    request_id_headers = ("X-Openstack-Request-Id", "X-Compute-Request-Id")

    def __init__(self, compute: Compute, identity: Identity) -> None:
        self.compute = compute
        self._parts = (
            Servers(compute),
            Creation(compute),
            ServerActions(compute),
            Moves(compute),
            Devices(compute),
            Sizes(compute),
            QuotaSets(compute),
            Consoles(compute),
            Administration(compute),
        )
        super().__init__(identity)

    def routes(self) -> dict[str, Callable[[Call], Answer]]:
        """The calls of all parts."""
        return {route: handler for part in self._parts for route, handler in part.routes().items()}

    def versions(self, path: str) -> Answer | None:
        """The list of versions at the root, the only one at the address of the catalogue."""
        shown = versions.document(self.url)
        if path == "":
            return Answer(200, {"versions": [{k: v for k, v in shown.items() if k != "media-types"}]})
        return Answer(200, {"version": shown}) if path == "/v2.1" else None

    def refusal(self, problem: Problem) -> Answer:
        """An object named after the kind of refusal."""
        status = NotThere.status if isinstance(problem, NoSuchMethod) else problem.status  # Nova's routes
        name = _FAULT_NAMES.get(status, "computeFault")
        return Answer(status, {name: {"code": status, "message": str(problem)}})

    def prepared(self, call: Call) -> tuple[Call, str]:
        """Find the version; a project in the path has to be the caller's."""
        path = call.request.path.strip("/").removeprefix("v2.1/")
        first, _, rest = path.partition("/")
        if _PROJECT.fullmatch(first):
            path = rest
        return replace(call, version=versions.asked(call.request)), path

    def finished(self, call: Call, answer: Answer) -> Answer:
        """Say which version was spoken, in both headers."""
        spoken = f"{call.version[0]}.{call.version[1]}"
        said = {
            "OpenStack-API-Version": f"compute {spoken}",
            "X-OpenStack-Nova-API-Version": spoken,
            "Vary": "OpenStack-API-Version, X-OpenStack-Nova-API-Version",
        }
        return replace(answer, headers={**answer.headers, **said})
