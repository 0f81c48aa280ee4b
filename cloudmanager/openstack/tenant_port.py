"""The promise of the cloud as one tenant's project sees it. `Tenants` keeps it; tests keep it in memory.

Errors are those of the Cloud port, and `Forbidden` when our user has no role in the project. Nothing of
another project is ever answered: it is `NotFound`, also where our user could see more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloudmanager.openstack.definitions import Image, Made, NewServer, Snapshot, Volume
    from cloudmanager.openstack.records import Accepted, Server
    from cloudmanager.openstack.tenant_records import (
        Allowance,
        AttachedDisk,
        Backup,
        Console,
        Deed,
        FloatingIp,
        Keypair,
        Network,
        Port,
        SecurityGroup,
        Size,
    )


class TenantCloud(Protocol):
    """One project. A `mark` is how what a flow makes is found again; it is at most 60 characters."""

    async def log_in(self) -> None:
        """Be let in: `Forbidden` comes now, and not with the first question."""

    # --- servers --------------------------------------------------------------------------------------------

    async def sizes(self) -> Sequence[Size]:
        """The flavors that the project may use."""

    async def servers(self) -> Sequence[Server]:
        """All servers of the project."""

    async def server(self, server_id: str) -> Server:
        """One server."""

    async def find_servers(self, marker: Mapping[str, str]) -> Sequence[Server]:
        """The servers that were made with all of the marker."""

    async def create_server(self, new: NewServer) -> Made:
        """Begin to make a server. Asked twice it makes two: look for the marker."""

    async def delete_server(self, server_id: str) -> Accepted:
        """Begin to delete a server; one that is gone is deleted."""

    async def console(self, server_id: str, kind: str) -> Console:
        """Open a console of a kind: `novnc` or `spice-html5`."""

    async def console_log(self, server_id: str, lines: int) -> str:
        """The last lines that a server wrote to its serial console."""

    async def deeds(self, server_id: str) -> Sequence[Deed]:
        """What was done with a server, newest first."""

    async def disks(self, server_id: str) -> Sequence[AttachedDisk]:
        """The volumes of a server."""

    async def attach_volume(self, server_id: str, volume_id: str, device: str | None = None) -> Accepted:
        """Give a volume to a server."""

    async def create_image(self, server_id: str, name: str, marker: Mapping[str, str]) -> Made:
        """Begin to make an image of a server's disk; the marker becomes properties of the image."""

    # --- keypairs -------------------------------------------------------------------------------------------

    async def keypairs(self) -> Sequence[Keypair]:
        """The keypairs of the project."""

    async def create_keypair(self, name: str, public_key: str) -> Keypair:
        """Keep a public key."""

    async def delete_keypair(self, name: str) -> Accepted:
        """Forget a public key."""

    def keypair_in_nova(self, name: str) -> str:
        """What Nova calls a keypair of the project: keypairs there belong to users, and ours has all."""

    # --- volumes, images, backups ---------------------------------------------------------------------------

    async def volume(self, volume_id: str) -> Volume:
        """One volume."""

    async def find_volumes(self, marker: Mapping[str, str]) -> Sequence[Volume]:
        """The volumes whose metadata has all of the marker."""

    async def create_volume(self, name: str, size_gb: int, marker: Mapping[str, str]) -> Made:
        """Begin an empty volume. Asked twice it makes two: look for the marker."""

    async def delete_volume(self, volume_id: str) -> Accepted:
        """Begin to delete a volume; one that is gone is deleted."""

    async def find_snapshots(self, marker: Mapping[str, str]) -> Sequence[Snapshot]:
        """The snapshots of volumes whose metadata has all of the marker."""

    async def snapshot_volume(self, volume_id: str, name: str, marker: Mapping[str, str]) -> Made:
        """Begin a snapshot of a volume, in use or not. Asked twice it makes two: look for the marker."""

    async def create_volume_from_snapshot(
        self, snapshot_id: str, name: str, marker: Mapping[str, str]
    ) -> Made:
        """Begin a volume with what a snapshot holds. Asked twice it makes two: look for the marker."""

    async def delete_snapshot(self, snapshot_id: str) -> Accepted:
        """Begin to delete a snapshot of a volume; one that is gone is deleted."""

    async def image(self, image_id: str) -> Image:
        """One image that the project may use, its own or a public one."""

    async def snapshots(self) -> Sequence[Image]:
        """The images of the project's own servers."""

    async def find_images(self, marker: Mapping[str, str]) -> Sequence[Image]:
        """The images that have all of the marker among their properties."""

    async def delete_image(self, image_id: str) -> Accepted:
        """Delete an image; one that is gone is deleted."""

    async def backups(self) -> Sequence[Backup]:
        """All backups of the project."""

    async def create_backup(self, volume_id: str, name: str, mark: str) -> Made:
        """Begin a backup of a volume, in use or not. Asked twice it makes two: look for the mark."""

    async def delete_backup(self, backup_id: str) -> Accepted:
        """Begin to delete a backup; one that is gone is deleted."""

    # --- networks -------------------------------------------------------------------------------------------

    async def networks(self) -> Sequence[Network]:
        """The networks that the project sees."""

    async def security_groups(self) -> Sequence[SecurityGroup]:
        """The security groups of the project."""

    async def create_security_group(self, name: str, mark: str) -> Made:
        """Make a group that lets nothing in. Asked twice it makes two."""

    async def let_in(self, group_id: str, port: int, source: str) -> Accepted:
        """Let a group take TCP on a port from a network such as 0.0.0.0/0; one that does has been let."""

    async def delete_security_group(self, group_id: str) -> Accepted:
        """Remove a group; one that is gone is removed. `CloudRefused` with 409 while a server is in it."""

    async def ports(self, server_id: str) -> Sequence[Port]:
        """Where a server is plugged in."""

    async def floating_ips(self) -> Sequence[FloatingIp]:
        """The public addresses of the project."""

    async def create_floating_ip(self, network_id: str, port_id: str, mark: str) -> FloatingIp:
        """Take a public address that leads to a port. Asked twice it takes two: look for the mark."""

    async def delete_floating_ip(self, floating_ip_id: str) -> Accepted:
        """Give a public address back; one that is gone is given back."""

    async def unplug_floating_ip(self, floating_ip_id: str) -> Accepted:
        """Let a public address lead nowhere; the project keeps it."""

    # --- quotas ---------------------------------------------------------------------------------------------

    async def compute_allowances(self) -> Mapping[str, Allowance]:
        """Of `instances`, `cores` and `ram_mb`."""

    async def storage_allowances(self) -> Mapping[str, Allowance]:
        """Of `volumes`, `gigabytes`, `volume_snapshots` and `backups`."""

    async def network_allowances(self) -> Mapping[str, Allowance]:
        """Of `floating_ips` and `security_groups`; nothing where Neutron does not tell."""


class TenantClouds(Protocol):
    """All of them."""

    def of(self, project_id: str) -> TenantCloud:
        """The project's cloud; nothing is asked yet."""

    async def close(self) -> None:
        """Ask nothing more."""
