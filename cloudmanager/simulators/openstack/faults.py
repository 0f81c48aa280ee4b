"""Faults of a cloud by the name of its service: those of the wire, and operations that go wrong inside.

`fail` names an operation (for Cinder and Glance a list of them); for Nova it comes with what else
`compute.faults.Fault` takes, and adds to the faults that are there. `bus_broken` is Nova's too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudmanager.simulators.faults import BadFault
from cloudmanager.simulators.http_faults import HttpFaults
from cloudmanager.simulators.openstack.compute.faults import UnknownFault
from cloudmanager.simulators.openstack.images.images import OPERATIONS as OF_IMAGES
from cloudmanager.simulators.openstack.volumes.volumes import OPERATIONS as OF_VOLUMES
from cloudmanager.simulators.world import UnknownName

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudmanager.simulators.openstack.cloud import OpenStack, Server

FAIL = "fail"
BUS_BROKEN = "bus_broken"


def set_faults(cloud: OpenStack, name: str, changes: dict[str, Any]) -> dict[str, Any]:
    """Change some faults of a service and answer all; `BadFault` names a key or value that is wrong."""
    server = _server(cloud, name)
    changes = dict(changes)
    match name:
        case "cinder" if FAIL in changes:
            cloud.volumes.failing = _operations(changes.pop(FAIL), OF_VOLUMES)
        case "glance" if FAIL in changes:
            cloud.images.failing = _operations(changes.pop(FAIL), OF_IMAGES)
        case "nova":
            _set_novas(cloud, changes)
    server.faults = server.faults.changed(**changes)
    return shown(cloud, name)


def heal(cloud: OpenStack, name: str | None = None) -> None:
    """Take all faults from one service, or from all."""
    for each in cloud.servers if name is None else (name,):
        _server(cloud, each).faults = HttpFaults()
        match each:
            case "cinder":
                cloud.volumes.failing = frozenset()
            case "glance":
                cloud.images.failing = frozenset()
            case "nova":
                cloud.compute.faults.clear()
                cloud.compute.hosts.break_bus(broken=False)


def shown(cloud: OpenStack, name: str) -> dict[str, Any]:
    """What is wrong with a service; nothing of what is not."""
    inside: dict[str, Any] = {}
    match name:
        case "cinder":
            inside = {FAIL: sorted(cloud.volumes.failing)}
        case "glance":
            inside = {FAIL: sorted(cloud.images.failing)}
        case "nova":
            found = cloud.compute.faults
            inside = {FAIL: [row.operation for row in found.operations], BUS_BROKEN: found.bus_broken}
    wire = _server(cloud, name).faults.to_dict()
    return {**wire, **{key: value for key, value in inside.items() if value}}


def _server(cloud: OpenStack, name: str) -> Server:
    try:
        return cloud.servers[name]
    except KeyError:
        raise UnknownName(f"there is no service {name!r}; known are {', '.join(cloud.servers)}") from None


def _set_novas(cloud: OpenStack, changes: dict[str, Any]) -> None:
    """Take out of `changes` what is Nova's own."""
    if BUS_BROKEN in changes:
        cloud.compute.hosts.break_bus(broken=changes.pop(BUS_BROKEN) is True)
    if FAIL in changes:
        operation, how = changes.pop(FAIL), dict(changes)
        changes.clear()
        try:
            cloud.compute.faults.add(operation, **how)
        except (UnknownFault, TypeError) as problem:
            raise BadFault(str(problem)) from None


def _operations(value: object, known: Sequence[str]) -> frozenset[str]:
    named = [value] if isinstance(value, str) else value
    if not isinstance(named, list) or not set(named) <= set(known):
        raise BadFault(f"fault {FAIL} cannot be {value!r}; known are {', '.join(known)}")
    return frozenset(named)
