"""What Nova is told of servers that are made and deleted; in whichever project we are logged in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.errors import CloudRefused, NotFound
from cloudmanager.openstack.calls import segment
from cloudmanager.openstack.clone_shapes import server_body
from cloudmanager.openstack.definitions import Made
from cloudmanager.openstack.part import Part
from cloudmanager.openstack.records import Accepted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudmanager.openstack.definitions import NewServer


class Making(Part):
    """New servers, what they are given, and the end of servers."""

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
