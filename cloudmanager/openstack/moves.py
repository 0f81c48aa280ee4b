"""What Nova is told to do with servers: to move them, and to change their state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudmanager.errors import CloudRefused, NotFound
from cloudmanager.openstack.already import by_migration, by_server, needs_migration
from cloudmanager.openstack.calls import segment
from cloudmanager.openstack.nova_servers import Servers
from cloudmanager.openstack.records import Accepted
from cloudmanager.openstack.versions import EVACUATE, USUAL, Speech

if TYPE_CHECKING:
    from cloudmanager.openstack.records import Migration

_REFUSALS = frozenset({400, 409})
"""How Nova answers what it need not do."""


class Moves(Servers):
    """The actions on servers. One that is refused because it was asked for already is a success."""

    async def live_migrate(
        self, server_id: str, destination: str | None = None, *, block_migration: bool | None = None
    ) -> Accepted:
        """Move a running server; without destination Nova chooses, None lets it find out about disks."""
        block = "auto" if block_migration is None else block_migration
        body = {"host": destination, "block_migration": block}
        return await self._act("live_migrate", server_id, "os-migrateLive", body)

    async def cold_migrate(self, server_id: str, destination: str | None = None) -> Accepted:
        """Move a server by stopping it; afterwards it waits for `confirm_resize`."""
        body = {"host": destination} if destination else None
        return await self._act("cold_migrate", server_id, "migrate", body)

    async def confirm_resize(self, server_id: str) -> Accepted:
        """Be content with a cold migration."""
        return await self._act("confirm_resize", server_id, "confirmResize")

    async def revert_resize(self, server_id: str) -> Accepted:
        """Take a cold migration back."""
        return await self._act("revert_resize", server_id, "revertResize")

    async def evacuate(self, server_id: str, destination: str | None = None) -> Accepted:
        """Start a server of a dead host elsewhere. The host must be down, and really off.

        Looks first: Nova takes a second evacuation during the first, and then its record never ends.
        """
        if by_server("evacuate", await self.server(server_id)):
            return Accepted(None)
        body = {"host": destination} if destination else {}
        return await self._act("evacuate", server_id, "evacuate", body, speech=EVACUATE)

    async def abort_migration(self, server_id: str, migration_id: int) -> Accepted:
        """Stop a live migration; the server goes on where it was. One that has ended is stopped."""
        path = f"servers/{segment(server_id)}/migrations/{migration_id}"
        try:
            return (await self._nova.call("abort_migration", "DELETE", path, repeat=True)).accepted
        except (CloudRefused, NotFound) as refused:
            if not (await self._migration(server_id, migration_id, refused)).ended:
                raise
            return Accepted(getattr(refused, "request_id", None))

    async def force_complete(self, server_id: str, migration_id: int) -> Accepted:
        """Pause the server so that its live migration comes to an end."""
        path = f"servers/{segment(server_id)}/migrations/{migration_id}/action"
        try:
            body = {"force_complete": None}
            return (await self._nova.call("force_complete", "POST", path, body=body)).accepted
        except (CloudRefused, NotFound) as refused:
            migration = await self._migration(server_id, migration_id, refused)
            if migration.failed or not migration.ended:
                raise
            return Accepted(getattr(refused, "request_id", None))

    async def _migration(self, server_id: str, migration_id: int, refused: Exception) -> Migration:
        """A migration that Nova does not want to change; raises its refusal when there is no such thing."""
        for migration in await self.migrations_of(server_id):
            if migration.id == migration_id:
                return migration
        raise refused

    async def reset_state(self, server_id: str, state: str) -> Accepted:
        """Change the record alone to `active` or `error`, and forget what task it had."""
        return await self._act("reset_state", server_id, "os-resetState", {"state": state}, repeat=True)

    async def reboot(self, server_id: str, *, hard: bool) -> Accepted:
        """Restart the guest; hard also makes it anew from its record."""
        kind = "hard" if hard else "soft"
        return await self._act(f"{kind} reboot", server_id, "reboot", {"type": kind.upper()})

    async def start(self, server_id: str) -> Accepted:
        """Start a stopped server."""
        return await self._act("start", server_id, "os-start", repeat=True)

    async def stop(self, server_id: str) -> Accepted:
        """Stop a server."""
        return await self._act("stop", server_id, "os-stop", repeat=True)

    async def resume(self, server_id: str) -> Accepted:
        """Wake a suspended server."""
        return await self._act("resume", server_id, "resume", repeat=True)

    async def unpause(self, server_id: str) -> Accepted:
        """Let a paused server go on."""
        return await self._act("unpause", server_id, "unpause", repeat=True)

    async def unshelve(self, server_id: str) -> Accepted:
        """Bring a shelved server back."""
        return await self._act("unshelve", server_id, "unshelve", repeat=True)

    async def lock(self, server_id: str, reason: str) -> Accepted:
        """Keep its users from changing a server."""
        return await self._act("lock", server_id, "lock", {"locked_reason": reason}, repeat=True)

    async def unlock(self, server_id: str) -> Accepted:
        """Let its users change a server again."""
        return await self._act("unlock", server_id, "unlock", repeat=True)

    async def _act(
        self,
        verb: str,
        server_id: str,
        action: str,
        body: Any = None,
        *,
        speech: Speech = USUAL,
        repeat: bool = False,
    ) -> Accepted:
        """An action; `repeat` where a second one cannot undo or repeat what the first has done."""
        path = f"servers/{segment(server_id)}/action"
        call = self._nova.call(verb, "POST", path, body={action: body}, speech=speech, repeat=repeat)
        try:
            return (await call).accepted
        except CloudRefused as refused:
            if refused.status not in _REFUSALS or not await self._already(verb, server_id):
                raise
            return Accepted(refused.request_id)

    async def _already(self, verb: str, server_id: str) -> bool:
        if by_server(verb, await self.server(server_id)):
            return True
        if not needs_migration(verb):
            return False
        return by_migration(verb, next(iter(await self.migrations_of(server_id)), None))
