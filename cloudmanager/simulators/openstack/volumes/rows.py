"""What Cinder keeps: volumes, snapshots, attachments, backups, types and services."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field


def new_id() -> str:
    """An id in Cinder's form."""
    return str(uuid.uuid4())


@dataclass(slots=True, kw_only=True)
class Row:
    """What every row has. At `due` its status turns into `becomes`; a row that becomes `deleted` is gone."""

    id: str = field(default_factory=new_id)
    name: str | None = None
    description: str | None = None
    status: str = "creating"
    becomes: str = ""
    due: float = 0.0
    project_id: str = ""
    user_id: str = ""
    created_at: float = 0.0
    updated_at: float | None = None
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Volume(Row):
    """A disk of `size` GiB; `host` is the pool that it lies in, as host@backend#pool."""

    size: int = 1
    host: str | None = None
    type_id: str = ""
    zone: str = "nova"
    bootable: bool = False
    multiattach: bool = False
    readonly: bool = False
    snapshot_id: str | None = None
    source_volid: str | None = None
    image: dict[str, str] = field(default_factory=dict)  # what it was made of, as volume_image_metadata


@dataclass(slots=True, kw_only=True)
class Snapshot(Row):
    """A volume as it was."""

    volume_id: str
    size: int


@dataclass(slots=True, kw_only=True)
class Backup(Row):
    """A copy of a volume elsewhere."""

    volume_id: str
    size: int
    container: str = "volumebackups"
    snapshot_id: str | None = None


@dataclass(slots=True, kw_only=True)
class Attachment:
    """A volume and the server that has it, or is to have it: reserved, attaching, attached."""

    volume_id: str
    server_id: str | None = None
    id: str = field(default_factory=new_id)
    status: str = "reserved"
    mode: str = "rw"
    device: str | None = None
    host: str | None = None
    attached_at: float | None = None
    connector: dict[str, str | bool | int] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class VolumeType:
    """What a volume may be; `specs` choose the backend."""

    name: str
    id: str = field(default_factory=new_id)
    description: str | None = None
    is_public: bool = True
    specs: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Service:
    """A daemon of Cinder."""

    binary: str
    host: str
    zone: str = "nova"
    uuid: str = field(default_factory=new_id)
    up: bool = True
    disabled: bool = False
    disabled_reason: str | None = None
    seen_at: float = 0.0
