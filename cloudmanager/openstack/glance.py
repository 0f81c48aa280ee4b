"""Images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.errors import NotFound
from cloudmanager.openstack.calls import segment
from cloudmanager.openstack.clone_shapes import image_from
from cloudmanager.openstack.clones import carries
from cloudmanager.openstack.part import Part
from cloudmanager.openstack.records import Accepted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloudmanager.openstack.definitions import Image


class Images(Part):
    """What Glance says and is told."""

    async def image(self, image_id: str) -> Image:
        """One image."""
        return image_from((await self._glance.get("image", f"images/{segment(image_id)}")).body)

    async def find_images(self, marker: Mapping[str, str]) -> Sequence[Image]:
        """The images that have all of the marker among their properties."""
        found = await self._glance.pages("find_images", "images", "images", marker)
        images = (image_from(body) for body in found)
        return tuple(image for image in images if carries(marker, image.properties))

    async def delete_image(self, image_id: str) -> Accepted:
        """Delete an image; one that is gone is deleted."""
        try:
            path = f"images/{segment(image_id)}"
            return (await self._glance.call("delete_image", "DELETE", path, repeat=True)).accepted
        except NotFound:
            return Accepted(None)
