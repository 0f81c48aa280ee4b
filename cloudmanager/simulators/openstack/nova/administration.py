"""Calls of administrators about hosts: services, hypervisors, aggregates, and the zones that users see."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from cloudmanager.simulators.http import Answer
from cloudmanager.simulators.openstack.nova import host_shapes as shapes
from cloudmanager.simulators.openstack.nova.paging import page
from cloudmanager.simulators.openstack.nova.versions import has
from cloudmanager.simulators.openstack.problems import Invalid, NotThere
from cloudmanager.simulators.openstack.rest import moment

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudmanager.simulators.openstack.compute import Compute
    from cloudmanager.simulators.openstack.compute.rows import Aggregate, Host
    from cloudmanager.simulators.openstack.rest import Call

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_POLICY = "os_compute_api:{}"


class Administration:
    """Answers for hosts."""

    def __init__(self, compute: Compute) -> None:
        self._compute = compute

    def routes(self) -> dict[str, Callable[[Call], Answer]]:
        """Its calls."""
        return {
            "GET os-services": self._services,
            "PUT os-services/*": self._change_service,
            "DELETE os-services/*": self._delete_service,
            "GET os-hypervisors": self._hypervisors,
            "GET os-hypervisors/detail": self._hypervisors,
            "GET os-hypervisors/statistics": self._statistics,
            "GET os-hypervisors/*": self._hypervisor,
            "GET os-hypervisors/*/uptime": self._uptime,
            "GET os-hypervisors/*/search": self._search,
            "GET os-hypervisors/*/servers": self._search,
            "GET os-aggregates": self._aggregates,
            "POST os-aggregates": self._create_aggregate,
            "GET os-aggregates/*": self._aggregate,
            "PUT os-aggregates/*": self._change_aggregate,
            "DELETE os-aggregates/*": self._delete_aggregate,
            "POST os-aggregates/*/action": self._act_on_aggregate,
            "GET os-availability-zone": self._zones,
            "GET os-availability-zone/detail": self._zones,
        }

    # --- services -------------------------------------------------------------------------------------------

    def _services(self, call: Call) -> Answer:
        _only_admin(call, "os-services:list")
        compute = self._compute
        rows = shapes.control_plane(call, compute)
        rows += [shapes.service(call, compute, host) for host in compute.hosts.registered()]
        wanted = {name: call.query[name] for name in ("host", "binary") if call.query.get(name)}
        shown = [row for row in rows if all(row[name] == value for name, value in wanted.items())]
        return Answer(200, {"services": shown})

    def _change_service(self, call: Call) -> Answer:
        _only_admin(call, "os-services:update")
        body = call.body()
        if not has(call, 53):
            return self._change_by_verb(call, body)
        host = self._service(call.name)
        if not {"status", "forced_down"} & body.keys():
            raise Invalid("No updates were requested. Fields 'status' or 'forced_down' should be specified.")
        if "status" in body:
            self._set_status(host, body)
        if "forced_down" in body:
            self._compute.hosts.force_down(host, _boolean("forced_down", body["forced_down"]))
        return Answer(200, {"service": shapes.service(call, self._compute, host)})

    def _change_by_verb(self, call: Call, body: dict[str, Any]) -> Answer:
        host = self._compute.tables.hosts.get(str(body.get("host")))
        if host is None or host.service_id is None or body.get("binary") != "nova-compute":
            raise NotThere(f"Could not find binary {body.get('binary')} on host {body.get('host')}.")
        shown: dict[str, Any] = {"host": host.name, "binary": "nova-compute"}
        match call.name:
            case "enable":
                self._compute.hosts.enable(host)
            case "disable" | "disable-log-reason":
                self._compute.hosts.disable(host, body.get("disabled_reason"))
                if host.disabled_reason:
                    shown["disabled_reason"] = host.disabled_reason
            case "force-down" if has(call, 11):
                forced = _boolean("forced_down", body.get("forced_down"))
                self._compute.hosts.force_down(host, forced)
                return Answer(200, {"service": {**shown, "forced_down": forced}})
            case _:
                raise NotThere("Unknown action")
        shown["status"] = "enabled" if host.enabled else "disabled"
        return Answer(200, {"service": shown})

    def _set_status(self, host: Host, body: dict[str, Any]) -> None:
        match body["status"]:
            case "enabled":
                if body.get("disabled_reason"):
                    raise Invalid("Specifying 'disabled_reason' with status 'enabled' is invalid.")
                self._compute.hosts.enable(host)
            case "disabled":
                self._compute.hosts.disable(host, body.get("disabled_reason"))
            case other:
                raise Invalid(
                    f"Invalid input for field/attribute status. Value: {other}. '{other}' is not one of "
                    "['enabled', 'disabled']"
                )

    def _delete_service(self, call: Call) -> Answer:
        _only_admin(call, "os-services:delete")
        self._compute.hosts.delete_service(self._service(call.name))
        return Answer(204)

    def _service(self, key: str) -> Host:
        if key.isdecimal():
            for host in self._compute.hosts.registered():
                if host.service_number == int(key):
                    return host
        elif not _UUID.fullmatch(key):
            raise Invalid(f"Invalid uuid {key}")
        return self._compute.hosts.find_service(key)

    # --- hypervisors ----------------------------------------------------------------------------------------

    def _hypervisors(self, call: Call) -> Answer:
        detail = call.request.path.rstrip("/").endswith("/detail")
        _only_admin(call, "os-hypervisors:list-detail" if detail else "os-hypervisors:list")
        hosts = self._compute.hosts.registered()
        pattern = call.query.get("hypervisor_hostname_pattern")
        if pattern is not None:
            if "limit" in call.query or "marker" in call.query:
                raise Invalid(
                    "Paging over hypervisors with the hypervisor_hostname_pattern query parameter is not "
                    "supported."
                )
            hosts = self._matching(pattern)
        shown, following = page(call, hosts, lambda host: host.hypervisor_id)
        servers = call.flag("with_servers")
        rows = [
            shapes.hypervisor(call, self._compute, host, detail=detail, servers=servers) for host in shown
        ]
        return Answer(200, _listed("hypervisors", rows, following))

    def _matching(self, pattern: str) -> list[Host]:
        found = [host for host in self._compute.hosts.registered() if unquote(pattern) in host.name]
        if not found:
            raise NotThere(f"No hypervisor matching '{pattern}' could be found.")
        return found

    def _hypervisor(self, call: Call) -> Answer:
        _only_admin(call, "os-hypervisors:show")
        host = self._by_hypervisor(call)
        servers = call.flag("with_servers")
        shown = shapes.hypervisor(call, self._compute, host, detail=True, servers=servers)
        return Answer(200, {"hypervisor": shown})

    def _by_hypervisor(self, call: Call) -> Host:
        if has(call, 53) and not _UUID.fullmatch(call.name):
            raise Invalid(f"Invalid uuid {call.name}")
        for host in self._compute.hosts.registered():
            if call.name == (host.hypervisor_id if has(call, 53) else str(host.number)):
                return host
        raise NotThere(f"Hypervisor with ID '{call.name}' could not be found.")

    def _uptime(self, call: Call) -> Answer:
        _only_admin(call, "os-hypervisors:uptime")
        _until(call, 87)
        host = self._by_hypervisor(call)
        uptime = self._compute.hosts.uptime(host)
        if uptime is None:
            raise Invalid(f"Compute service of {host.name} is unavailable at this time.")
        shown = shapes.hypervisor(call, self._compute, host, detail=False, servers=False)
        return Answer(200, {"hypervisor": {**shown, "uptime": uptime}})

    def _search(self, call: Call) -> Answer:
        servers = call.request.path.endswith("/servers")
        _only_admin(call, "os-hypervisors:servers" if servers else "os-hypervisors:search")
        _until(call, 52)
        rows = [
            shapes.hypervisor(call, self._compute, host, detail=False, servers=servers)
            for host in self._matching(call.name)
        ]
        return Answer(200, {"hypervisors": rows})

    def _statistics(self, call: Call) -> Answer:
        _only_admin(call, "os-hypervisors:statistics")
        _until(call, 87)
        return Answer(200, {"hypervisor_statistics": shapes.statistics(self._compute)})

    # --- aggregates -----------------------------------------------------------------------------------------

    def _aggregates(self, call: Call) -> Answer:
        _only_admin(call, "os-aggregates:index")
        rows = self._compute.tables.aggregates.values()
        return Answer(200, {"aggregates": [shapes.aggregate(call, row) for row in rows]})

    def _create_aggregate(self, call: Call) -> Answer:
        _only_admin(call, "os-aggregates:create")
        wanted = call.wanted("aggregate")
        row = self._compute.aggregates.create(_name(wanted), wanted.get("availability_zone"))
        shown = shapes.aggregate(call, row)
        return Answer(200, {"aggregate": {k: v for k, v in shown.items() if k not in ("hosts", "metadata")}})

    def _aggregate(self, call: Call) -> Answer:
        _only_admin(call, "os-aggregates:show")
        return self._shown(call, self._compute.aggregates.one(call.name))

    def _change_aggregate(self, call: Call) -> Answer:
        _only_admin(call, "os-aggregates:update")
        wanted = call.wanted("aggregate")
        row = self._compute.aggregates.one(call.name)
        self._compute.aggregates.update(row, wanted.get("name"), wanted.get("availability_zone"))
        return self._shown(call, row)

    def _delete_aggregate(self, call: Call) -> Answer:
        _only_admin(call, "os-aggregates:delete")
        self._compute.aggregates.delete(self._compute.aggregates.one(call.name))
        return Answer(200)

    def _act_on_aggregate(self, call: Call) -> Answer:
        body = call.body()
        row_of, parts = self._compute.aggregates.one, self._compute.aggregates
        match body:
            case {"add_host": {"host": str(host)}}:
                _only_admin(call, "os-aggregates:add_host")
                parts.add_host(row := row_of(call.name), host)
            case {"remove_host": {"host": str(host)}}:
                _only_admin(call, "os-aggregates:remove_host")
                parts.remove_host(row := row_of(call.name), host)
            case {"set_metadata": {"metadata": dict(metadata)}}:
                _only_admin(call, "os-aggregates:set_metadata")
                parts.set_metadata(row := row_of(call.name), metadata)
            case _:
                raise Invalid("There is no such action: " + ", ".join(body))
        return self._shown(call, row)

    def _shown(self, call: Call, row: Aggregate) -> Answer:
        return Answer(200, {"aggregate": shapes.aggregate(call, row)})

    # --- zones ----------------------------------------------------------------------------------------------

    def _zones(self, call: Call) -> Answer:
        detail = call.request.path.rstrip("/").endswith("/detail")
        if detail:
            _only_admin(call, "os-availability-zone:detail")
        zones: dict[str, list[Host]] = {}
        for host in self._compute.hosts.registered():
            zones.setdefault(self._compute.hosts.zone_of(host.name), []).append(host)
        rows = []
        for name, hosts in sorted(zones.items()):
            state = {"available": any(host.enabled for host in hosts)}
            there = {host.name: {"nova-compute": self._liveness(host)} for host in hosts} if detail else None
            rows.append({"zoneName": name, "zoneState": state, "hosts": there})
        return Answer(200, {"availabilityZoneInfo": rows})

    def _liveness(self, host: Host) -> dict[str, Any]:
        shown = moment(self._compute.hosts.last_report(host))
        return {"available": self._compute.hosts.is_up(host), "active": host.enabled, "updated_at": shown}


def _only_admin(call: Call, rule: str) -> None:
    call.caller.must_have("admin", _POLICY.format(rule))


def _until(call: Call, minor: int) -> None:
    """`NotThere` for a call that newer versions do not have."""
    if has(call, minor + 1):
        raise NotThere("The resource could not be found.")


def _listed(name: str, rows: list[dict[str, Any]], following: str | None) -> dict[str, Any]:
    """A list, with the address of its next page if there is one."""
    more = {f"{name}_links": [{"rel": "next", "href": following}]} if following else {}
    return {name: rows, **more}


def _name(wanted: dict[str, Any]) -> str:
    name = wanted.get("name")
    if not isinstance(name, str) or not name:
        raise Invalid("Invalid input for field/attribute aggregate. 'name' is a required property")
    return name


def _boolean(name: str, value: Any) -> bool:
    known = {"true": True, "1": True, "on": True, "yes": True, "false": False, "0": False, "off": False}
    found = known.get(str(value).lower(), False if str(value).lower() == "no" else None)
    if found is None:
        raise Invalid(f"Invalid input for field/attribute {name}. Value: {value}. {value} is not a boolean")
    return found
