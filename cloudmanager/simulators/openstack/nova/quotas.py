"""Calls about how much projects may have, and have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudmanager.simulators.http import Answer
from cloudmanager.simulators.openstack.compute.quotas import QUOTA
from cloudmanager.simulators.openstack.problems import Forbidden, Invalid

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudmanager.simulators.openstack.compute import Compute
    from cloudmanager.simulators.openstack.rest import Call

_ABSOLUTE = {
    "instances": ("maxTotalInstances", "totalInstancesUsed"),
    "cores": ("maxTotalCores", "totalCoresUsed"),
    "ram": ("maxTotalRAMSize", "totalRAMUsed"),
    "key_pairs": ("maxTotalKeypairs", ""),
    "metadata_items": ("maxServerMeta", ""),
    "server_groups": ("maxServerGroups", "totalServerGroupsUsed"),
    "server_group_members": ("maxServerGroupMembers", ""),
}
"""What `limits` calls each of them, and its use."""


class QuotaSets:
    """Answers about quotas."""

    def __init__(self, compute: Compute) -> None:
        self._compute = compute

    def routes(self) -> dict[str, Callable[[Call], Answer]]:
        """Its calls."""
        return {
            "GET limits": self._limits,
            "GET os-quota-sets/*": self._show,
            "GET os-quota-sets/*/detail": self._detail,
            "GET os-quota-sets/*/defaults": self._defaults,
            "PUT os-quota-sets/*": self._change,
        }

    def _limits(self, call: Call) -> Answer:
        project = call.caller.project_id
        limits, used = self._compute.quotas.limits(project), self._compute.quotas.usage(project)
        absolute = {most: limits[name] for name, (most, _) in _ABSOLUTE.items()}
        absolute |= {use: used[name] for name, (_, use) in _ABSOLUTE.items() if use}
        return Answer(200, {"limits": {"rate": [], "absolute": absolute}})

    def _show(self, call: Call) -> Answer:
        project = self._seen(call)
        return _answer(project, self._compute.quotas.limits(project))

    def _detail(self, call: Call) -> Answer:
        project = self._seen(call)
        limits, used = self._compute.quotas.limits(project), self._compute.quotas.usage(project)
        shown = {name: {"limit": limits[name], "in_use": used[name], "reserved": 0} for name in limits}
        return _answer(project, shown)

    def _defaults(self, call: Call) -> Answer:
        return _answer(call.name, QUOTA)

    def _change(self, call: Call) -> Answer:
        call.caller.must_have("admin", "os_compute_api:os-quota-sets:update")
        wanted = {name: value for name, value in call.wanted("quota_set").items() if name != "force"}
        for name, value in wanted.items():
            if name not in QUOTA:
                raise Invalid(
                    "Invalid input for field/attribute quota_set. Additional properties are not allowed "
                    f"('{name}' was unexpected)"
                )
            if not isinstance(value, int) or value < -1:
                raise Invalid(f"Invalid input for field/attribute {name}. Value: {value}.")
        self._compute.quotas.change(call.name, wanted)
        return Answer(200, {"quota_set": self._compute.quotas.limits(call.name)})

    def _seen(self, call: Call) -> str:
        """The project that is asked about, if it is the caller's or they may ask about all."""
        if not call.caller.sees(call.name):
            raise Forbidden("Policy doesn't allow os_compute_api:os-quota-sets:show to be performed.")
        return call.name


def _answer(project: str, shown: dict[str, Any]) -> Answer:
    return Answer(200, {"quota_set": {"id": project, **shown}})
