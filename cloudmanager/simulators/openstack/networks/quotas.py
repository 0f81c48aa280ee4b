"""Calls about how much of Neutron's a project may have, and has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudmanager.simulators.http import Answer
from cloudmanager.simulators.openstack.problems import Conflict, Forbidden, Invalid

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudmanager.simulators.openstack.networks.networks import Networks
    from cloudmanager.simulators.openstack.rest import Call

QUOTA = {
    "network": 100,
    "subnet": 100,
    "port": 500,
    "router": 10,
    "floatingip": 50,
    "security_group": 10,
    "security_group_rule": 100,
}
"""Neutron's defaults. -1 is no limit."""

_TABLES = {
    "network": "networks",
    "subnet": "subnets",
    "port": "ports",
    "router": "routers",
    "floatingip": "floating",
    "security_group": "groups",
    "security_group_rule": "rules",
}


class Quotas:
    """Counts, answers, and refuses what is too much. What Nova makes for servers is not refused."""

    def __init__(self, networks: Networks) -> None:
        self._networks = networks

    def routes(self) -> dict[str, Callable[[Call], Answer]]:
        """Its calls."""
        return {
            "GET v2.0/quotas/*": self._show,
            "GET v2.0/quotas/*/default": self._defaults,
            "GET v2.0/quotas/*/details": self._details,
            "PUT v2.0/quotas/*": self._change,
            "DELETE v2.0/quotas/*": self._forget,
        }

    def check(self, noun: str, project_id: str) -> None:
        """`Conflict` when one more is too much."""
        limit = self._limits(project_id).get(noun, -1)
        if 0 <= limit <= self._used(noun, project_id):
            raise Conflict(f"Quota exceeded for resources: ['{noun}'].", "OverQuota")

    def _limits(self, project_id: str) -> dict[str, int]:
        return QUOTA | self._networks.quotas.get(project_id, {})

    def _used(self, noun: str, project_id: str) -> int:
        rows = getattr(self._networks, _TABLES[noun]).values()
        return sum(row.project_id == project_id for row in rows)

    def _show(self, call: Call) -> Answer:
        return Answer(200, {"quota": self._limits(self._seen(call))})

    def _defaults(self, _call: Call) -> Answer:
        return Answer(200, {"quota": QUOTA})

    def _details(self, call: Call) -> Answer:
        project = self._seen(call)
        shown = {
            noun: {"limit": limit, "used": self._used(noun, project), "reserved": 0}
            for noun, limit in self._limits(project).items()
        }
        return Answer(200, {"quota": shown})

    def _change(self, call: Call) -> Answer:
        _must_be_admin(call, "update_quota")
        limits: dict[str, Any] = call.wanted("quota")
        for noun, limit in limits.items():
            if noun not in QUOTA or not isinstance(limit, int):
                raise Invalid(f"Invalid input for {noun}. Reason: '{limit}' is no quota.", "HTTPBadRequest")
        self._networks.quotas[call.name] = self._networks.quotas.get(call.name, {}) | limits
        return Answer(200, {"quota": self._limits(call.name)})

    def _forget(self, call: Call) -> Answer:
        _must_be_admin(call, "delete_quota")
        self._networks.quotas.pop(call.name, None)
        return Answer(204)

    def _seen(self, call: Call) -> str:
        """The project that is asked about, if it is the caller's or they may ask about all."""
        if not call.caller.sees(call.name):
            _must_be_admin(call, "get_quota")
        return call.name


def _must_be_admin(call: Call, rule: str) -> None:
    if not call.caller.is_admin:
        raise Forbidden(f"rule:{rule} is disallowed by policy", "PolicyNotAuthorized")
