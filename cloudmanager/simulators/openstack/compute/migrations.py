"""The records of moves: who moves where and how far it is. Only a record says how a move ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.simulators.openstack.compute.rows import Migration
from cloudmanager.simulators.openstack.compute.scheduler import claim_of
from cloudmanager.simulators.openstack.problems import NotThere

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloudmanager.simulators.openstack.compute.compute import Compute
    from cloudmanager.simulators.openstack.compute.rows import Flavor, Origin, Server

LIVE, COLD, RESIZE, EVACUATION = "live-migration", "migration", "resize", "evacuation"
ENDED = ("completed", "failed", "error", "cancelled", "confirmed", "reverted")
"""Statuses that nothing follows. After `finished` and `done` something is still to come."""

MOVING = ("accepted", "queued", "preparing", "running", "pre-migrating", "migrating", "post-migrating")
_MIB = 1 << 20


class Migrations:
    """Writes and finds migrations."""

    def __init__(self, compute: Compute) -> None:
        self._compute = compute
        self._tables = compute.tables
        self._open = {row.id: row for row in self._tables.migrations.values() if row.status not in ENDED}

    def begin(
        self, server: Server, kind: str, status: str, origin: Origin, *, destination: str | None = None
    ) -> Migration:
        """A new record of a server that leaves its host."""
        row = Migration(
            id=self._tables.next_number("migration"),
            server_id=server.id,
            type=kind,
            status=status,
            source=server.host,
            destination=destination,
            request_id=origin.request_id,
            project_id=origin.project_id,
            user_id=origin.user_id,
            created_at=self._compute.clock.now(),
            memory_bytes=server.flavor.ram * _MIB,
        )
        self._open[row.id] = row
        return self._tables.add_migration(row)

    def change(self, row: Migration, status: str) -> None:
        """Give a record another status."""
        row.status = status
        row.updated_at = self._compute.clock.now()
        if status in ENDED:
            self._open.pop(row.id, None)
        else:
            self._open[row.id] = row

    def claim(self, row: Migration, server: Server, destination: str, flavor: Flavor | None = None) -> None:
        """Hold room for a server on the host that it goes to."""
        row.destination = destination
        row.claimed = claim_of(server, flavor)

    # --- asking ---------------------------------------------------------------------------------------------

    def one(self, number: int, server: Server) -> Migration:
        """One record of a server, or `NotThere`."""
        row = self._tables.migrations.get(number)
        if row is None or row.server_id != server.id:
            raise NotThere(f"Migration {number} not found for instance {server.id}")
        return row

    def in_progress(self) -> list[Migration]:
        """Moves that are not over, with cold ones that wait to be confirmed."""
        return [row for row in self._open.values() if row.status in (*MOVING, "finished")]

    def claiming(self) -> Iterable[Migration]:
        """Moves that hold room on a host besides the one that the server is on."""
        return [row for row in self._open.values() if row.claimed]

    def open_of(self, server_id: str) -> Migration | None:
        """The move of a server that is not over."""
        rows = [row for row in self._open.values() if row.server_id == server_id and row.status != "done"]
        return rows[-1] if rows else None

    def open_from(self, host: str, kind: str) -> list[Migration]:
        """The moves of one kind away from a host that are not over."""
        return [row for row in self._open.values() if row.source == host and row.type == kind]

    def memory(self, row: Migration) -> tuple[int, int]:
        """How many bytes of memory are copied and how many remain; one that stalls keeps a tenth."""
        if row.started_at is None:
            return 0, 0
        elapsed = self._compute.clock.now() - row.started_at
        part = min(0.9, elapsed) if row.seconds is None else min(1.0, elapsed / max(row.seconds, 1e-6))
        done = int(row.memory_bytes * part)
        return done, row.memory_bytes - done
