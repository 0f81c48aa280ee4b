"""What Nova says of servers that are copied."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from cloudmanager.errors import NotFound
from cloudmanager.openstack.calls import segment
from cloudmanager.openstack.clone_shapes import definition_from
from cloudmanager.openstack.making import Making
from cloudmanager.openstack.moves import Moves
from cloudmanager.openstack.versions import ATTACHMENTS, FLAVOR_ID

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudmanager.openstack.definitions import ServerDefinition


def carries(marker: Mapping[str, str], metadata: Mapping[str, Any]) -> bool:
    """Whether all of a marker is in some metadata; services that do not filter by it are made up for."""
    return all(metadata.get(name) == value for name, value in marker.items())


class Clones(Moves, Making):
    """Of what a server is made."""

    async def server_definition(self, server_id: str) -> ServerDefinition:
        """As what a server was made, so that another one can be made like it."""
        verb, path = "server_definition", f"servers/{segment(server_id)}"
        server, older, interfaces, attachments = await asyncio.gather(
            self._nova.get(verb, path),
            self._nova.get(verb, path, speech=FLAVOR_ID),
            self._nova.get(verb, f"{path}/os-interface"),
            self._nova.get(verb, f"{path}/os-volume_attachments", speech=ATTACHMENTS),
        )
        return definition_from(
            server.part("server"),
            older.part("server")["flavor"]["id"],
            interfaces.part("interfaceAttachments"),
            attachments.part("volumeAttachments"),
        )

    async def has_key(self, name: str, user_id: str) -> bool:
        """Whether a server that we make can be given this key of a user's: we have to have the same one."""
        ours, theirs = await asyncio.gather(self._public_key(name), self._public_key(name, user_id))
        return ours is not None and ours == theirs

    async def _public_key(self, name: str, user_id: str | None = None) -> str | None:
        """What a user, or ourselves, has under a name; None when there is nothing."""
        query = {"user_id": user_id} if user_id else None
        try:
            answer = await self._nova.get("has_key", f"os-keypairs/{quote(name, safe='')}", query)
        except NotFound:
            return None
        return str(answer.part("keypair")["public_key"])
