"""Calls about servers: lists with their filters, one server, its name, metadata and history; deleting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudmanager.simulators.http import Answer
from cloudmanager.simulators.openstack.compute.building import must_be_free
from cloudmanager.simulators.openstack.compute.rows import Origin
from cloudmanager.simulators.openstack.nova import host_shapes, server_shapes
from cloudmanager.simulators.openstack.nova.filters import filters
from cloudmanager.simulators.openstack.nova.paging import page, time_of
from cloudmanager.simulators.openstack.nova.versions import has
from cloudmanager.simulators.openstack.problems import Invalid, NotThere

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cloudmanager.simulators.openstack.compute import Compute
    from cloudmanager.simulators.openstack.compute.rows import Server
    from cloudmanager.simulators.openstack.rest import Call

_SORTS: dict[str, Callable[[Server], Any]] = {
    "created_at": lambda server: (server.created_at, server.number),
    "updated_at": lambda server: (server.updated_at, server.number),
    "display_name": lambda server: server.name,
    "uuid": lambda server: server.id,
    "host": lambda server: server.host or "",
    "vm_state": lambda server: server.vm_state,
}


def find_server(compute: Compute, call: Call, key: str | None = None) -> Server:
    """The server that a call is about; `NotThere` for one of another project."""
    server = compute.tables.server(key or call.name)
    if not call.caller.sees(server.project_id):
        raise NotThere(f"Instance {server.id} could not be found.")
    return server


def origin_of(call: Call) -> Origin:
    """Who asks, and under which request id."""
    return Origin(call.request_id, call.caller.user_id, call.caller.project_id)


class Servers:
    """Answers for servers."""

    def __init__(self, compute: Compute) -> None:
        self._compute = compute

    def routes(self) -> dict[str, Callable[[Call], Answer]]:
        """Its calls."""
        return {
            "GET servers": self._list,
            "GET servers/detail": self._list,
            "GET servers/*": self._show,
            "PUT servers/*": self._update,
            "DELETE servers/*": self._delete,
            "GET servers/*/metadata": self._metadata,
            "POST servers/*/metadata": self._merge_metadata,
            "PUT servers/*/metadata": self._replace_metadata,
            "GET servers/*/metadata/*": self._metadata_item,
            "PUT servers/*/metadata/*": self._put_metadata_item,
            "DELETE servers/*/metadata/*": self._delete_metadata_item,
            "GET servers/*/tags": self._tags,
            "GET servers/*/ips": self._ips,
            "GET servers/*/os-instance-actions": self._actions,
            "GET servers/*/os-instance-actions/*": self._action,
        }

    # --- lists ----------------------------------------------------------------------------------------------

    def _list(self, call: Call) -> Answer:
        detail = call.request.path.rstrip("/").endswith("/detail")
        tests = filters(call, self._compute)
        rows = [server for server in self._candidates(call) if all(test(server) for test in tests)]
        rows = self._sorted(call, rows)
        shown, following = page(call, rows, lambda server: server.id)
        if detail:
            found = [server_shapes.full(call, self._compute, server, one=False) for server in shown]
        else:
            found = [server_shapes.brief(call, server) for server in shown]
        more = {"servers_links": [{"rel": "next", "href": following}]} if following else {}
        return Answer(200, {"servers": found, **more})

    def _candidates(self, call: Call) -> Iterable[Server]:
        """Servers that the caller may see; those of a host are found fast."""
        project: str | None = call.caller.project_id
        if call.flag("all_tenants"):
            call.caller.must_have("admin", "os_compute_api:servers:index:get_all_tenants")
            project = call.query.get("project_id") or call.query.get("tenant_id")
        gone = call.flag("deleted") and call.caller.is_admin
        tables, host = self._compute.tables, call.query.get("host")
        if gone or "changes-since" in call.query:
            found: Iterable[Server] = tables.servers.values()
        elif host and call.caller.is_admin:
            found = tables.servers_on(host)
        else:
            found = (server for server in tables.servers.values() if not server.deleted)
        return (s for s in found if project in (None, s.project_id) and (s.deleted or not gone))

    def _sorted(self, call: Call, rows: list[Server]) -> list[Server]:
        keys = call.request.values("sort_key") or ["created_at"]
        directions = call.request.values("sort_dir") or ["desc"]
        for place, key in reversed(list(enumerate(keys))):
            if key not in _SORTS:
                raise Invalid(
                    f"Invalid input for query parameters sort_key. Value: {key}. '{key}' is unknown"
                )
            descending = directions[min(place, len(directions) - 1)] == "desc"
            rows.sort(key=_SORTS[key], reverse=descending)
        return rows

    # --- one ------------------------------------------------------------------------------------------------

    def _show(self, call: Call) -> Answer:
        server = find_server(self._compute, call)
        return Answer(200, {"server": server_shapes.full(call, self._compute, server)})

    def _update(self, call: Call) -> Answer:
        server = find_server(self._compute, call)
        call.caller.must_have("member", "os_compute_api:servers:update")
        wanted = call.wanted("server")
        if "name" in wanted:
            if not isinstance(wanted["name"], str) or not wanted["name"].strip():
                raise Invalid("Invalid input for field/attribute name. It is too short")
            server.name = wanted["name"]
        if has(call, 19) and "description" in wanted:
            server.description = wanted["description"]
        server.updated_at = self._compute.clock.now()
        return Answer(200, {"server": server_shapes.full(call, self._compute, server)})

    def _delete(self, call: Call) -> Answer:
        server = find_server(self._compute, call)
        call.caller.must_have("member", "os_compute_api:servers:delete")
        must_be_free(server, call.caller.is_admin)
        self._compute.building.delete(server, origin_of(call))
        return Answer(204)

    # --- metadata -------------------------------------------------------------------------------------------

    def _metadata(self, call: Call) -> Answer:
        return Answer(200, {"metadata": find_server(self._compute, call).metadata})

    def _merge_metadata(self, call: Call) -> Answer:
        server = find_server(self._compute, call)
        return self._set_metadata(call, server, server.metadata | _texts(call.wanted("metadata")))

    def _replace_metadata(self, call: Call) -> Answer:
        return self._set_metadata(call, find_server(self._compute, call), _texts(call.wanted("metadata")))

    def _set_metadata(self, call: Call, server: Server, metadata: dict[str, str]) -> Answer:
        call.caller.must_have("member", "os_compute_api:server-metadata:update")
        server.metadata = metadata
        server.updated_at = self._compute.clock.now()
        return Answer(200, {"metadata": server.metadata})

    def _metadata_item(self, call: Call) -> Answer:
        server, key = find_server(self._compute, call), call.names[1]
        if key not in server.metadata:
            raise NotThere("Metadata item was not found")
        return Answer(200, {"meta": {key: server.metadata[key]}})

    def _put_metadata_item(self, call: Call) -> Answer:
        server, key = find_server(self._compute, call), call.names[1]
        wanted = _texts(call.wanted("meta"))
        if list(wanted) != [key]:
            raise Invalid("Request body and URI mismatch")
        self._set_metadata(call, server, server.metadata | wanted)
        return Answer(200, {"meta": wanted})

    def _delete_metadata_item(self, call: Call) -> Answer:
        server, key = find_server(self._compute, call), call.names[1]
        if key not in server.metadata:
            raise NotThere("Metadata item was not found")
        self._set_metadata(call, server, {k: v for k, v in server.metadata.items() if k != key})
        return Answer(204)

    def _tags(self, call: Call) -> Answer:
        return Answer(200, {"tags": find_server(self._compute, call).tags})

    def _ips(self, call: Call) -> Answer:
        server = find_server(self._compute, call)
        shown = {
            name: [{"version": a["version"], "addr": a["addr"]} for a in addresses]
            for name, addresses in self._compute.plugs.addresses(server).items()
        }
        return Answer(200, {"addresses": shown})

    # --- history --------------------------------------------------------------------------------------------

    def _actions(self, call: Call) -> Answer:
        server = self._even_deleted(call)
        rows = self._compute.actions.of(server.id)
        since = time_of(call, "changes-since")
        rows = [row for row in rows if since is None or row.updated_at >= since]
        shown, following = page(call, rows, lambda row: row.request_id)
        more = {"links": [{"rel": "next", "href": following}]} if following else {}
        return Answer(200, {"instanceActions": [host_shapes.action(call, row) for row in shown], **more})

    def _action(self, call: Call) -> Answer:
        server = self._even_deleted(call)
        row = self._compute.actions.one(server.id, call.names[1])
        return Answer(200, {"instanceAction": host_shapes.action(call, row, events=True)})

    def _even_deleted(self, call: Call) -> Server:
        server = self._compute.tables.servers.get(call.name)
        if (
            server is None
            or not call.caller.sees(server.project_id)
            or (server.deleted and not has(call, 21))
        ):
            raise NotThere(f"Instance {call.name} could not be found.")
        return server


def _texts(metadata: dict[str, Any]) -> dict[str, str]:
    for key, value in metadata.items():
        if not isinstance(value, str) or not key:
            raise Invalid(
                f"Invalid input for field/attribute {key}. Value: {value}. {value} is not of type 'string'"
            )
    return metadata
