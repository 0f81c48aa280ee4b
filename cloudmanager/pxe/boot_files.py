"""The boot files of one machine: brought in line with the inventory, wholly or for some addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.errors import Conflict
from cloudmanager.pxe import tree
from cloudmanager.pxe.loaders import LOADERS
from cloudmanager.pxe.rendering import Image, renderer_for
from cloudmanager.pxe.tree import Change, Kind
from cloudmanager.pxe.wanted import Boot, boots, default_files, default_image, files_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from sqlalchemy.orm import Session

    from cloudmanager.config import Config
    from cloudmanager.db import Database
    from cloudmanager.models import Node, NodeImage


class BootFiles:
    """The files below one root. Raises `Unavailable` when they cannot be read or written."""

    def __init__(self, database: Database, root: str, template_directory: str) -> None:
        self._database = database
        self._root = root
        self._renderer = renderer_for(template_directory)

    def check(self, node: Node, image: NodeImage, macs: Collection[str]) -> None:
        """Raise what would keep the files of a node from being written: templates, foreign files."""
        drawn = Image(image.id, image.image_name, image.file_data)
        boots_of_node = [Boot(mac, node.name or "", drawn) for mac in macs]
        wanted = dict(file for boot in boots_of_node for file in files_of(self._renderer, boot))
        with tree.opened(self._root) as opened:
            changes = opened.difference(wanted, wanted)
        if foreign := [change.path for change in changes if change.kind is Kind.FOREIGN]:
            where = ", ".join(foreign)
            raise Conflict(f"{where} in {self._root} is not ours: move it away, then assign the image again")

    def renew(self, macs: Collection[str], *, default: bool = False) -> list[Change]:
        """Bring the files of these addresses in line, and those for all other machines if `default`."""
        paths = [loader.path(mac) for mac in macs for loader in LOADERS]
        if default:
            paths += [loader.default for loader in LOADERS]
        with tree.locked(self._root) as opened, self._database.reading() as session:
            wanted = dict(self._wanted(session, macs, default=default))
            changes = opened.difference(wanted, paths)
            opened.bring_in_line(wanted, changes)
        return changes

    def diff(self) -> list[Change]:
        """What `sync` would do."""
        with tree.opened(self._root) as opened, self._database.reading() as session:
            return self._compare(opened, session)[1]

    def sync(self) -> list[Change]:
        """Bring all files in line; answers what was done, and what is foreign."""
        with tree.locked(self._root) as opened, self._database.reading() as session:
            opened.tidy()
            wanted, changes = self._compare(opened, session)
            opened.bring_in_line(wanted, changes)
        return changes

    def shared(self) -> dict[str, list[int]]:
        """{MAC address: the nodes that claim it}, of those that several claim for an image of their own."""
        with self._database.reading() as session:
            return {mac: boot.nodes for mac, boot in boots(session).items() if len(boot.nodes) > 1}

    def _compare(self, opened: tree.Tree, session: Session) -> tuple[dict[str, bytes], list[Change]]:
        wanted = dict(self._wanted(session, None, default=True))
        changes = opened.difference(wanted, {*wanted, *opened.names()})
        in_the_way = [each for each in changes if each.kind is not Kind.FOREIGN or each.path in wanted]
        return wanted, in_the_way

    def _wanted(
        self, session: Session, macs: Collection[str] | None, *, default: bool
    ) -> Iterator[tuple[str, bytes]]:
        for boot in boots(session, macs).values():
            yield from files_of(self._renderer, boot)
        if default:
            yield from default_files(self._renderer, default_image(session))


def boot_files(database: Database, config: Config) -> BootFiles | None:
    """The boot files of this machine, if `[pxe]` says that it has some."""
    options = config.pxe
    if not options.enabled or not options.tftp_root:
        return None
    return BootFiles(database, options.tftp_root, options.template_directory)
