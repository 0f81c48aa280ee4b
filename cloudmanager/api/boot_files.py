"""Boot files after changes to nodes and images: they follow the database, after the commit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from sqlalchemy import select

from cloudmanager import pxe
from cloudmanager.api.services import services
from cloudmanager.api.usage import node_title
from cloudmanager.db import after_commit
from cloudmanager.errors import Conflict, InvalidInput, Unavailable
from cloudmanager.models import Node, NodeImage

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy.orm import Session

log = structlog.get_logger(__name__)


def follow(session: Session, macs: Collection[str | None] = (), *, default: bool = False) -> None:
    """Have the files for these addresses, as nodes have them, follow the commit; or the files for all others.

    What cannot be written now is written by the next sync: the change itself stands.
    """
    found = _local()
    wanted = sorted({mac for column in macs for mac in pxe.macs_in(column)})
    if found is None or not (wanted or default):
        return

    def renew() -> None:
        try:
            found.renew(wanted, default=default)
        except (Unavailable, InvalidInput) as error:
            log.warning("boot files not written; the next sync does it", why=error.message)

    after_commit(session, renew)


def check_assignment(session: Session, node: Node, image: NodeImage) -> list[str]:
    """The addresses of a node that is to start an image. Raises what stands in the way of its files.

    The image `default` takes files away, and needs no address: it is for every machine without files.
    """
    macs = pxe.macs_in(node.mac_address)
    if image.image_name == pxe.DEFAULT_IMAGE:
        return macs
    if not macs:
        raise Conflict(f"node {node.id} has no MAC address to boot from: give it one as mac_address")
    _refuse_shared(session, node, image, macs)
    if (found := _local()) is not None:
        found.check(node, image, macs)
    return macs


def write_after(session: Session, macs: Collection[str]) -> None:
    """Write the files of a node that was assigned an image; `Unavailable` tells when that fails."""
    if (found := _local()) is None:
        return

    def renew() -> None:
        try:
            found.renew(macs)
        except (Unavailable, InvalidInput) as error:
            message = f"the image is assigned, but its files are not written yet: {error.message}; "
            raise Unavailable(message + "ask again, or leave it to the next sync") from None

    after_commit(session, renew)


def _local() -> pxe.BootFiles | None:
    return pxe.boot_files(services().database, services().config)


def _refuse_shared(session: Session, node: Node, image: NodeImage, macs: Collection[str]) -> None:
    """One address, one image: a machine cannot start two."""
    others = (
        select(Node.id, Node.name, Node.mac_address)
        .join(NodeImage, NodeImage.id == Node.image_id)
        .where(Node.id != node.id, Node.image_id != image.id, NodeImage.image_name != pxe.DEFAULT_IMAGE)
    )
    for mac in macs:
        if (
            other := session.execute(others.where(Node.mac_address.contains(mac)).limit(1)).first()
        ) is not None:
            title = node_title(other.id, other.name)
            raise Conflict(
                f"{title} has the MAC address {mac} too and boots another image: correct one of them"
            )
