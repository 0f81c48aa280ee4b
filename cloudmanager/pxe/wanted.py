"""What the inventory wants to stand in which boot file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from sqlalchemy import or_, select

from cloudmanager.models import Node, NodeImage
from cloudmanager.pxe.loaders import LOADERS, is_mac
from cloudmanager.pxe.rendering import Image

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from sqlalchemy.orm import Session

    from cloudmanager.pxe.rendering import Renderer

DEFAULT_IMAGE: Final = "default"
_ASKED_ONE_BY_ONE: Final = 20


@dataclass(frozen=True)
class Boot:
    """A MAC address whose machine starts an image; the node is its first, by id, of `nodes`."""

    mac: str
    node: str
    image: Image
    nodes: list[int] = field(default_factory=list)


def macs_in(column: str | None) -> list[str]:
    """The usable addresses of what a node has as `mac_address`."""
    return [mac for mac in (column or "").split(",") if is_mac(mac)]


def boots(session: Session, macs: Collection[str] | None = None) -> dict[str, Boot]:
    """Every MAC address, or those of the given, with an image of its own.

    Where several nodes claim an address, the one with the lowest id has it.
    """
    query = (
        select(Node.id, Node.name, Node.mac_address, NodeImage.id, NodeImage.image_name, NodeImage.file_data)
        .join(NodeImage, NodeImage.id == Node.image_id)
        .where(Node.mac_address.is_not(None), NodeImage.image_name != DEFAULT_IMAGE)
        .order_by(Node.id)
    )
    if macs is not None and len(macs) <= _ASKED_ONE_BY_ONE:
        query = query.where(or_(False, *(Node.mac_address.contains(mac) for mac in macs)))
    found: dict[str, Boot] = {}
    images: dict[int, Image] = {}
    for node_id, name, column, image_id, image_name, file_data in session.execute(query):
        image = images.setdefault(image_id, Image(image_id, image_name, file_data))
        for mac in macs_in(column):
            if macs is None or mac in macs:
                found.setdefault(mac, Boot(mac, name or "", image)).nodes.append(node_id)
    return found


def default_image(session: Session) -> Image | None:
    """The image for machines that have none of their own."""
    query = select(NodeImage.id, NodeImage.image_name, NodeImage.file_data)
    row = session.execute(query.where(NodeImage.image_name == DEFAULT_IMAGE)).one_or_none()
    return Image(*row) if row else None


def files_of(renderer: Renderer, boot: Boot) -> Iterator[tuple[str, bytes]]:
    """The files for one MAC address."""
    for loader in LOADERS:
        yield loader.path(boot.mac), renderer.render(loader, boot.image, boot.mac, boot.node)


def default_files(renderer: Renderer, image: Image | None) -> Iterator[tuple[str, bytes]]:
    """The files for machines without any of their own."""
    if image is None:
        return
    for loader in LOADERS:
        yield loader.default, renderer.render(loader, image)
