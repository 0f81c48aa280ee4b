"""The truth of a simulated Glance: images, and the data of small ones."""

from __future__ import annotations

import base64
import hashlib
import uuid
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from cloudmanager.simulators.openstack.problems import Conflict, Forbidden, NotThere, TooMuch

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloudmanager.simulators.clock import Clock

LARGEST = 1 << 20
"""Bytes of data that an upload may have: they are kept in memory and in the state file."""

OPERATIONS = ("upload", "copy")


@dataclass(slots=True, kw_only=True)
class Image:
    """An image; at `due` its status turns into `becomes`. A copy of a disk has a size, but no data."""

    name: str | None = None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: str = "queued"
    becomes: str = ""
    due: float = 0.0
    owner: str = ""
    visibility: str = "shared"
    protected: bool = False
    size: int | None = None
    min_disk: int = 0
    min_ram: int = 0
    container_format: str | None = None
    disk_format: str | None = None
    checksum: str | None = None
    hash_value: str | None = None
    tags: list[str] = field(default_factory=list)
    properties: dict[str, Any] = field(default_factory=dict)
    created_at: float = 0.0
    updated_at: float = 0.0
    data: str = field(default="", repr=False)  # in base64
    members: dict[str, dict[str, Any]] = field(default_factory=dict)  # {project: status and times}


class Images:
    """Everything that Glance knows. It changes by its methods alone.

    `failing` are those of `OPERATIONS` that go wrong.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.failing: frozenset[str] = frozenset()
        self.images: dict[str, Image] = {}

    def all(self) -> Iterable[Image]:
        """All images as they are now, newest first."""
        return reversed([self._now(image) for image in self.images.values()])

    def image(self, key: str) -> Image:
        """One image, or `NotThere`."""
        try:
            return self._now(self.images[key])
        except KeyError:
            raise NotThere(f"No image found with ID {key}") from None

    def add(self, image: Image) -> Image:
        """Keep an image without data: it is queued."""
        if image.id in self.images:
            raise Conflict(f"Image ID {image.id} already exists!")
        image.created_at = image.updated_at = self.clock.now()
        self.images[image.id] = image
        return image

    def upload(self, image: Image, data: bytes) -> None:
        """Give a queued image its data: it is active."""
        if image.status != "queued":
            raise Conflict(f"Image status transition from {image.status} to saving is not allowed")
        if len(data) > LARGEST:
            raise TooMuch(
                f"Image exceeds the storage quota: The size of the data {len(data)} bytes is too large."
            )
        self.touch(image)
        if "upload" in self.failing:
            image.status = "killed"
            return
        image.status, image.size = "active", len(data)
        image.checksum = hashlib.md5(data, usedforsecurity=False).hexdigest()
        image.hash_value = hashlib.sha512(data).hexdigest()
        image.data = base64.b64encode(data).decode()

    def copy_disk(self, image: Image, size: int, seconds: float) -> Image:
        """Begin to make an image of a server's disk of `size` bytes: it is saving, and then active."""
        self.add(image)
        image.size, image.status = size, "saving"
        image.becomes = "killed" if "copy" in self.failing else "active"
        image.due = self.clock.now() + seconds
        return image

    def data(self, image: Image) -> bytes:
        """What was uploaded."""
        return base64.b64decode(image.data)

    def delete(self, image: Image) -> None:
        """Forget an image that is not protected."""
        if image.protected:
            raise Forbidden(f"Image {image.id} is protected and cannot be deleted.")
        del self.images[image.id]

    def share(self, image: Image, project_id: str, status: str = "pending") -> None:
        """Let a project see an image; in its lists it is once the project has accepted it."""
        now = self.clock.now()
        row = image.members.setdefault(project_id, {"created_at": now})
        row |= {"status": status, "updated_at": now}

    def touch(self, image: Image) -> None:
        """Note that an image has changed."""
        image.updated_at = self.clock.now()

    def _now(self, image: Image) -> Image:
        if image.becomes and image.due <= self.clock.now():
            image.status, image.becomes, image.updated_at = image.becomes, "", image.due
        return image

    def to_dict(self) -> dict[str, Any]:
        """Everything that a restart must find again, in values that JSON can hold."""
        return {"images": [asdict(image) for image in self.images.values()], "failing": sorted(self.failing)}

    @classmethod
    def from_dict(cls, kept: dict[str, Any], clock: Clock) -> Images:
        """Build what `to_dict` described."""
        images = cls(clock)
        images.images = {row["id"]: Image(**row) for row in kept["images"]}
        images.failing = frozenset(kept["failing"])
        return images
