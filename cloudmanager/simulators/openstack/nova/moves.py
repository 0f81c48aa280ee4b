"""Calls about moves: all migrations, and the live ones in progress of one server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.simulators.http import Answer
from cloudmanager.simulators.openstack.nova import host_shapes as shapes
from cloudmanager.simulators.openstack.nova.paging import page, time_of
from cloudmanager.simulators.openstack.nova.servers import find_server, origin_of
from cloudmanager.simulators.openstack.nova.versions import has
from cloudmanager.simulators.openstack.problems import Invalid, NotThere

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudmanager.simulators.openstack.compute import Compute
    from cloudmanager.simulators.openstack.compute.rows import Migration
    from cloudmanager.simulators.openstack.rest import Call

_IN_PROGRESS = ("queued", "preparing", "running")


class Moves:
    """Answers for migrations."""

    def __init__(self, compute: Compute) -> None:
        self._compute = compute

    def routes(self) -> dict[str, Callable[[Call], Answer]]:
        """Its calls."""
        return {
            "GET os-migrations": self._list,
            "GET servers/*/migrations": self._running,
            "GET servers/*/migrations/*": self._one,
            "POST servers/*/migrations/*/action": self._force,
            "DELETE servers/*/migrations/*": self._abort,
        }

    def _list(self, call: Call) -> Answer:
        call.caller.must_have("admin", "os_compute_api:os-migrations:index")
        server_id = call.query.get("instance_uuid")
        tables = self._compute.tables
        rows = tables.migrations_of(server_id) if server_id else list(tables.migrations.values())
        since, before = time_of(call, "changes-since"), time_of(call, "changes-before")
        found = [
            row
            for row in (reversed(rows) if has(call, 59) else rows)
            if self._fits(call, row)
            and (since is None or (row.updated_at or row.created_at) >= since)
            and (before is None or (row.updated_at or row.created_at) <= before)
        ]
        following = None
        if has(call, 59):
            found, following = page(call, found, lambda row: row.uuid)
        shown = [shapes.migration(call, self._compute, row) for row in found]
        more = {"migrations_links": [{"rel": "next", "href": following}]} if following else {}
        return Answer(200, {"migrations": shown, **more})

    def _fits(self, call: Call, row: Migration) -> bool:
        query = call.query
        if (host := query.get("host")) and host not in (row.source, row.destination):
            return False
        known = {
            "status": row.status,
            "migration_type": row.type,
            "source_compute": row.source,
            "user_id": row.user_id,
            "project_id": row.project_id,
        }
        return all(value == query[name] for name, value in known.items() if name in query)

    # --- of one server --------------------------------------------------------------------------------------

    def _running(self, call: Call) -> Answer:
        call.caller.must_have("admin", "os_compute_api:servers:migrations:index")
        _since(call, 23)
        server = find_server(self._compute, call)
        rows = [row for row in self._compute.tables.migrations_of(server.id) if _is_in_progress(row)]
        shown = [shapes.running_migration(call, self._compute, row) for row in rows]
        return Answer(200, {"migrations": shown})

    def _one(self, call: Call) -> Answer:
        call.caller.must_have("admin", "os_compute_api:servers:migrations:show")
        _since(call, 23)
        row = self._row(call)
        if row.type != "live-migration":
            raise NotThere(f"Migration {row.id} for server {row.server_id} is not a live-migration.")
        if not _is_in_progress(row):
            raise NotThere(f"Live migration {row.id} for server {row.server_id} is not in progress.")
        return Answer(200, {"migration": shapes.running_migration(call, self._compute, row)})

    def _force(self, call: Call) -> Answer:
        call.caller.must_have("admin", "os_compute_api:servers:migrations:force_complete")
        _since(call, 22)
        if "force_complete" not in call.body():
            raise Invalid("There is no such action")
        server = find_server(self._compute, call)
        self._compute.live.force(server, self._row(call).id, origin_of(call))
        return Answer(202)

    def _abort(self, call: Call) -> Answer:
        call.caller.must_have("admin", "os_compute_api:servers:migrations:delete")
        _since(call, 24)
        server = find_server(self._compute, call)
        self._compute.live.abort(server, self._row(call).id, origin_of(call), queued=has(call, 65))
        return Answer(202)

    def _row(self, call: Call) -> Migration:
        server, number = find_server(self._compute, call), call.names[1]
        return self._compute.migrations.one(int(number) if number.isdecimal() else 0, server)


def _is_in_progress(row: Migration) -> bool:
    return row.type == "live-migration" and row.status in _IN_PROGRESS


def _since(call: Call, minor: int) -> None:
    """`NotThere` for a call that older versions do not have."""
    if not has(call, minor):
        raise NotThere("The resource could not be found.")
