"""Calls about volumes themselves: list, create, show, change, delete, and the actions that need no server."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar

from cloudmanager.simulators.http import Answer
from cloudmanager.simulators.openstack.problems import Invalid, NotThere, TooMuch
from cloudmanager.simulators.openstack.rest import page
from cloudmanager.simulators.openstack.volumes import shapes
from cloudmanager.simulators.openstack.volumes.rows import Row, Volume

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cloudmanager.simulators.openstack.images import Images
    from cloudmanager.simulators.openstack.rest import Call, Caller
    from cloudmanager.simulators.openstack.volumes.volumes import Volumes

    Action = Callable[[Call, Volume, dict[str, Any]], Answer]

_Row = TypeVar("_Row", bound=Row)

_GIB = 1 << 30
_FILTERS = ("name", "status", "bootable", "availability_zone")
_STATUSES = frozenset(
    [
        "creating",
        "available",
        "deleting",
        "error",
        "error_deleting",
        "attaching",
        "detaching",
        "in-use",
        "maintenance",
        "reserved",
        "error_extending",
        "error_restoring",
        "extending",
        "backing-up",
    ]
)
_FORCED_DELETE = (3, 23)
_EXTEND_ATTACHED = (3, 42)
_COUNT = (3, 45)


class Disks:
    """The part of Cinder that knows volumes."""

    def __init__(
        self, volumes: Volumes, images: Images, base: Callable[[], str], actions: dict[str, Action]
    ) -> None:
        self._volumes = volumes
        self._images = images
        self._base = base
        self._actions: dict[str, Action] = {
            **actions,
            "os-extend": self._extend,
            "os-set_bootable": self._set_bootable,
            "os-reset_status": self._reset_status,
            "os-force_delete": self._force_delete,
            "os-update_readonly_flag": self._update_readonly_flag,
        }

    def routes(self) -> dict[str, Callable[[Call], Answer]]:
        """What it answers."""
        return {
            "GET volumes": self._list,
            "GET volumes/detail": self._list_details,
            "GET volumes/summary": self._summary,
            "POST volumes": self._create,
            "GET volumes/*": self._show,
            "PUT volumes/*": self._update,
            "DELETE volumes/*": self._delete,
            "GET volumes/*/metadata": self._metadata,
            "POST volumes/*/metadata": self._add_metadata,
            "POST volumes/*/action": self._act,
        }

    # --- reading --------------------------------------------------------------------------------------------

    def _list(self, call: Call) -> Answer:
        rows = [shapes.summary(row, self._base(), "volumes") for row in self._asked(call)]
        return listed("volumes", rows, call, self._base())

    def _list_details(self, call: Call) -> Answer:
        found = self._asked(call)
        rows = [shapes.volume(self._volumes, row, call, self._base()) for row in found]
        return listed("volumes", rows, call, self._base())

    def _summary(self, call: Call) -> Answer:
        found = self._asked(call)
        summary = {"total_count": len(found), "total_size": sum(row.size for row in found), "metadata": {}}
        return Answer(200, {"volume-summary": summary})

    def _asked(self, call: Call) -> list[Volume]:
        rows = owned(self._volumes.all(), call)
        for name in _FILTERS:
            if (wanted := call.query.get(name)) is not None:
                field = {"availability_zone": "zone"}.get(name, name)
                rows = [row for row in rows if str(getattr(row, field)).lower() == wanted.lower()]
        return rows

    def _show(self, call: Call) -> Answer:
        return self._shown(200, self._found(call), call)

    def _metadata(self, call: Call) -> Answer:
        return Answer(200, {"metadata": self._found(call).metadata})

    def _shown(self, status: int, volume: Volume, call: Call) -> Answer:
        return Answer(status, {"volume": shapes.volume(self._volumes, volume, call, self._base())})

    def _found(self, call: Call) -> Volume:
        return visible(self._volumes.volume(call.name), call.caller)

    # --- changing -------------------------------------------------------------------------------------------

    def _create(self, call: Call) -> Answer:
        call.caller.must_have("member", "volume:create")
        asked = call.wanted("volume")
        volume = Volume(
            name=asked.get("name"),
            description=asked.get("description"),
            project_id=call.caller.project_id,
            user_id=call.caller.user_id,
            size=0,
            metadata=texts(asked.get("metadata") or {}),
            zone=asked.get("availability_zone") or "nova",
            multiattach=asked.get("multiattach") is True,
        )
        self._take_source(volume, asked, call)
        if volume.size < 1:
            raise Invalid(
                "Invalid input received: Invalid volume size provided for create request: "
                f"{asked.get('size')} (size argument must be an integer (or string representation of an "
                "integer) and greater than zero)."
            )
        self._check_quota(volume)
        return self._shown(202, self._volumes.create(volume), call)

    def _take_source(self, volume: Volume, asked: dict[str, Any], call: Call) -> None:
        """Size and type as asked for, else those of what the volume is made of."""
        size, type_id = asked.get("size"), None
        if key := asked.get("snapshot_id"):
            snapshot = visible(self._volumes.snapshot(key), call.caller)
            origin = self._volumes.volume(snapshot.volume_id)
            volume.snapshot_id, volume.bootable, volume.image = key, origin.bootable, dict(origin.image)
            size, type_id = size or snapshot.size, origin.type_id
        elif key := asked.get("source_volid"):
            origin = visible(self._volumes.volume(key), call.caller)
            volume.source_volid, volume.bootable, volume.image = key, origin.bootable, dict(origin.image)
            size, type_id = size or origin.size, origin.type_id
        elif key := asked.get("imageRef"):
            self._take_image(volume, key, whole(size))
        if wish := asked.get("volume_type"):
            type_id = self._volumes.type(wish).id
        volume.size = whole(size)
        volume.type_id = type_id or self._volumes.default_type

    def _take_image(self, volume: Volume, key: str, size: int) -> None:
        try:
            image = self._images.image(key)
        except NotThere:
            raise Invalid(f"Invalid image identifier or unable to access requested image: {key}") from None
        if image.status != "active":
            raise Invalid(f"Invalid input received: Image {key} is not active.")
        smallest = max(image.min_disk, -(-(image.size or 0) // _GIB))
        if size < smallest:
            raise Invalid(
                f"Invalid input received: Size of specified image {smallest}GB is larger than volume size "
                f"{size}GB."
            )
        volume.bootable = True
        volume.image = {
            "image_id": image.id,
            "image_name": image.name or "",
            "container_format": image.container_format or "",
            "disk_format": image.disk_format or "",
            "min_disk": str(image.min_disk),
            "min_ram": str(image.min_ram),
            "size": str(image.size),
            "checksum": image.checksum or "",
        }

    def _check_quota(self, volume: Volume) -> None:
        limits, used = self._volumes.limits(volume.project_id), self._volumes.usage(volume.project_id)
        if used["volumes"] >= limits["volumes"]:
            raise TooMuch(
                f"VolumeLimitExceeded: Maximum number of volumes allowed ({limits['volumes']}) exceeded for "
                "quota 'volumes'."
            )
        if used["gigabytes"] + volume.size > limits["gigabytes"]:
            raise TooMuch(
                "VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed gigabytes "
                f"quota. Requested {volume.size}G, quota is {limits['gigabytes']}G and {used['gigabytes']}G "
                "has been consumed."
            )

    def _update(self, call: Call) -> Answer:
        call.caller.must_have("member", "volume:update")
        volume, asked = self._found(call), call.wanted("volume")
        volume.name = asked.get("name", volume.name)
        volume.description = asked.get("description", volume.description)
        if "metadata" in asked:
            volume.metadata = texts(asked["metadata"])
        volume.updated_at = self._volumes.clock.now()
        return self._shown(200, volume, call)

    def _add_metadata(self, call: Call) -> Answer:
        call.caller.must_have("member", "volume:create_volume_metadata")
        volume = self._found(call)
        volume.metadata |= texts(call.wanted("metadata"))
        return Answer(200, {"metadata": volume.metadata})

    def _delete(self, call: Call) -> Answer:
        call.caller.must_have("member", "volume:delete")
        force = call.version >= _FORCED_DELETE and call.flag("force")
        if force:
            call.caller.must_have("admin", "volume:force_delete")
        self._volumes.delete(self._found(call), cascade=call.flag("cascade"), force=force)
        return Answer(202)

    # --- actions --------------------------------------------------------------------------------------------

    def _act(self, call: Call) -> Answer:
        body = call.body()
        name = next(iter(body), "")
        if len(body) != 1 or name not in self._actions:
            raise Invalid(f"There is no such action: {name}. Verify the request body.")
        call.caller.must_have("member", f"volume_extension:volume_actions:{name.removeprefix('os-')}")
        return self._actions[name](call, self._found(call), body[name] or {})

    def _extend(self, call: Call, volume: Volume, asked: dict[str, Any]) -> Answer:
        size = whole(asked.get("new_size"))
        self._volumes.extend(volume, size, attached=call.version >= _EXTEND_ATTACHED)
        return Answer(202)

    def _set_bootable(self, _call: Call, volume: Volume, asked: dict[str, Any]) -> Answer:
        volume.bootable = truth(asked.get("bootable"))
        return Answer(200)

    def _update_readonly_flag(self, _call: Call, volume: Volume, asked: dict[str, Any]) -> Answer:
        volume.readonly = truth(asked.get("readonly"))
        return Answer(202)

    def _reset_status(self, call: Call, volume: Volume, asked: dict[str, Any]) -> Answer:
        call.caller.must_have("admin", "volume_extension:volume_admin_actions:reset_status")
        status = asked.get("status")
        if status not in _STATUSES:
            raise Invalid(f"Invalid input for field/attribute status. Value: {status}.")
        self._volumes.change(volume, status)
        return Answer(202)

    def _force_delete(self, call: Call, volume: Volume, _asked: dict[str, Any]) -> Answer:
        call.caller.must_have("admin", "volume_extension:volume_admin_actions:force_delete")
        self._volumes.delete(volume, cascade=True, force=True)
        return Answer(202)


def owned(rows: Iterable[_Row], call: Call) -> list[_Row]:
    """Those of the caller's project, or of all or a named one where an administrator asks for that."""
    if call.caller.is_admin and (call.flag("all_tenants") or "project_id" in call.query):
        wanted = call.query.get("project_id")
        return [row for row in rows if wanted in (None, row.project_id)]
    return [row for row in rows if row.project_id == call.caller.project_id]


