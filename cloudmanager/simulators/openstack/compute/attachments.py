"""The volumes of servers. Where there is a simulated Cinder it is asked; else the server's record is all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudmanager.simulators.openstack.compute.rows import new_id
from cloudmanager.simulators.openstack.problems import Invalid, NotThere

if TYPE_CHECKING:
    from cloudmanager.simulators.openstack.compute.compute import Compute
    from cloudmanager.simulators.openstack.compute.rows import Server


class Attachments:
    """Attaches and detaches."""

    def __init__(self, compute: Compute) -> None:
        self._compute = compute

    def attach(
        self, server: Server, volume_id: str, *, device: str | None = None, **how: Any
    ) -> dict[str, Any]:
        """Give a volume to a server, as the next disk unless a device is named."""
        if any(row["volume_id"] == volume_id for row in server.volumes):
            raise Invalid(f"Invalid volume: volume {volume_id} already attached")
        row = {
            "volume_id": volume_id,
            "device": device or next_device(server),
            "bdm_uuid": new_id(),
            "attachment_id": new_id(),
            "delete_on_termination": bool(how.get("delete_on_termination")),
            "boot_index": how.get("boot_index"),
            "tag": how.get("tag"),
        }
        self._attach_really(server, row)
        server.volumes.append(row)
        server.updated_at = self._compute.clock.now()
        return row

    def detach(self, server: Server, volume_id: str) -> None:
        """Take a volume away."""
        row = self.one(server, volume_id)
        if row["boot_index"] == 0:
            raise Invalid(f"Cannot detach a root device volume: {volume_id}")
        self._detach_really(row)
        server.volumes.remove(row)
        server.updated_at = self._compute.clock.now()

    def one(self, server: Server, volume_id: str) -> dict[str, Any]:
        """A volume of a server, or `NotThere`."""
        for row in server.volumes:
            if row["volume_id"] == volume_id:
                return row
        if self._compute.volumes is not None:
            self._compute.volumes.volume(volume_id)
        raise NotThere(f"Instance {server.id} is not attached to volume {volume_id}")

    def reserve(self, server: Server) -> None:
        """Keep the volumes that a server is to be made with."""
        volumes = self._compute.volumes
        for row in server.volumes:
            if volumes is None:
                continue
            try:
                volume = volumes.volume(row["volume_id"])
                if volume.status != "creating":  # it is being made for this server
                    volumes.reserve(volume)
            except NotThere:
                raise Invalid(
                    f"Block Device Mapping is Invalid: failed to get volume {row['volume_id']}."
                ) from None

    def are_ready(self, server: Server) -> bool:
        """Whether all volumes that a server is made with are there."""
        volumes = self._compute.volumes
        if volumes is None:
            return True
        return all(volumes.volume(row["volume_id"]).status != "creating" for row in server.volumes)

    def attach_all(self, server: Server) -> None:
        """A server that was just built gets the volumes that it was made with."""
        for row in server.volumes:
            self._attach_really(server, row)

    def release_all(self, server: Server) -> None:
        """A server that is deleted gives its volumes back, or takes them with it."""
        volumes = self._compute.volumes
        for row in server.volumes:
            self._detach_really(row)
            if volumes is not None and row["delete_on_termination"]:
                volumes.delete(volumes.volume(row["volume_id"]))
        server.volumes.clear()

    def moved(self, server: Server) -> None:
        """A server is on another host now, with its volumes."""
        volumes = self._compute.volumes
        for row in server.volumes:
            found = volumes.attachments.get(row["attachment_id"]) if volumes is not None else None
            if found is not None:
                found.host = server.host

    def _attach_really(self, server: Server, row: dict[str, Any]) -> None:
        volumes = self._compute.volumes
        if volumes is not None:
            volume = volumes.volume(row["volume_id"])
            row["attachment_id"] = volumes.attach(volume, server.id, server.host, row["device"]).id

    def _detach_really(self, row: dict[str, Any]) -> None:
        volumes = self._compute.volumes
        found = volumes.attachments.get(row["attachment_id"]) if volumes is not None else None
        if volumes is not None and found is not None:
            volumes.detach(found)


def next_device(server: Server) -> str:
    """The first disk that a server does not have yet."""
    used = {row["device"] for row in server.volumes}
    letters = "abcdefghijklmnopqrstuvwxyz" if not server.image_id else "bcdefghijklmnopqrstuvwxyz"
    for letter in letters:
        if f"/dev/vd{letter}" not in used:
            return f"/dev/vd{letter}"
    raise Invalid("The maximum allowed number of disk devices is exceeded")
