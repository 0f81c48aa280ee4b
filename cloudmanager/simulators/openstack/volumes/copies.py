"""Calls about snapshots and backups.

They belong to the project of whoever has them made, and count there: Cinder takes it from the request, even
where an administrator's names a volume of another (`create_snapshot_in_db`; `create` of backup/api.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from cloudmanager.simulators.http import Answer
from cloudmanager.simulators.openstack.problems import Invalid, TooMuch
from cloudmanager.simulators.openstack.volumes import shapes
from cloudmanager.simulators.openstack.volumes.disks import listed, owned, texts, truth, visible
from cloudmanager.simulators.openstack.volumes.rows import Backup, Snapshot, Volume

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudmanager.simulators.openstack.rest import Call
    from cloudmanager.simulators.openstack.volumes.volumes import Volumes

_Copy = TypeVar("_Copy", Snapshot, Backup)

_SNAPSHOT_IN_USE = (3, 66)
"""From here an attached volume needs no `force`, and `force` may not be false."""


class Copies:
    """The part of Cinder that knows what was kept of volumes."""

    def __init__(self, volumes: Volumes, base: Callable[[], str]) -> None:
        self._volumes = volumes
        self._base = base

    def routes(self) -> dict[str, Callable[[Call], Answer]]:
        """What it answers."""
        return {
            "GET snapshots": self._snapshots,
            "GET snapshots/detail": self._snapshots,
            "POST snapshots": self._create_snapshot,
            "GET snapshots/*": self._show_snapshot,
            "PUT snapshots/*": self._update_snapshot,
            "DELETE snapshots/*": self._delete_snapshot,
            "POST snapshots/*/action": self._act_on_snapshot,
            "GET backups": self._backups,
            "GET backups/detail": self._backup_details,
            "POST backups": self._create_backup,
            "GET backups/*": self._show_backup,
            "DELETE backups/*": self._delete_backup,
            "POST backups/*/restore": self._restore,
        }

    # --- snapshots ------------------------------------------------------------------------------------------

    def _snapshots(self, call: Call) -> Answer:
        rows = [
            shapes.snapshot(row, call) for row in _wanted(owned(self._volumes.all_snapshots(), call), call)
        ]
        return listed("snapshots", rows, call, self._base())

    def _create_snapshot(self, call: Call) -> Answer:
        call.caller.must_have("member", "volume:create_snapshot")
        asked = call.wanted("snapshot")
        volume = visible(self._volumes.volume(str(asked.get("volume_id"))), call.caller)
        snapshot = Snapshot(
            volume_id=volume.id,
            size=volume.size,
            name=asked.get("name"),
            description=asked.get("description"),
            metadata=texts(asked.get("metadata") or {}),
            project_id=call.caller.project_id,
            user_id=call.caller.user_id,
        )
        self._check_quota("snapshots", snapshot.project_id)
        self._volumes.take_snapshot(snapshot, force=_may_be_in_use(asked, call))
        return Answer(202, {"snapshot": shapes.snapshot(snapshot, call)})

    def _show_snapshot(self, call: Call) -> Answer:
        return Answer(200, {"snapshot": shapes.snapshot(self._snapshot(call), call)})

    def _update_snapshot(self, call: Call) -> Answer:
        call.caller.must_have("member", "volume:update_snapshot")
        snapshot, asked = self._snapshot(call), call.wanted("snapshot")
        snapshot.name = asked.get("name", snapshot.name)
        snapshot.description = asked.get("description", snapshot.description)
        return Answer(200, {"snapshot": shapes.snapshot(snapshot, call)})

    def _delete_snapshot(self, call: Call) -> Answer:
        call.caller.must_have("member", "volume:delete_snapshot")
        self._volumes.delete_snapshot(self._snapshot(call))
        return Answer(202)

    def _act_on_snapshot(self, call: Call) -> Answer:
        call.caller.must_have("admin", "volume_extension:snapshot_admin_actions:reset_status")
        self._volumes.change(self._snapshot(call), str(call.wanted("os-reset_status").get("status")))
        return Answer(202)

    def _snapshot(self, call: Call) -> Snapshot:
        return visible(self._volumes.snapshot(call.name), call.caller)

    # --- backups --------------------------------------------------------------------------------------------

    def _backups(self, call: Call) -> Answer:
        found = _wanted(owned(self._volumes.all_backups(), call), call)
        rows = [shapes.summary(row, self._base(), "backups") for row in found]
        return listed("backups", rows, call, self._base())

    def _backup_details(self, call: Call) -> Answer:
        found = _wanted(owned(self._volumes.all_backups(), call), call)
        rows = [shapes.backup(row, call, self._base()) for row in found]
        return listed("backups", rows, call, self._base())

    def _create_backup(self, call: Call) -> Answer:
        call.caller.must_have("member", "backup:create")
        asked = call.wanted("backup")
        volume = visible(self._volumes.volume(str(asked.get("volume_id"))), call.caller)
        backup = Backup(
            volume_id=volume.id,
            size=volume.size,
            name=asked.get("name"),
            description=asked.get("description"),
            container=asked.get("container") or "volumebackups",
            project_id=call.caller.project_id,
            user_id=call.caller.user_id,
        )
        self._check_quota("backups", backup.project_id)
        self._check_room(backup)
        self._volumes.make_backup(backup, force=asked.get("force") is True)
        return Answer(202, {"backup": shapes.summary(backup, self._base(), "backups")})

    def _show_backup(self, call: Call) -> Answer:
        return Answer(200, {"backup": shapes.backup(self._backup(call), call, self._base())})

    def _delete_backup(self, call: Call) -> Answer:
        call.caller.must_have("member", "backup:delete")
        self._volumes.delete_backup(self._backup(call))
        return Answer(202)

    def _restore(self, call: Call) -> Answer:
        """Onto the volume that is named, else onto a new one."""
        call.caller.must_have("member", "backup:restore")
        backup, asked = self._backup(call), call.wanted("restore")
        if key := asked.get("volume_id"):
            volume = visible(self._volumes.volume(key), call.caller)
        else:
            name = asked.get("name") or f"restore_backup_{backup.id}"
            volume = self._volumes.create(
                Volume(
                    name=name,
                    size=backup.size,
                    project_id=call.caller.project_id,
                    user_id=call.caller.user_id,
                    type_id=self._volumes.default_type,
                )
            )
        self._volumes.restore(backup, volume)
        said = {"backup_id": backup.id, "volume_id": volume.id, "volume_name": volume.name}
        return Answer(202, {"restore": said})

    def _backup(self, call: Call) -> Backup:
        return visible(self._volumes.backup(call.name), call.caller)

    def _check_quota(self, kind: str, project_id: str) -> None:
        """`TooMuch` when a project may have no more backups or snapshots."""
        limit = self._volumes.limits(project_id)[kind]
        if self._volumes.usage(project_id)[kind] >= limit:
            noun = kind.removesuffix("s").capitalize()
            raise TooMuch(f"{noun}LimitExceeded: Maximum number of {kind} allowed ({limit}) exceeded")

    def _check_room(self, backup: Backup) -> None:
        """`TooMuch` when a backup is more than its project may keep."""
        most = self._volumes.limits(backup.project_id)["backup_gigabytes"]
        used = self._volumes.usage(backup.project_id)["backup_gigabytes"]
        if used + backup.size > most:
            raise TooMuch(
                "VolumeBackupSizeExceedsAvailableQuota: Requested backup exceeds allowed Backup gigabytes "
                f"quota. Requested {backup.size}G, quota is {most}G and {used}G has been consumed."
            )


def _wanted(rows: list[_Copy], call: Call) -> list[_Copy]:
    """Those that the filters of the query ask for."""
    filters = {name: call.query[name] for name in ("volume_id", "name", "status") if name in call.query}
    return [row for row in rows if all(getattr(row, name) == wish for name, wish in filters.items())]


def _may_be_in_use(asked: dict[str, Any], call: Call) -> bool:
    force = truth(asked.get("force", call.version >= _SNAPSHOT_IN_USE))
    if call.version >= _SNAPSHOT_IN_USE and not force:
        raise Invalid(
            "Invalid value provided: since microversion 3.66 the 'force' option can only be true, or absent."
        )
    return force
