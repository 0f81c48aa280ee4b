"""What Nova says of servers that are copied."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from cloudmanager.openstack.calls import segment
from cloudmanager.openstack.clone_shapes import definition_from, tags_of
from cloudmanager.openstack.making import Making
from cloudmanager.openstack.moves import Moves
from cloudmanager.openstack.shapes import server_from
from cloudmanager.openstack.versions import ATTACHMENTS, FLAVOR_ID

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloudmanager.openstack.definitions import ServerDefinition
    from cloudmanager.openstack.records import Server


def carries(marker: Mapping[str, str], metadata: Mapping[str, Any]) -> bool:
    """Whether all of a marker is in some metadata; services that do not filter by it are made up for."""
    return all(metadata.get(name) == value for name, value in marker.items())


class Clones(Moves, Making):
    """Definitions of servers, and the servers that were made with a marker."""

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

    async def find_servers(self, marker: Mapping[str, str]) -> Sequence[Server]:
        """The servers that were made with all of the marker."""
        tags = tags_of(marker)
        query = {"all_tenants": "1", "tags": ",".join(tags)}
        found = await self._nova.pages("find_servers", "servers/detail", "servers", query)
        return tuple(server_from(body) for body in found if set(tags) <= set(body.get("tags") or ()))
