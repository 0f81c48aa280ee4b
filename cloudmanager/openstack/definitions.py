"""What a copy of a server is made of: plain records, as in `records`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Attachment:
    """A volume of a server. `boot_index` is 0 for the one it boots from, else None: Nova tells no others."""

    volume_id: str
    device: str | None
    boot_index: int | None
    delete_on_termination: bool
    tag: str | None = None


@dataclass(frozen=True, slots=True)
class ServerDefinition:
    """As what a server was made: `networks` in the order of interfaces, `attachments` in that of devices.

    `image_id` is None for a server that boots from a volume; `zone` is None unless its user asked for one.
    """

    id: str
    name: str
    project_id: str
    user_id: str
    flavor_id: str
    image_id: str | None
    networks: tuple[str, ...]
    security_groups: tuple[str, ...]
    key_name: str | None
    metadata: Mapping[str, str]
    user_data: str | None = field(repr=False)
    attachments: tuple[Attachment, ...]
    config_drive: bool
    zone: str | None
    description: str | None = None


@dataclass(frozen=True, slots=True)
class NewAttachment:
    """A volume that exists and becomes one of a new server; the one with `boot_index` 0 is booted."""

    volume_id: str
    boot_index: int | None = None
    device: str | None = None
    delete_on_termination: bool = False


@dataclass(frozen=True, slots=True)
class NewServer:
    """A server to be made. `marker` is how it is found again: it becomes tags NAME=VALUE.

    A tag has at most 60 characters, no comma and no slash.
    `user_data` is in base64, as a definition has it. Without networks it gets none.
    """

    name: str
    flavor_id: str
    image_id: str | None = None
    networks: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    key_name: str | None = None
    marker: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    user_data: str | None = field(default=None, repr=False)
    attachments: tuple[NewAttachment, ...] = ()
    config_drive: bool = False
    zone: str | None = None
    description: str | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """What the cloud has begun to make: its id, and the request for the cloud's logs."""

    id: str
    request_id: str | None


@dataclass(frozen=True, slots=True)
class Volume:
    """A volume. `status` is Cinder's word: available, in-use, creating, deleting, error and others.

    `pool` is where it lies, as host@backend#pool; `stored_as` the id in the name of what holds it there:
    another one than its own after Cinder has migrated it.
    """

    id: str
    name: str | None
    status: str
    size_gb: int
    type: str | None
    bootable: bool
    zone: str | None
    project_id: str | None
    snapshot_id: str | None
    servers: tuple[str, ...]
    metadata: Mapping[str, str] = field(default_factory=dict)
    created_at: datetime | None = None
    pool: str | None = None
    stored_as: str | None = None


@dataclass(frozen=True, slots=True)
class StoragePool:
    """Room for volumes. `name` is host@backend#pool; sizes in GiB are None where the backend cannot say.

    `volume_group` is the one of LVM behind it; None for all other kinds of storage.
    """

    name: str
    host: str
    backend: str | None
    protocol: str | None
    total_gb: float | None
    free_gb: float | None
    volume_group: str | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot of a volume. `status` is Cinder's word: available, creating, deleting, error and others."""

    id: str
    name: str | None
    status: str
    volume_id: str
    size_gb: int
    metadata: Mapping[str, str] = field(default_factory=dict)
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Image:
    """An image. `status` is Glance's word: active, queued, saving, killed; `properties` are all its texts."""

    id: str
    name: str | None
    status: str
    size: int | None
    properties: Mapping[str, str] = field(default_factory=dict)
    created_at: datetime | None = None
