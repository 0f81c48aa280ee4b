"""What Nova says of servers and of their migrations."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from cloudmanager.errors import NotFound
from cloudmanager.openstack.calls import segment
from cloudmanager.openstack.part import Part
from cloudmanager.openstack.shapes import (
    diagnostics_from,
    group_from,
    migration_from,
    progress_from,
    server_from,
)
from cloudmanager.openstack.versions import DIAGNOSTICS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloudmanager.openstack.records import (
        Diagnostics,
        LiveMigrationProgress,
        Migration,
        Server,
        ServerGroup,
    )

RECENT = timedelta(hours=12)
"""Migrations that have not changed for so long are left out of lists of many servers."""

_GROUPS = 200


class Servers(Part):
    """Servers, server groups, migrations."""

    async def servers_on(self, host: str, *, max_age: float = 0.0) -> Sequence[Server]:
        """All servers of all projects whose record says this host."""
        return await self._shared.ask(("servers_on", host), lambda: self._servers_on(host), max_age)

    async def _servers_on(self, host: str) -> tuple[Server, ...]:
        query = {"all_tenants": "1", "host": host}
        found = await self._nova.pages("servers_on", "servers/detail", "servers", query)
        return tuple(server_from(body) for body in found)

    async def server(self, server_id: str) -> Server:
        """One server."""
        answer = await self._nova.get("server", f"servers/{segment(server_id)}")
        return server_from(answer.part("server"))

    async def diagnostics(self, server_id: str) -> Diagnostics:
        """What its hypervisor has counted. Asked once: a nova-compute that hangs takes long to fail."""
        path = f"servers/{segment(server_id)}/diagnostics"
        answer = await self._nova.call("diagnostics", "GET", path, speech=DIAGNOSTICS)
        return diagnostics_from(answer.body, time.monotonic())

    async def server_groups(self) -> Sequence[ServerGroup]:
        """All server groups of all projects."""
        found: dict[str, ServerGroup] = {}
        while True:
            query = {"all_projects": "1", "limit": _GROUPS, "offset": len(found)}
            page = (await self._nova.get("server_groups", "os-server-groups", query)).part("server_groups")
            new = {body["id"]: group_from(body) for body in page if body["id"] not in found}
            if not new:
                return tuple(found.values())
            found |= new

    async def migrations_of_host(self, host: str, *, max_age: float = 0.0) -> Sequence[Migration]:
        """Recent migrations from or to a host, those of a server newest first."""
        key = ("migrations_of_host", host)
        return await self._shared.ask(key, lambda: self._recent(key[0], {"host": host}), max_age)

    async def running_migrations(self, *, max_age: float = 0.0) -> Sequence[Migration]:
        """Whatever is being migrated now, anywhere."""
        verb = "running_migrations"
        found = await self._shared.ask(verb, lambda: self._recent(verb, {}), max_age)
        return tuple(migration for migration in found if not migration.ended)

    async def migrations_of(self, server_id: str) -> Sequence[Migration]:
        """All migrations of a server, newest first."""
        return await self._migrations("migrations_of", {"instance_uuid": server_id})

    async def _recent(self, verb: str, query: Mapping[str, Any]) -> tuple[Migration, ...]:
        since = (datetime.now(UTC) - RECENT).strftime("%Y-%m-%dT%H:%M:%SZ")
        return await self._migrations(verb, {**query, "changes-since": since})

    async def _migrations(self, verb: str, query: Mapping[str, Any]) -> tuple[Migration, ...]:
        found = await self._nova.pages(verb, "os-migrations", "migrations", query, marker="uuid")
        migrations = [migration_from(body) for body in found]
        return tuple(sorted(migrations, key=lambda migration: migration.id, reverse=True))

    async def live_migration(self, server_id: str, migration_id: int) -> LiveMigrationProgress | None:
        """How far a live migration has come; None when it does not run."""
        path = f"servers/{segment(server_id)}/migrations/{migration_id}"
        try:
            answer = await self._nova.get("live_migration", path)
        except NotFound:
            return None
        return progress_from(answer.part("migration"))

    async def why(self, server_id: str, request_id: str | None) -> str | None:
        """What Nova wrote down of why a request failed; None when it says nothing."""
        if request_id is None:
            return None
        path = f"servers/{segment(server_id)}/os-instance-actions/{segment(request_id)}"
        try:
            action = (await self._nova.get("why", path)).part("instanceAction")
        except NotFound:
            return None
        events = action.get("events") or ()
        failed = [event for event in events if event.get("result") == "Error" and event.get("details")]
        newest = max(failed, key=lambda event: event.get("finish_time") or "", default=None)
        return newest["details"] if newest else None
