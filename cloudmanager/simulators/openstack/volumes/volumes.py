"""The truth of a simulated Cinder: volumes and what is attached, copied and kept of them.

A volume lies as a logical volume in the volume group of its pool. Whatever takes time is due at a time: it
is done when somebody looks, so that time that passed while nothing ran counts too.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeVar

from cloudmanager.simulators.openstack.problems import Invalid, NotThere
from cloudmanager.simulators.openstack.volumes.lvm import NoRoom, VolumeGroup
from cloudmanager.simulators.openstack.volumes.rows import (
    Attachment,
    Backup,
    Row,
    Service,
    Snapshot,
    Volume,
    VolumeType,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloudmanager.simulators.clock import Clock

GONE = "deleted"
BACKEND_NAME = "volume_backend_name"  # the spec of a type that names its backend
OPERATIONS = ("create", "delete", "extend", "snapshot", "backup", "restore")
_DELETABLE = ("available", "error", "error_restoring", "error_extending", "error_managing")
_SERVICES = ("cinder-scheduler", "cinder-backup")
QUOTA = {"volumes": 1000, "snapshots": 1000, "gigabytes": 100_000, "backups": 100, "backup_gigabytes": 1000}
SECONDS = 1.0
"""How long a storage host needs for any one thing."""

_Kept = TypeVar("_Kept", bound=Row)


class Volumes:
    """Everything that Cinder knows. It changes by its methods alone.

    `failing` are those of `OPERATIONS` that go wrong; they end in the error status that Cinder has for each.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.seconds = SECONDS
        self.failing: frozenset[str] = frozenset()
        self.default_type = ""
        self.types: dict[str, VolumeType] = {}
        self.groups: dict[str, VolumeGroup] = {}  # by the name of the pool, host@backend#backend
        self.services: list[Service] = []
        self.volumes: dict[str, Volume] = {}
        self.snapshots: dict[str, Snapshot] = {}
        self.backups: dict[str, Backup] = {}
        self.attachments: dict[str, Attachment] = {}
        self.quotas: dict[str, dict[str, int]] = {}  # of the projects that differ from `QUOTA`

    # --- building -------------------------------------------------------------------------------------------

    def add_controller(self, host: str) -> None:
        """Put the services without disks on a host."""
        now = self.clock.now()
        self.services += [Service(binary=binary, host=host, seen_at=now) for binary in _SERVICES]

    def add_backend(self, host: str, backend: str, group: str, disks: dict[str, int]) -> VolumeGroup:
        """Put a cinder-volume with a volume group on a storage host; `disks` is {device: GiB}."""
        made = VolumeGroup(host, group)
        for name, gib in disks.items():
            made.add_disk(name, gib)
        self.groups[f"{host}@{backend}#{backend}"] = made
        self.services.append(
            Service(binary="cinder-volume", host=f"{host}@{backend}", seen_at=self.clock.now())
        )
        return made

    def add_type(self, name: str, *, backend: str = "") -> VolumeType:
        """Make a volume type; the first is the default."""
        made = VolumeType(name=name, specs={BACKEND_NAME: backend} if backend else {})
        self.types[made.id] = made
        self.default_type = self.default_type or made.id
        return made

    # --- asking ---------------------------------------------------------------------------------------------

    def all(self) -> Iterable[Volume]:
        """All volumes as they are now, newest first."""
        return reversed(self._settled(self.volumes))

    def all_snapshots(self) -> Iterable[Snapshot]:
        """All snapshots as they are now, newest first."""
        return reversed(self._settled(self.snapshots))

    def all_backups(self) -> Iterable[Backup]:
        """All backups as they are now, newest first."""
        return reversed(self._settled(self.backups))

    def volume(self, key: str) -> Volume:
        """One volume, or `NotThere`."""
        return self._one(self.volumes, key, "Volume")

    def snapshot(self, key: str) -> Snapshot:
        """One snapshot, or `NotThere`."""
        return self._one(self.snapshots, key, "Snapshot")

    def backup(self, key: str) -> Backup:
        """One backup, or `NotThere`."""
        return self._one(self.backups, key, "Backup")

    def attachment(self, key: str) -> Attachment:
        """One attachment, or `NotThere`."""
        try:
            return self.attachments[key]
        except KeyError:
            message = f"Volume attachment could not be found with filter: attachment_id = {key}."
            raise NotThere(message) from None

    def type(self, key: str) -> VolumeType:
        """A volume type by id or name, or `NotThere`."""
        for found in self.types.values():
            if key in (found.id, found.name):
                return found
        raise NotThere(f"Volume type {key} could not be found.")

    def attachments_of(self, volume_id: str) -> list[Attachment]:
        """Who has the volume, or is to have it."""
        return [found for found in self.attachments.values() if found.volume_id == volume_id]

    def limits(self, project_id: str) -> dict[str, int]:
        """How much a project may have."""
        return {**QUOTA, **self.quotas.get(project_id, {})}

    def usage(self, project_id: str) -> dict[str, int]:
        """How much it has."""
        volumes = [row.size for row in self.all() if row.project_id == project_id]
        snapshots = [row.size for row in self.all_snapshots() if row.project_id == project_id]
        backups = [row.size for row in self.all_backups() if row.project_id == project_id]
        return {
            "volumes": len(volumes),
            "snapshots": len(snapshots),
            "gigabytes": sum(volumes) + sum(snapshots),
            "backups": len(backups),
            "backup_gigabytes": sum(backups),
        }

    # --- volumes --------------------------------------------------------------------------------------------

    def create(self, volume: Volume) -> Volume:
        """Begin to make a volume of a row that says what is wanted; without room it ends in error."""
        self._check_wish(volume)
        volume.created_at = self.clock.now()
        volume.host = self._placed(volume)
        is_well = volume.host is not None and "create" not in self.failing
        self._begin(volume, "creating", "available" if is_well else "error")
        self.volumes[volume.id] = volume
        return volume

    def delete(self, volume: Volume, *, cascade: bool = False, force: bool = False) -> None:
        """Begin to remove a volume that nobody has."""
        snapshots = [row for row in self.all_snapshots() if row.volume_id == volume.id]
        is_free = volume.status in _DELETABLE and not self.attachments_of(volume.id)
        if (not is_free and not force) or (snapshots and not cascade):
            raise Invalid(
                f"Invalid volume: Volume status must be {' or '.join(_DELETABLE)} and must not be migrating, "
                "attached, belong to a group, have snapshots, awaiting a transfer, or be disassociated from "
                "snapshots after volume transfer."
            )
        for snapshot in snapshots:
            self._begin(snapshot, "deleting", GONE)
        if force:
            for attachment in self.attachments_of(volume.id):
                del self.attachments[attachment.id]
        self._begin(volume, "deleting", "error_deleting" if "delete" in self.failing else GONE)

    def extend(self, volume: Volume, size: int, *, attached: bool = False) -> None:
        """Begin to make a volume larger; one that is attached only where the caller may (3.42)."""
        allowed = ("available", "in-use") if attached else ("available",)
        if volume.status not in allowed:
            raise Invalid(
                f"Invalid volume: Volume {volume.id} status must be '{' or '.join(allowed)}' to extend, "
                f"currently {volume.status}."
            )
        if size <= volume.size:
            raise Invalid(
                "Invalid input received: New size for extend must be greater than current size. "
                f"(current: {volume.size}, extended: {size})."
            )
        is_well = "extend" not in self.failing and self._grown(volume, size)
        self._begin(volume, "extending", volume.status if is_well else "error_extending")

    def _grown(self, volume: Volume, size: int) -> bool:
        """Whether the logical volume had room to grow."""
        try:
            self.groups[volume.host or ""].extend(lv_name(volume), size)
        except (NoRoom, KeyError):
            return False
        volume.size = size
        return True

    # --- attaching ------------------------------------------------------------------------------------------

    def reserve(self, volume: Volume) -> None:
        """Keep a free volume for one who will attach it."""
        if volume.status != "available" and not (volume.multiattach and volume.status == "in-use"):
            raise Invalid(
                f"Invalid volume: Volume {volume.id} status must be available or downloading to reserve, "
                f"but the current status is {volume.status}."
            )
        self.change(volume, "reserved")

    def reserve_for(
        self,
        volume: Volume,
        server_id: str | None,
        connector: dict[str, Any] | None = None,
        mode: str = "rw",
    ) -> Attachment:
        """Make an attachment: with a connector it can be used at once, without it is only reserved."""
        others = {found.server_id for found in self.attachments_of(volume.id)}
        if server_id is None or server_id not in others:  # a server that moves has its volume on two hosts
            self.reserve(volume)
        made = Attachment(volume_id=volume.id, server_id=server_id, mode=mode)
        self.attachments[made.id] = made
        if connector:
            self.connect(made, connector)
        return made

    def connect(self, attachment: Attachment, connector: dict[str, Any]) -> None:
        """Export the volume to the host that the connector names."""
        attachment.status = "attaching"
        attachment.connector = dict(connector)
        attachment.host = connector.get("host")
        attachment.device = connector.get("mountpoint") or attachment.device
        volume = self.volume(attachment.volume_id)
        if volume.status == "reserved":
            self.change(volume, "attaching")

    def complete(self, attachment: Attachment) -> None:
        """Now the server has it."""
        attachment.status = "attached"
        attachment.attached_at = self.clock.now()
        self.change(self.volume(attachment.volume_id), "in-use")

    def attach(
        self, volume: Volume, server_id: str | None, host: str | None, device: str | None, mode: str = "rw"
    ) -> Attachment:
        """Attach a volume that is free or reserved, in one go."""
        allowed = ("available", "reserved", "attaching")
        if volume.status not in allowed and not (volume.multiattach and volume.status == "in-use"):
            raise Invalid(f"Invalid volume: volume is already attached: status is {volume.status}.")
        made = Attachment(volume_id=volume.id, server_id=server_id, host=host, device=device, mode=mode)
        self.attachments[made.id] = made
        self.complete(made)
        return made

    def detach(self, attachment: Attachment) -> None:
        """End an attachment; a volume that nobody has any more is free again."""
        self.attachments.pop(attachment.id, None)
        volume = self.volumes.get(attachment.volume_id)
        if volume is not None:
            remaining = {found.status for found in self.attachments_of(volume.id)}
            is_used = "in-use" if "attached" in remaining else "reserved"
            self.change(volume, is_used if remaining else "available")

    # --- snapshots and backups ------------------------------------------------------------------------------

    def take_snapshot(self, snapshot: Snapshot, *, force: bool = False) -> Snapshot:
        """Begin to keep a volume as it is, after a row that says what is wanted."""
        volume = self.volume(snapshot.volume_id)
        if volume.status not in (("available", "in-use") if force else ("available",)):
            raise Invalid(
                f"Invalid volume: Volume {volume.id} status must be available, but current status is: "
                f"{volume.status}."
            )
        snapshot.created_at = self.clock.now()
        self._begin(snapshot, "creating", "error" if "snapshot" in self.failing else "available")
        self.snapshots[snapshot.id] = snapshot
        return snapshot

    def delete_snapshot(self, snapshot: Snapshot) -> None:
        """Begin to forget a snapshot."""
        if snapshot.status not in ("available", "error"):
            raise Invalid(
                "Invalid snapshot: Snapshot status must be available or error, and must not be in use: it is "
                f"{snapshot.status}."
            )
        self._begin(snapshot, "deleting", "error_deleting" if "delete" in self.failing else GONE)

    def make_backup(self, backup: Backup, *, force: bool = False) -> Backup:
        """Begin to copy a volume, after a row that says what is wanted."""
        volume = self.volume(backup.volume_id)
        if volume.status not in (("available", "in-use") if force else ("available",)):
            raise Invalid(
                f"Invalid volume: Volume {volume.id} to be backed up should be available or in-use, "
                f"but current status is {volume.status}."
            )
        backup.size = volume.size
        backup.created_at = self.clock.now()
        is_well = "backup" not in self.failing
        self._begin(volume, "backing-up", volume.status)
        self._begin(backup, "creating", "available" if is_well else "error")
        self.backups[backup.id] = backup
        return backup

    def restore(self, backup: Backup, volume: Volume) -> None:
        """Begin to write a backup onto a volume."""
        if backup.status != "available":
            raise Invalid(f"Invalid backup: Backup status must be available, but is {backup.status}.")
        if volume.status not in ("available", "creating"):
            raise Invalid("Invalid volume: Volume to be restored to must be available")
        if volume.size < backup.size:
            raise Invalid(
                f"Invalid volume: volume size {volume.size} is too small to restore backup of size "
                f"{backup.size}."
            )
        is_well = "restore" not in self.failing
        self._begin(backup, "restoring", "available")
        self._begin(volume, "restoring-backup", "available" if is_well else "error_restoring")

    def delete_backup(self, backup: Backup) -> None:
        """Begin to forget a backup."""
        if backup.status not in ("available", "error"):
            raise Invalid("Invalid backup: Backup status must be available or error")
        self._begin(backup, "deleting", GONE)

    # --- time -----------------------------------------------------------------------------------------------

    def change(self, row: Row, status: str) -> None:
        """Give a row another status at once."""
        row.status, row.becomes = status, ""
        row.updated_at = self.clock.now()

    def _begin(self, row: Row, status: str, becomes: str) -> None:
        self.change(row, status)
        row.becomes, row.due = becomes, self.clock.now() + self.seconds

    def _one(self, rows: dict[str, _Kept], key: str, noun: str) -> _Kept:
        if key in rows and (found := self._now(rows, rows[key])) is not None:
            return found
        raise NotThere(f"{noun} {key} could not be found.")

    def _settled(self, rows: dict[str, _Kept]) -> list[_Kept]:
        return [row for row in list(rows.values()) if self._now(rows, row) is not None]

    def _now(self, rows: dict[str, _Kept], row: _Kept) -> _Kept | None:
        """The row after what is due; None when it is gone."""
        if not row.becomes or row.due > self.clock.now():
            return row
        row.status, row.becomes, row.updated_at = row.becomes, "", row.due
        if row.status != GONE:
            return row
        del rows[row.id]
        if isinstance(row, Volume) and row.host in self.groups:
            self.groups[row.host].remove(lv_name(row))
        return None

    # --- where ----------------------------------------------------------------------------------------------

    def _placed(self, volume: Volume) -> str | None:
        """Make the logical volume where most is free, a copy beside its source; None when it fits nowhere."""
        backend = self.types[volume.type_id].specs.get(BACKEND_NAME) if volume.type_id else None
        at_source = self._source_host(volume)
        pools = [at_source] if at_source else sorted(self.groups, key=lambda p: -self.groups[p].free_gib)
        for pool in pools:
            if self.is_served(pool) and backend in (None, pool.partition("#")[2]):
                try:
                    self.groups[pool].create(lv_name(volume), volume.size)
                except NoRoom:
                    continue
                return pool
        return None

    def _source_host(self, volume: Volume) -> str | None:
        if volume.snapshot_id:
            return self.volume(self.snapshot(volume.snapshot_id).volume_id).host
        return self.volume(volume.source_volid).host if volume.source_volid else None

    def is_served(self, pool: str) -> bool:
        """Whether the cinder-volume of a pool runs and takes work."""
        host = pool.partition("#")[0]
        return any(s.host == host and s.up and not s.disabled for s in self.services)

    def _check_wish(self, volume: Volume) -> None:
        source: Row | None = None
        if volume.snapshot_id:
            source = self.snapshot(volume.snapshot_id)
        elif volume.source_volid:
            source = self.volume(volume.source_volid)
        if isinstance(source, Volume | Snapshot):
            if source.status not in ("available", "in-use"):
                noun = type(source).__name__.lower()
                raise Invalid(f"Invalid {noun}: {noun} {source.id} status is {source.status}.")
            if source.size > volume.size:
                raise Invalid(
                    f"Invalid input received: Volume size '{volume.size}'GB cannot be smaller than the "
                    f"original volume size {source.size}GB. They must be >= original volume size."
                )

    # --- keeping --------------------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Everything that a restart must find again, in values that JSON can hold."""
        return {
            **{name: [asdict(row) for row in getattr(self, name).values()] for name in _TABLES},
            "groups": {pool: group.to_dict() for pool, group in self.groups.items()},
            "services": [asdict(service) for service in self.services],
            "default_type": self.default_type,
            "failing": sorted(self.failing),
            "quotas": self.quotas,
        }

    @classmethod
    def from_dict(cls, kept: dict[str, Any], clock: Clock) -> Volumes:
        """Build what `to_dict` described."""
        volumes = cls(clock)
        for name, kind in _TABLES.items():
            setattr(volumes, name, {row["id"]: kind(**row) for row in kept[name]})
        volumes.groups = {pool: VolumeGroup.from_dict(row) for pool, row in kept["groups"].items()}
        volumes.services = [Service(**row) for row in kept["services"]]
        volumes.default_type = kept["default_type"]
        volumes.failing = frozenset(kept["failing"])
        volumes.quotas = {project: dict(limits) for project, limits in kept["quotas"].items()}
        return volumes


def lv_name(volume: Volume) -> str:
    """The name of the logical volume that holds a volume."""
    return f"volume-{volume.id}"


_TABLES: dict[str, Any] = {
    "types": VolumeType,
    "volumes": Volume,
    "snapshots": Snapshot,
    "backups": Backup,
    "attachments": Attachment,
}