def visible(row: _Row, caller: Caller) -> _Row:
    """The row, or `NotThere` for whom it does not exist."""
    if not caller.sees(row.project_id):
        raise NotThere(f"{type(row).__name__} {row.id} could not be found.")
    return row


def listed(kind: str, rows: list[dict[str, Any]], call: Call, base: str) -> Answer:
    """A page of a list, with the address of the next one."""
    shown, more = page(rows, call.query)
    document: dict[str, Any] = {kind: shown}
    if more is not None:
        href = f"{base}{call.request.path}?{more}"
        document[f"{kind}_links"] = [{"rel": "next", "href": href}]
    if call.flag("with_count") and call.version >= _COUNT:
        document["count"] = len(rows)
    return Answer(200, document)


def whole(value: object) -> int:
    """A number of GiB; zero for what is none."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return int(value) if isinstance(value, str) and re.fullmatch(r"\d{1,9}", value) else 0


def truth(value: object) -> bool:
    """A boolean, also as text; `Invalid` for anything else."""
    text = str(value).lower()
    if text not in ("true", "false", "1", "0"):
        raise Invalid(f"Invalid input: {value} is not a boolean.")
    return text in ("true", "1")


def texts(value: object) -> dict[str, str]:
    """Metadata, which is {text: text}."""
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise Invalid("Invalid input for field/attribute metadata. It must be an object of strings.")
    return value
