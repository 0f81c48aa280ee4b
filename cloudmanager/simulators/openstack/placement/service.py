"""The Placement API on a real socket, as far as clients read it: what hosts have, and who claims it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cloudmanager.simulators.http import Answer
from cloudmanager.simulators.openstack.compute.scheduler import RESERVED
from cloudmanager.simulators.openstack.problems import NotAcceptable, NotThere
from cloudmanager.simulators.openstack.rest import RestService, microversion

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudmanager.simulators.keystone.identity import Identity
    from cloudmanager.simulators.openstack.compute import Compute
    from cloudmanager.simulators.openstack.compute.rows import Host
    from cloudmanager.simulators.openstack.problems import Problem
    from cloudmanager.simulators.openstack.rest import Call

OLDEST, NEWEST = (1, 0), (1, 39)
_TRAITS = ("HW_CPU_X86_VMX", "HW_CPU_X86_AVX2", "COMPUTE_NODE", "COMPUTE_VOLUME_ATTACH")
_DISABLED = "COMPUTE_STATUS_DISABLED"
_TITLES = {
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
}


class Placement(RestService):
    """A server for what `Compute` claims where. The id of a provider is that of the hypervisor."""

    name = "placement"
    kind = "placement"

    def __init__(self, compute: Compute, identity: Identity) -> None:
        self.compute = compute
        super().__init__(identity)

    def routes(self) -> dict[str, Callable[[Call], Answer]]:
        """Its calls."""
        return {
            "GET resource_providers": self._providers,
            "GET resource_providers/*": self._provider,
            "GET resource_providers/*/inventories": self._inventories,
            "GET resource_providers/*/inventories/*": self._inventory,
            "GET resource_providers/*/usages": self._usages,
            "GET resource_providers/*/traits": self._traits,
            "GET resource_providers/*/aggregates": self._aggregates,
            "GET resource_providers/*/allocations": self._claims,
            "GET allocations/*": self._allocations,
            "GET usages": self._project_usages,
            "GET resource_classes": self._classes,
        }

    def versions(self, path: str) -> Answer | None:
        """The only version, at the root."""
        if path != "":
            return None
        shown = {
            "id": "v1.0",
            "status": "CURRENT",
            "min_version": f"{OLDEST[0]}.{OLDEST[1]}",
            "max_version": f"{NEWEST[0]}.{NEWEST[1]}",
            "links": [{"rel": "self", "href": ""}],
        }
        return Answer(200, {"versions": [shown]})

    def refusal(self, problem: Problem) -> Answer:
        """The form of the API working group's errors."""
        title = _TITLES.get(problem.status, "Error")
        error = {"status": problem.status, "title": title, "detail": str(problem)}
        return Answer(problem.status, {"errors": [error]})

    def prepared(self, call: Call) -> tuple[Call, str]:
        """Find the version; only administrators and services are served."""
        version = microversion(call.request, "placement", OLDEST, NEWEST)
        if not OLDEST <= version <= NEWEST:
            raise NotAcceptable(f"Unacceptable version header: {version[0]}.{version[1]}")
        if not {"admin", "service"} & call.caller.roles:
            call.caller.must_have("admin", "placement")
        return replace(call, version=version), call.request.path.strip("/")

    def finished(self, call: Call, answer: Answer) -> Answer:
        """Say which version was spoken."""
        spoken = f"placement {call.version[0]}.{call.version[1]}"
        said = {"OpenStack-API-Version": spoken, "Vary": "OpenStack-API-Version"}
        return replace(answer, headers={**answer.headers, **said})

    # --- providers ------------------------------------------------------------------------------------------

    def _providers(self, call: Call) -> Answer:
        wanted = {name: call.query[name] for name in ("name", "uuid") if name in call.query}
        rows = [_provider(host) for host in self.compute.hosts.registered()]
        shown = [row for row in rows if all(row[name] == value for name, value in wanted.items())]
        return Answer(200, {"resource_providers": shown})

    def _provider(self, call: Call) -> Answer:
        return Answer(200, _provider(self._host(call)))

    def _inventories(self, call: Call) -> Answer:
        host = self._host(call)
        shown = {kind: self._stock(host, kind) for kind in self.compute.scheduler.totals(host)}
        return Answer(200, {"inventories": shown, "resource_provider_generation": 1})

    def _inventory(self, call: Call) -> Answer:
        host, kind = self._host(call), call.names[1]
        if kind not in self.compute.scheduler.totals(host):
            raise NotThere(f"No inventory of class {kind} for {host.hypervisor_id}")
        return Answer(200, {**self._stock(host, kind), "resource_provider_generation": 1})

    def _stock(self, host: Host, kind: str) -> dict[str, Any]:
        total = self.compute.scheduler.totals(host)[kind]
        return {
            "total": total,
            "reserved": RESERVED[kind],
            "min_unit": 1,
            "max_unit": total,
            "step_size": 1,
            "allocation_ratio": self.compute.scheduler.ratios[kind],
        }

    def _usages(self, call: Call) -> Answer:
        used = self.compute.scheduler.used(self._host(call))
        return Answer(200, {"usages": used, "resource_provider_generation": 1})

    def _traits(self, call: Call) -> Answer:
        host = self._host(call)
        traits = [*_TRAITS, *([] if host.enabled else [_DISABLED])]
        return Answer(200, {"traits": traits, "resource_provider_generation": 1})

    def _aggregates(self, call: Call) -> Answer:
        host = self._host(call)
        rows = self.compute.tables.aggregates.values()
        ids = [row.uuid for row in rows if host.name in row.hosts]
        return Answer(200, {"aggregates": ids, "resource_provider_generation": 1})

    def _host(self, call: Call) -> Host:
        for host in self.compute.hosts.registered():
            if host.hypervisor_id == call.name:
                return host
        raise NotThere(f"No resource provider with uuid {call.name} found")

    # --- allocations ----------------------------------------------------------------------------------------

    def _claims(self, call: Call) -> Answer:
        host = self._host(call)
        shown = {server_id: {"resources": claim} for server_id, claim in self.compute.scheduler.claims(host)}
        return Answer(200, {"allocations": shown, "resource_provider_generation": 1})

    def _allocations(self, call: Call) -> Answer:
        shown = {
            host.hypervisor_id: {"generation": 1, "resources": claim}
            for host in self.compute.hosts.registered()
            for server_id, claim in self.compute.scheduler.claims(host)
            if server_id == call.name
        }
        server = self.compute.tables.servers.get(call.name)
        if not shown or server is None:
            return Answer(200, {"allocations": {}})
        more = {"project_id": server.project_id, "user_id": server.user_id}
        return Answer(200, {"allocations": shown, **more})

    def _project_usages(self, call: Call) -> Answer:
        total: dict[str, int] = {}
        for host in self.compute.hosts.registered():
            for server_id, claim in self.compute.scheduler.claims(host):
                if self.compute.tables.servers[server_id].project_id == call.query.get("project_id"):
                    for kind, amount in claim.items():
                        total[kind] = total.get(kind, 0) + amount
        return Answer(200, {"usages": total})

    def _classes(self, _call: Call) -> Answer:
        return Answer(200, {"resource_classes": [{"name": kind, "links": []} for kind in RESERVED]})


def _provider(host: Host) -> dict[str, Any]:
    base = f"/resource_providers/{host.hypervisor_id}"
    names = ("self", "inventories", "usages", "aggregates", "traits", "allocations")
    return {
        "uuid": host.hypervisor_id,
        "name": host.name,
        "generation": 1,
        "root_provider_uuid": host.hypervisor_id,
        "parent_provider_uuid": None,
        "links": [{"rel": name, "href": base if name == "self" else f"{base}/{name}"} for name in names],
    }
