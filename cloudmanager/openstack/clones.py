"""What Nova says and is told of servers that are copied, made and deleted."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from cloudmanager.errors import CloudRefused, NotFound
from cloudmanager.openstack.calls import segment
from cloudmanager.openstack.clone_shapes import definition_from, server_body, tags_of
from cloudmanager.openstack.definitions import Made
from cloudmanager.openstack.moves import Moves
from cloudmanager.openstack.records import Accepted
from cloudmanager.openstack.shapes import server_from
from cloudmanager.openstack.versions import ATTACHMENTS, FLAVOR_ID

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloudmanager.openstack.definitions import NewServer, ServerDefinition
    from cloudmanager.openstack.records import Server


def carries(marker: Mapping[str, str], metadata: Mapping[str, Any]) -> bool:
    """Whether all of a marker is in some metadata; services that do not filter by it are made up for."""
    return all(metadata.get(name) == value for name, value in marker.items())


class Clones(Moves):
    """Definitions of servers, new servers, and the end of servers."""

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

    async def create_server(self, new: NewServer) -> Made:
        """Begin to make a server. Asked twice it makes two: look for the marker."""
        answer = await self._nova.call("create_server", "POST", "servers", body=server_body(new))
        return Made(answer.part("server")["id"], answer.request_id)

    async def delete_server(self, server_id: str) -> Accepted:
        """Begin to delete a server; one that is gone is deleted."""
        try:
            path = f"servers/{segment(server_id)}"
            return (await self._nova.call("delete_server", "DELETE", path, repeat=True)).accepted
        except NotFound:
            return Accepted(None)

    async def attach_volume(self, server_id: str, volume_id: str, device: str | None = None) -> Accepted:
        """Give a volume to a server; `device` is a wish that hypervisors seldom honour."""
        path = f"servers/{segment(server_id)}/os-volume_attachments"
        wish = {"device": device} if device else {}
        body = {"volumeAttachment": {"volumeId": volume_id, **wish}}
        try:
            return (await self._nova.call("attach_volume", "POST", path, body=body)).accepted
        except CloudRefused as refused:
            try:
                await self._nova.get("attach_volume", f"{path}/{segment(volume_id)}")
            except NotFound:
                raise refused from None
            return Accepted(refused.request_id)

    async def create_image(self, server_id: str, name: str, marker: Mapping[str, str]) -> Made:
        """Begin to make an image of a server's disk; the marker becomes properties of the image."""
        path = f"servers/{segment(server_id)}/action"
        body = {"createImage": {"name": name, "metadata": dict(marker)}}
        answer = await self._nova.call("create_image", "POST", path, body=body)
        return Made(answer.part("image_id"), answer.request_id)
