"""The database of the simulated Nova: its rows, which server is where, and how they are kept."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from cloudmanager.simulators.openstack.compute.rows import (
    Action,
    ActionEvent,
    Aggregate,
    Flavor,
    Host,
    Job,
    Keypair,
    Migration,
    Server,
    ServerGroup,
    SplitBrain,
)
from cloudmanager.simulators.openstack.problems import NotThere

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(slots=True)
class Tables:
    """All rows. A server changes its host by `place` alone."""

    hosts: dict[str, Host] = field(default_factory=dict)
    flavors: dict[str, Flavor] = field(default_factory=dict)
    keypairs: list[Keypair] = field(default_factory=list)
    groups: dict[str, ServerGroup] = field(default_factory=dict)
    servers: dict[str, Server] = field(default_factory=dict)
    migrations: dict[int, Migration] = field(default_factory=dict)
    actions: dict[str, list[Action]] = field(default_factory=dict)
    aggregates: dict[int, Aggregate] = field(default_factory=dict)
    jobs: dict[int, Job] = field(default_factory=dict)
    split_brains: list[SplitBrain] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)
    quotas: dict[str, dict[str, int]] = field(default_factory=dict)  # of projects that have limits
    _placed: dict[str, dict[str, None]] = field(default_factory=lambda: defaultdict(dict))
    _moves: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    def next_number(self, of: str) -> int:
        """The next number of a kind of rows, from 1."""
        self.numbers[of] = self.numbers.get(of, 0) + 1
        return self.numbers[of]

    # --- asking ---------------------------------------------------------------------------------------------

    def host(self, name: str) -> Host:
        """The compute node of that name, or `NotThere`."""
        try:
            return self.hosts[name]
        except KeyError:
            raise NotThere(f"Compute host {name} could not be found.") from None

    def server(self, key: str) -> Server:
        """A server that is not deleted, or `NotThere`."""
        found = self.servers.get(key)
        if found is None or found.deleted:
            raise NotThere(f"Instance {key} could not be found.")
        return found

    def flavor(self, key: str) -> Flavor:
        """A flavor by its id, or `NotThere`."""
        try:
            return self.flavors[key]
        except KeyError:
            raise NotThere(f"Flavor {key} could not be found.") from None

    def group(self, key: str) -> ServerGroup:
        """A server group by its id, or `NotThere`."""
        try:
            return self.groups[key]
        except KeyError:
            raise NotThere(f"Instance group {key} could not be found.") from None

    def servers_on(self, host: str) -> list[Server]:
        """The servers whose record says that host."""
        return [self.servers[key] for key in self._placed[host]]

    def migrations_of(self, server_id: str) -> list[Migration]:
        """All attempts to move a server, oldest first."""
        return [self.migrations[number] for number in self._moves[server_id]]

    def group_of(self, server: Server) -> ServerGroup | None:
        """The group that a server was made in."""
        return self.groups.get(server.group_id) if server.group_id else None

    # --- changing -------------------------------------------------------------------------------------------

    def place(self, server: Server, host: str | None) -> None:
        """Say where a server is."""
        if server.host is not None:
            self._placed[server.host].pop(server.id, None)
        server.host = host
        if host is not None and not server.deleted:
            self._placed[host][server.id] = None

    def add_server(self, server: Server) -> None:
        """Keep a new server."""
        self.servers[server.id] = server
        self.place(server, server.host)

    def add_migration(self, migration: Migration) -> Migration:
        """Keep a new migration."""
        self.migrations[migration.id] = migration
        self._moves[migration.server_id].append(migration.id)
        return migration

    # --- keeping --------------------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Everything, in values that JSON can hold."""
        rows: dict[str, Iterable[Any]] = {
            name: getattr(self, name).values() for name in (*_BY_TEXT, *_BY_NUMBER)
        }
        rows |= {name: getattr(self, name) for name in _LISTS}
        kept: dict[str, Any] = {name: [asdict(row) for row in found] for name, found in rows.items()}
        kept["actions"] = [asdict(action) for found in self.actions.values() for action in found]
        return {**kept, "numbers": dict(self.numbers), "quotas": self.quotas}

    @classmethod
    def from_dict(cls, kept: dict[str, Any]) -> Tables:
        """Build what `to_dict` described."""
        tables = cls(numbers=dict(kept["numbers"]), quotas=kept.get("quotas", {}))
        for name, (kind, key) in (_BY_TEXT | _BY_NUMBER).items():
            if name not in ("servers", "migrations"):
                setattr(tables, name, {row[key]: kind(**row) for row in kept[name]})
        for name, kind in _LISTS.items():
            setattr(tables, name, [kind(**row) for row in kept[name]])
        tables.split_brains = [
            SplitBrain(**{**row, "hosts": tuple(row["hosts"])}) for row in kept["split_brains"]
        ]
        for row in kept["servers"]:
            tables.add_server(Server(**{**row, "flavor": Flavor(**row["flavor"])}))
        for row in kept["migrations"]:
            tables.add_migration(Migration(**row))
        for row in kept["actions"]:
            action = Action(**{**row, "events": [ActionEvent(**event) for event in row["events"]]})
            tables.actions.setdefault(action.server_id, []).append(action)
        return tables


_BY_TEXT: dict[str, tuple[Any, str]] = {
    "hosts": (Host, "name"),
    "flavors": (Flavor, "id"),
    "groups": (ServerGroup, "id"),
    "servers": (Server, "id"),
}
_BY_NUMBER: dict[str, tuple[Any, str]] = {
    "migrations": (Migration, "id"),
    "aggregates": (Aggregate, "id"),
    "jobs": (Job, "id"),
}
_LISTS: dict[str, Any] = {"keypairs": Keypair, "split_brains": SplitBrain}
