"""Aggregates: sets of hosts, some of which are availability zones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.simulators.openstack.compute.rows import Aggregate
from cloudmanager.simulators.openstack.problems import Conflict, Invalid, NotThere

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudmanager.simulators.openstack.compute.compute import Compute

ZONE = "availability_zone"


class Aggregates:
    """Makes, finds and changes aggregates."""

    def __init__(self, compute: Compute) -> None:
        self._compute = compute
        self._rows = compute.tables.aggregates

    def create(self, name: str, zone: str | None = None) -> Aggregate:
        """A new one without hosts."""
        self._name_must_be_free(name)
        number = self._compute.tables.next_number("aggregate")
        made = Aggregate(id=number, name=name, created_at=self._compute.clock.now())
        if zone:
            made.metadata[ZONE] = zone
        self._rows[number] = made
        return made

    def one(self, key: str) -> Aggregate:
        """An aggregate by its number, or `NotThere`."""
        found = self._rows.get(int(key)) if key.isdecimal() else None
        if found is None:
            raise NotThere(f"Aggregate {key} could not be found.")
        return found

    def update(self, row: Aggregate, name: str | None, zone: str | None) -> None:
        """Change its name or its zone."""
        if name is not None and name != row.name:
            self._name_must_be_free(name)
            row.name = name
        if zone is not None:
            self._zone_may_change(row, zone)
            row.metadata[ZONE] = zone
        row.updated_at = self._compute.clock.now()

    def delete(self, row: Aggregate) -> None:
        """Forget one that has no hosts."""
        if row.hosts:
            raise Invalid(f"Cannot remove host from aggregate {row.id}. Reason: Host aggregate is not empty.")
        del self._rows[row.id]

    def add_host(self, row: Aggregate, name: str) -> None:
        """Put a host in; its servers cannot change their zone by that."""
        if self._compute.tables.host(name).service_id is None:
            raise NotThere(f"Compute host {name} could not be found.")
        if name in row.hosts:
            raise Conflict(f"Aggregate {row.id} already has host {name}.")
        zone = row.metadata.get(ZONE)
        old = self._compute.hosts.zone_of(name)
        in_zone = [a for a in self._rows.values() if name in a.hosts and ZONE in a.metadata]
        if zone is not None and in_zone and old != zone:
            raise Conflict(
                f"Cannot add host to aggregate {row.id}. Reason: Cannot add host {name} in aggregate "
                f"{row.id}: host exists in another availability zone: {old}."
            )
        if zone is not None and zone != old and self._compute.tables.servers_on(name):
            raise Conflict(
                f"Cannot add host to aggregate {row.id}. Reason: Cannot add host {name} in aggregate "
                f"{row.id}: the host has servers, and those would change their availability zone."
            )
        row.hosts.append(name)

    def remove_host(self, row: Aggregate, name: str) -> None:
        """Take a host out."""
        if name not in row.hosts:
            raise NotThere(f"Cannot remove host {name} in aggregate {row.id}")
        if ZONE in row.metadata and self._compute.tables.servers_on(name):
            raise Conflict(
                f"Cannot remove host from aggregate {row.id}. Reason: Cannot remove host {name} from "
                f"aggregate {row.id}: the host has servers, and those would change their availability zone."
            )
        row.hosts.remove(name)

    def set_metadata(self, row: Aggregate, metadata: Mapping[str, str | None]) -> None:
        """Merge metadata; None takes a key away."""
        if ZONE in metadata:
            self._zone_may_change(row, metadata[ZONE] or "nova")
        for key, value in metadata.items():
            if value is None:
                row.metadata.pop(key, None)
            else:
                row.metadata[key] = value
        row.updated_at = self._compute.clock.now()

    def _zone_may_change(self, row: Aggregate, zone: str) -> None:
        if row.metadata.get(ZONE) == zone:
            return
        used = [name for name in row.hosts if self._compute.tables.servers_on(name)]
        if used:
            raise Invalid(
                f"Cannot update metadata of aggregate {row.id}. Reason: One or more hosts contain instances "
                f"in this zone: {', '.join(used)}."
            )

    def _name_must_be_free(self, name: str) -> None:
        if any(row.name == name for row in self._rows.values()):
            raise Conflict(f"Aggregate {name} already exists.")
