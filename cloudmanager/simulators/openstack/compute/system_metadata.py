"""Nova's table `instance_system_metadata`, in a real database: there is no API for it, only the database."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cloudmanager.simulators.openstack.compute.rows import Server
    from cloudmanager.simulators.openstack.images import Image

_TABLE = """
CREATE TABLE IF NOT EXISTS instance_system_metadata (
    created_at DATETIME,
    updated_at DATETIME,
    deleted_at DATETIME,
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    instance_uuid VARCHAR(36) NOT NULL,
    "key" VARCHAR(255) NOT NULL,
    value VARCHAR(255),
    deleted INTEGER
)
"""
_INDEX = "CREATE INDEX IF NOT EXISTS instance_uuid ON instance_system_metadata (instance_uuid)"


class SystemMetadata:
    """Writes what Nova writes when a server is made and deleted. Without a path it writes nothing."""

    def __init__(self, path: Path | None, image_of: Callable[[Server], Image | None]) -> None:
        self.path = path
        self._image_of = image_of
        if path is not None:
            with self._open() as database:
                database.execute(_TABLE)
                database.execute(_INDEX)

    def write_new(self, *servers: Server) -> None:
        """The rows of new servers."""
        rows: list[tuple[str, ...]] = [
            (_now(), server.id, key, value)
            for server in servers
            for key, value in _values(server, self._image_of(server)).items()
        ]
        self._write(
            'INSERT INTO instance_system_metadata (created_at, instance_uuid, "key", value, deleted) '
            "VALUES (?, ?, ?, ?, 0)",
            rows,
        )

    def mark_deleted(self, server: Server) -> None:
        """The server is gone; Nova keeps the rows and writes their own id into `deleted`."""
        self._write(
            "UPDATE instance_system_metadata SET deleted = id, deleted_at = ? "
            "WHERE instance_uuid = ? AND deleted = 0",
            [(_now(), server.id)],
        )

    def of(self, server_id: str) -> dict[str, str]:
        """What is written of a server that is there."""
        if self.path is None:
            return {}
        with self._open() as database:
            found = database.execute(
                'SELECT "key", value FROM instance_system_metadata WHERE instance_uuid = ? AND deleted = 0',
                (server_id,),
            )
            return dict(found.fetchall())

    def _write(self, statement: str, rows: list[tuple[str, ...]]) -> None:
        if self.path is not None:
            with self._open() as database:
                database.executemany(statement, rows)

    def _open(self) -> _Database:
        return _Database(self.path)


class _Database:
    """A connection for one transaction; it is closed at the end, so that none outlives a test."""

    def __init__(self, path: Path | None) -> None:
        self._connection = sqlite3.connect(str(path))

    def __enter__(self) -> sqlite3.Connection:
        return self._connection

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._connection.commit()
        self._connection.close()


def _values(server: Server, image: Image | None) -> dict[str, str]:
    return {
        "image_disk_format": (image and image.disk_format) or "qcow2",
        "image_container_format": (image and image.container_format) or "bare",
        "image_min_ram": str(image.min_ram if image else 0),
        "image_min_disk": str(server.flavor.disk),
        "image_base_image_ref": server.image_id,
        "boot_roles": "member,reader",
        "owner_user_name": server.user_id,
        "owner_project_name": server.project_id,
    }


def _now() -> str:
    return datetime.now(UTC).replace(tzinfo=None).isoformat(sep=" ", timespec="seconds")
