"""What a list of servers may be narrowed down to by its query."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from cloudmanager.simulators.openstack.compute.states import status_names, status_of
from cloudmanager.simulators.openstack.nova.paging import time_of
from cloudmanager.simulators.openstack.problems import Invalid

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudmanager.simulators.openstack.compute import Compute
    from cloudmanager.simulators.openstack.compute.rows import Server
    from cloudmanager.simulators.openstack.rest import Call

    Test = Callable[[Server], bool]

_ADMIN_FILTERS: dict[str, Callable[[Server], Any]] = {
    "host": lambda server: server.host,
    "node": lambda server: server.host,
    "hypervisor_hostname": lambda server: server.host,
    "user_id": lambda server: server.user_id,
    "vm_state": lambda server: server.vm_state,
    "task_state": lambda server: server.task_state,
    "reservation_id": lambda server: server.reservation_id,
    "launch_index": lambda server: str(server.launch_index),
    "power_state": lambda server: str(server.power_state),
    "key_name": lambda server: server.key_name,
}
_FILTERS: dict[str, Callable[[Server], Any]] = {
    "image": lambda server: server.image_id,
    "flavor": lambda server: server.flavor.id,
    "locked": lambda server: str(server.locked).lower(),
}


def filters(call: Call, compute: Compute) -> list[Test]:
    """What each server of the answer has to pass; what only administrators may ask is ignored for others."""
    query, tests = call.query, _times(call)
    known = _FILTERS | (_ADMIN_FILTERS if call.caller.is_admin else {})
    tests += [_equals(read, query[name]) for name, read in known.items() if name in query]
    if statuses := {status.upper() for status in call.request.values("status")}:
        real = {status for status in statuses if status_names(status)}
        tests.append(lambda server: status_of(server) in real)
    if "name" in query:
        pattern = _pattern(query["name"])
        tests.append(lambda server: pattern.search(server.name) is not None)
    if "tags" in query:
        tags = set(query["tags"].split(","))
        tests.append(lambda server: tags <= set(server.tags))
    if "ip" in query:
        tests.append(lambda server: any(query["ip"] in ip for ip in compute.plugs.ips(server)))
    if "availability_zone" in query:
        wanted = query["availability_zone"]
        tests.append(lambda s: s.host is not None and compute.hosts.zone_of(s.host) == wanted)
    return tests


def _times(call: Call) -> list[Test]:
    since, before = time_of(call, "changes-since"), time_of(call, "changes-before")
    tests: list[Test] = []
    if since is not None:
        tests.append(lambda server: server.updated_at >= since)
    if before is not None:
        tests.append(lambda server: server.updated_at <= before)
    return tests


def _equals(read: Callable[[Server], Any], wanted: str) -> Test:
    return lambda server: read(server) == (None if wanted in ("None", "") else wanted)


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as problem:
        raise Invalid(f"Invalid input for query parameters name. {problem}") from None
