"""The promise of the Cloud port. `Cloud` keeps it with openstacksdk; tests keep it in memory.

All verbs raise `NotFound` for what the cloud does not know, `CloudRefused` where it says no, and
`CloudUnreachable` where it gives no answer that can be believed. What was asked for already is a success.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudmanager.openstack.records import (
        Accepted,
        Aggregate,
        AllocationRatios,
        Hypervisor,
        LiveMigrationProgress,
        Migration,
        Server,
        ServerGroup,
        Service,
    )


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

    async def aggregates(self) -> Sequence[Aggregate]:
        """All aggregates."""

    async def allocation_ratios(self, hypervisor_id: str) -> AllocationRatios:
        """What Placement says of a compute node."""

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
