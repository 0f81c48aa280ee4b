"""The Block Storage API v3 on a real socket: versions, errors, and the calls of all its parts."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from cloudmanager.simulators.http import Answer
from cloudmanager.simulators.openstack.problems import Invalid, NotAcceptable
from cloudmanager.simulators.openstack.rest import RestService, microversion
from cloudmanager.simulators.openstack.volumes import shapes
from cloudmanager.simulators.openstack.volumes.administration import Administration
from cloudmanager.simulators.openstack.volumes.attaching import Attaching
from cloudmanager.simulators.openstack.volumes.copies import Copies
from cloudmanager.simulators.openstack.volumes.disks import Disks

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudmanager.simulators.keystone.identity import Identity
    from cloudmanager.simulators.openstack.images import Images
    from cloudmanager.simulators.openstack.problems import Problem
    from cloudmanager.simulators.openstack.rest import Call
    from cloudmanager.simulators.openstack.volumes.volumes import Volumes

_FAULT_NAMES = {
    400: "badRequest",
    403: "forbidden",
    404: "itemNotFound",
    405: "badMethod",
    409: "conflictingRequest",
    413: "overLimit",
}
_PROJECT = re.compile(r"[0-9a-f]{32}")


class Cinder(RestService):
    """A server for `Volumes`; those that are made of an image ask `Images` for it."""

    name = "cinder"
    kind = "block-storage"
    mount = "/v3"

    def __init__(self, volumes: Volumes, images: Images, identity: Identity) -> None:
        self.volumes = volumes
        attaching = Attaching(volumes, identity)
        self._parts = (
            Disks(volumes, images, self._base, attaching.actions()),
            attaching,
            Copies(volumes, self._base),
            Administration(volumes),
        )
        super().__init__(identity)

    def routes(self) -> dict[str, Callable[[Call], Answer]]:
        """The calls of all parts."""
        return {route: handler for part in self._parts for route, handler in part.routes().items()}

    def versions(self, path: str) -> Answer | None:
        """The only version, at both addresses at which clients look for it."""
        if path in ("", "/v3"):
            return Answer(300 if path == "" else 200, {"versions": [shapes.version(self.url)]})
        return None

    def refusal(self, problem: Problem) -> Answer:
        """An object named after the kind of refusal."""
        name = _FAULT_NAMES.get(problem.status, "computeFault")
        return Answer(problem.status, {name: {"code": problem.status, "message": str(problem)}})

    def prepared(self, call: Call) -> tuple[Call, str]:
        """Find the version; a project in the path has to be the caller's."""
        version = microversion(call.request, "volume", shapes.OLDEST, shapes.NEWEST)
        if not shapes.OLDEST <= version <= shapes.NEWEST:
            raise NotAcceptable(
                f"Version {version[0]}.{version[1]} is not supported by the API. Minimum is 3.0 and maximum "
                f"is {shapes.NEWEST[0]}.{shapes.NEWEST[1]}."
            )
        path = call.request.path.strip("/").removeprefix("v3/")
        first, _, rest = path.partition("/")
        if _PROJECT.fullmatch(first):
            if first != call.caller.project_id:
                raise Invalid("Malformed request url")
            path = rest
        return replace(call, version=version), path

    def finished(self, call: Call, answer: Answer) -> Answer:
        """Say which version was spoken."""
        spoken = f"volume {call.version[0]}.{call.version[1]}"
        said = {"OpenStack-API-Version": spoken, "Vary": "OpenStack-API-Version"}
        return replace(answer, headers={**answer.headers, **said})

    def _base(self) -> str:
        return self.url
