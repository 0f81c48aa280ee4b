"""How much each project may have of servers. Without a quota of its own nothing is limited here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.simulators.openstack.problems import Forbidden

if TYPE_CHECKING:
    from cloudmanager.simulators.openstack.compute.rows import Flavor
    from cloudmanager.simulators.openstack.compute.tables import Tables

UNLIMITED = -1
QUOTA = {
    "instances": UNLIMITED,
    "cores": UNLIMITED,
    "ram": UNLIMITED,  # MiB
    "metadata_items": 128,
    "key_pairs": 100,
    "server_groups": UNLIMITED,
    "server_group_members": UNLIMITED,
}


class Quotas:
    """Counts what projects have, and refuses what would be too much. Key pairs are counted by user."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def limits(self, project_id: str) -> dict[str, int]:
        """How much a project may have."""
        return QUOTA | self._tables.quotas.get(project_id, {})

    def change(self, project_id: str, limits: dict[str, int]) -> None:
        """Let a project have other limits; those that are not named stay."""
        self._tables.quotas[project_id] = self._tables.quotas.get(project_id, {}) | limits

    def usage(self, project_id: str) -> dict[str, int]:
        """How much it has."""
        mine = [
            row for row in self._tables.servers.values() if row.project_id == project_id and not row.deleted
        ]
        groups = [row for row in self._tables.groups.values() if row.project_id == project_id]
        used = {
            "instances": len(mine),
            "cores": sum(row.flavor.vcpus for row in mine),
            "ram": sum(row.flavor.ram for row in mine),
            "server_groups": len(groups),
        }
        return dict.fromkeys(QUOTA, 0) | used

    def check_servers(self, project_id: str, flavor: Flavor, count: int) -> None:
        """`Forbidden` when so many more servers are too much; Nova names all that is exceeded."""
        limits, used = self.limits(project_id), self.usage(project_id)
        wanted = {"instances": count, "cores": count * flavor.vcpus, "ram": count * flavor.ram}
        over = [name for name in sorted(wanted) if 0 <= limits[name] < used[name] + wanted[name]]
        if over:
            asked, had, most = (
                ", ".join(str(numbers[name]) for name in over) for numbers in (wanted, used, limits)
            )
            names = ", ".join(over)
            raise Forbidden(
                f"Quota exceeded for {names}: Requested {asked}, but already used {had} of {most} {names}"
            )

    def check_keypairs(self, project_id: str, user_id: str) -> None:
        """`Forbidden` when one more key pair of a user is too much."""
        mine = sum(row.user_id == user_id for row in self._tables.keypairs)
        if mine >= self.limits(project_id)["key_pairs"]:
            raise Forbidden("Quota exceeded, too many key pairs.")
