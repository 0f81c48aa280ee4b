"""What Nova and Placement say of hosts, and what Nova is told of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudmanager.errors import CloudRefused, NotFound
from cloudmanager.openstack.calls import segment
from cloudmanager.openstack.part import Part
from cloudmanager.openstack.records import Accepted, AllocationRatios
from cloudmanager.openstack.shapes import aggregate_from, hypervisor_from, service_from, stock_from
from cloudmanager.openstack.versions import HYPERVISORS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloudmanager.openstack.records import Aggregate, Hypervisor, Service, Stock

_BINARY = "nova-compute"
_TRAITS = "1.6"
"""The version of Placement that knows them."""


class Hosts(Part):
    """Services, hypervisors, aggregates."""

    async def services(self, *, max_age: float = 0.0) -> Sequence[Service]:
        """All nova-computes."""
        return await self._shared.ask("services", self._services, max_age)

    async def _services(self) -> tuple[Service, ...]:
        answer = await self._nova.get("services", "os-services", {"binary": _BINARY})
        return tuple(service_from(body) for body in answer.part("services"))

    async def service(self, host: str) -> Service:
        """The nova-compute of a host."""
        answer = await self._nova.get("service", "os-services", {"binary": _BINARY, "host": host})
        for body in answer.part("services"):
            if body["host"] == host:
                return service_from(body)
        raise NotFound(f"Nova knows no nova-compute on host {host}")

    async def hypervisors(self, *, max_age: float = 0.0) -> Sequence[Hypervisor]:
        """All compute nodes, with what they have and what is used of it."""
        return await self._shared.ask("hypervisors", self._hypervisors, max_age)

    async def _hypervisors(self) -> tuple[Hypervisor, ...]:
        return tuple(hypervisor_from(body) for body in await self._in_detail("hypervisors"))

    async def hypervisor_record(self, hypervisor_id: str) -> Mapping[str, Any]:
        """A compute node in Nova's own words, with cpu_info."""
        path = f"os-hypervisors/{segment(hypervisor_id)}"
        answer = await self._nova.get("hypervisor_record", path, speech=HYPERVISORS)
        record: Mapping[str, Any] = answer.part("hypervisor")
        return record

    async def hypervisor_records(self) -> Mapping[str, Mapping[str, Any]]:
        """{id: the same}, of all compute nodes."""
        return {str(body["id"]): body for body in await self._in_detail("hypervisor_records")}

    async def _in_detail(self, verb: str) -> list[Any]:
        return await self._nova.pages(verb, "os-hypervisors/detail", "hypervisors", {}, speech=HYPERVISORS)

    async def aggregates(self) -> Sequence[Aggregate]:
        """All aggregates."""
        answer = await self._nova.get("aggregates", "os-aggregates")
        return tuple(aggregate_from(body) for body in answer.part("aggregates"))

    async def join_aggregate(self, aggregate_id: int, host: str) -> Accepted:
        """Put a host into an aggregate; one that is in it has joined."""
        return await self._act_on_aggregate("join_aggregate", "add_host", aggregate_id, host, wanted=True)

    async def leave_aggregate(self, aggregate_id: int, host: str) -> Accepted:
        """Take a host out of an aggregate; one that is not in it has left."""
        return await self._act_on_aggregate(
            "leave_aggregate", "remove_host", aggregate_id, host, wanted=False
        )

    async def _act_on_aggregate(
        self, verb: str, action: str, aggregate_id: int, host: str, *, wanted: bool
    ) -> Accepted:
        """Nova refuses what is so already, in words that change with its version: look first, and again."""
        if await self._is_member(aggregate_id, host) is wanted:
            return Accepted(None)
        path = f"os-aggregates/{aggregate_id}/action"
        try:
            return (await self._nova.call(verb, "POST", path, body={action: {"host": host}})).accepted
        except (CloudRefused, NotFound):
            if await self._is_member(aggregate_id, host) is wanted:
                return Accepted(None)
            raise

    async def _is_member(self, aggregate_id: int, host: str) -> bool:
        answer = await self._nova.get("aggregate", f"os-aggregates/{aggregate_id}")
        return host in aggregate_from(answer.part("aggregate")).hosts

    async def allocation_ratios(self, hypervisor_id: str) -> AllocationRatios:
        """What Placement says of a compute node."""
        stocks = await self.stocks(hypervisor_id)
        cpu, ram = (stocks[kind].ratio if kind in stocks else None for kind in ("VCPU", "MEMORY_MB"))
        return AllocationRatios(cpu=cpu, ram=ram)

    async def stocks(self, hypervisor_id: str) -> Mapping[str, Stock]:
        """{class of resource: what Placement has of it} of a compute node."""
        path = f"resource_providers/{segment(hypervisor_id)}/inventories"
        inventories = (await self._placement.get("stocks", path)).part("inventories")
        return {kind: stock_from(body) for kind, body in inventories.items()}

    async def traits(self, hypervisor_id: str) -> frozenset[str]:
        """What Placement says that a compute node can do."""
        path = f"resource_providers/{segment(hypervisor_id)}/traits"
        answer = await self._placement.get("traits", path, speech=_TRAITS)
        return frozenset(answer.part("traits"))

    async def cordon(self, host: str, reason: str) -> Accepted:
        """Let nothing new be put on the host."""
        return await self._change("cordon", host, {"status": "disabled", "disabled_reason": reason})

    async def uncordon(self, host: str) -> Accepted:
        """Let the host be used again; its reason is gone."""
        return await self._change("uncordon", host, {"status": "enabled"})

    async def force_down(self, host: str) -> Accepted:
        """Say that the host is down, whatever it reports."""
        return await self._change("force_down", host, {"forced_down": True})

    async def release_force_down(self, host: str) -> Accepted:
        """Let its reports count again; `CloudRefused` while evacuated servers wait to be cleaned up there."""
        return await self._change("release_force_down", host, {"forced_down": False})

    async def _change(self, verb: str, host: str, change: Mapping[str, Any]) -> Accepted:
        """A service is found by its host each time, because its id changes; nothing to change is done."""
        service = await self.service(host)
        if (verb, service.enabled, service.forced_down) in _SO_ALREADY:
            return Accepted(None)
        path = f"os-services/{segment(service.id)}"
        return (await self._nova.call(verb, "PUT", path, body=change, repeat=True)).accepted


_SO_ALREADY = {
    ("uncordon", True, True),
    ("uncordon", True, False),
    ("force_down", True, True),
    ("force_down", False, True),
    ("release_force_down", True, False),
    ("release_force_down", False, False),
}
"""Verb, enabled, forced down. A cordon is repeated, for its reason; a release might be refused."""
