"""The promise of the Cloud port. `Cloud` keeps it with openstacksdk; tests keep it in memory.

All verbs raise `NotFound` for what the cloud does not know, `CloudRefused` where it says no, and
`CloudUnreachable` where it gives no answer that can be believed. What was asked for already is a success.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from cloudmanager.openstack.definitions import (
        Image,
        Made,
        NewServer,
        ServerDefinition,
        StoragePool,
        Volume,
    )
    from cloudmanager.openstack.plugs import Plug
    from cloudmanager.openstack.records import (
        Accepted,
        Aggregate,
        AllocationRatios,
        Diagnostics,
        Domain,
        Hypervisor,
        LiveMigrationProgress,
        Migration,
        Project,
        Server,
        ServerGroup,
        Service,
        Stock,
    )
    from cloudmanager.openstack.tokens import IssuedToken


class CloudPort(Protocol):
    """The cloud, as flows see it.

    `max_age` in seconds: an answer that young, whoever asked for it, is good enough; callers who ask at the
    same time share one request.
    """

    # --- hosts ----------------------------------------------------------------------------------------------

    async def services(self, *, max_age: float = 0.0) -> Sequence[Service]:
        """All nova-computes."""

    async def service(self, host: str) -> Service:
        """The nova-compute of a host."""

    async def hypervisors(self, *, max_age: float = 0.0) -> Sequence[Hypervisor]:
        """All compute nodes, with what they have and what is used of it."""

    async def hypervisor_record(self, hypervisor_id: str) -> Mapping[str, Any]:
        """A compute node in Nova's own words, with cpu_info."""

    async def hypervisor_records(self) -> Mapping[str, Mapping[str, Any]]:
        """{id: the same}, of all compute nodes."""

    async def aggregates(self) -> Sequence[Aggregate]:
        """All aggregates."""

    async def join_aggregate(self, aggregate_id: int, host: str) -> Accepted:
        """Put a host into an aggregate; one that is in it has joined."""

    async def leave_aggregate(self, aggregate_id: int, host: str) -> Accepted:
        """Take a host out of an aggregate; one that is not in it has left."""

    async def allocation_ratios(self, hypervisor_id: str) -> AllocationRatios:
        """What Placement says of a compute node."""

    async def stocks(self, hypervisor_id: str) -> Mapping[str, Stock]:
        """{class of resource: what Placement has of it} of a compute node."""

    async def traits(self, hypervisor_id: str) -> frozenset[str]:
        """What Placement says that a compute node can do."""

    async def cordon(self, host: str, reason: str) -> Accepted:
        """Let nothing new be put on the host."""

    async def uncordon(self, host: str) -> Accepted:
        """Let the host be used again; its reason is gone."""

    async def force_down(self, host: str) -> Accepted:
        """Say that the host is down, whatever it reports."""

    async def release_force_down(self, host: str) -> Accepted:
        """Let its reports count again; `CloudRefused` while evacuated servers wait to be cleaned up there."""

    # --- servers --------------------------------------------------------------------------------------------

    async def servers_on(self, host: str, *, max_age: float = 0.0) -> Sequence[Server]:
        """All servers of all projects whose record says this host."""

    async def server(self, server_id: str) -> Server:
        """One server."""

    async def diagnostics(self, server_id: str) -> Diagnostics:
        """What its hypervisor has counted; `CloudRefused` when it does not run, or nothing is counted."""

    async def server_groups(self) -> Sequence[ServerGroup]:
        """All server groups of all projects."""

    async def migrations_of_host(self, host: str, *, max_age: float = 0.0) -> Sequence[Migration]:
        """Recent migrations from or to a host, those of a server newest first."""

    async def migrations_of(self, server_id: str) -> Sequence[Migration]:
        """All migrations of a server, newest first."""

    async def running_migrations(self, *, max_age: float = 0.0) -> Sequence[Migration]:
        """Whatever is being migrated now, anywhere."""

    async def live_migration(self, server_id: str, migration_id: int) -> LiveMigrationProgress | None:
        """How far a live migration has come; None when it does not run."""

    async def why(self, server_id: str, request_id: str | None) -> str | None:
        """What Nova wrote down of why a request failed; None when it says nothing."""

    async def live_migrate(
        self, server_id: str, destination: str | None = None, *, block_migration: bool | None = None
    ) -> Accepted:
        """Move a running server; without destination Nova chooses, None lets it find out about disks."""

    async def cold_migrate(self, server_id: str, destination: str | None = None) -> Accepted:
        """Move a server by stopping it; afterwards it waits for `confirm_resize`."""

    async def confirm_resize(self, server_id: str) -> Accepted:
        """Be content with a cold migration."""

    async def revert_resize(self, server_id: str) -> Accepted:
        """Take a cold migration back."""

    async def evacuate(self, server_id: str, destination: str | None = None) -> Accepted:
        """Start a server of a dead host elsewhere. The host must be down, and really off."""

    async def abort_migration(self, server_id: str, migration_id: int) -> Accepted:
        """Stop a live migration; the server goes on where it was."""

    async def force_complete(self, server_id: str, migration_id: int) -> Accepted:
        """Pause the server so that its live migration comes to an end."""

    async def reset_state(self, server_id: str, state: str) -> Accepted:
        """Change the record alone to `active` or `error`, and forget what task it had."""

    async def reboot(self, server_id: str, *, hard: bool) -> Accepted:
        """Restart the guest; hard also makes it anew from its record."""

    async def start(self, server_id: str) -> Accepted:
        """Start a stopped server."""

    async def stop(self, server_id: str) -> Accepted:
        """Stop a server."""

    async def resume(self, server_id: str) -> Accepted:
        """Wake a suspended server."""

    async def unpause(self, server_id: str) -> Accepted:
        """Let a paused server go on."""

    async def unshelve(self, server_id: str) -> Accepted:
        """Bring a shelved server back."""

    async def lock(self, server_id: str, reason: str) -> Accepted:
        """Keep its users from changing a server."""

    async def unlock(self, server_id: str) -> Accepted:
        """Let its users change a server again."""

    # --- making and deleting --------------------------------------------------------------------------------

    async def server_definition(self, server_id: str) -> ServerDefinition:
        """As what a server was made, so that another one can be made like it."""

    async def has_key(self, name: str, user_id: str) -> bool:
        """Whether a server that we make can be given this key of a user's: we have to have the same one."""

    async def create_server(self, new: NewServer) -> Made:
        """Begin to make a server. Asked twice it makes two: look for the marker."""

    async def delete_server(self, server_id: str) -> Accepted:
        """Begin to delete a server; one that is gone is deleted."""

    async def attach_volume(self, server_id: str, volume_id: str, device: str | None = None) -> Accepted:
        """Give a volume to a server; `device` is a wish that hypervisors seldom honour."""

    async def volume(self, volume_id: str) -> Volume:
        """One volume."""

    async def all_volumes(self) -> Sequence[Volume]:
        """All volumes of all projects."""

    async def storage_pools(self) -> Sequence[StoragePool]:
        """All pools that Cinder's scheduler knows: those whose cinder-volume reports."""

    async def image(self, image_id: str) -> Image:
        """One image."""

    async def find_images(self, marker: Mapping[str, str]) -> Sequence[Image]:
        """The images that have all of the marker among their properties."""

    # --- what tenants' consoles show ------------------------------------------------------------------------

    async def all_servers(self, project_id: str | None = None) -> Sequence[Server]:
        """The servers of a project, or of all; newest first."""

    async def describe_server(
        self, server_id: str, *, name: str | None = None, description: str | None = None
    ) -> Accepted:
        """Change how a server is called and described; None leaves it as it is."""

    async def flavor_ids(self, *, max_age: float = 0.0) -> Mapping[str, str]:
        """{name: id} of all flavors."""

    async def projects(self, *, max_age: float = 0.0) -> Mapping[str, Project]:
        """{id: project} of Keystone."""

    async def plugs_of(self, server_ids: Collection[str]) -> Sequence[Plug]:
        """The interfaces of these servers."""

    async def public_addresses_of(self, port_ids: Collection[str]) -> Mapping[str, str]:
        """{id of an interface: the floating address that leads to it}."""

    async def network_names(self, ids: Collection[str]) -> Mapping[str, str]:
        """{id: name} of these networks."""

    async def security_group_names(self, ids: Collection[str]) -> Mapping[str, str]:
        """{id: name} of these security groups."""

    async def issue_token(self, auth: Mapping[str, Any]) -> IssuedToken:
        """Log in as `auth` says, in the form of Keystone; `CloudRefused` has the status of its answer."""

    def with_token(self, token: str) -> CloudPort:
        """The same cloud as whoever has this token; it need not be closed."""

    # --- domains --------------------------------------------------------------------------------------------

    async def domain(self, domain_id: str) -> Domain:
        """One domain."""

    async def configure_domain(self, domain_id: str, options: Mapping[str, Mapping[str, str]]) -> Accepted:
        """Replace the options that a domain has of its own by {group: {option: value}}."""

    async def close(self) -> None:
        """Ask nothing more."""
