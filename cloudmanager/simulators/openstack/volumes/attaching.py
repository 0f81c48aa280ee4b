"""Calls that bring volumes and servers together: attachments (3.27), and the older actions of volumes.

What a server uses may be taken away by Nova alone (CVE-2023-2088): who asks must be a service.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudmanager.simulators.http import Answer
from cloudmanager.simulators.openstack.problems import Conflict, Invalid, NotThere
from cloudmanager.simulators.openstack.volumes import shapes
from cloudmanager.simulators.openstack.volumes.disks import visible

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudmanager.simulators.keystone.identity import Identity
    from cloudmanager.simulators.openstack.rest import Call
    from cloudmanager.simulators.openstack.volumes.rows import Attachment, Volume
    from cloudmanager.simulators.openstack.volumes.volumes import Volumes

_ATTACHMENTS = (3, 27)
_COMPLETE = (3, 44)


class Attaching:
    """The part of Cinder that knows who has a volume."""

    def __init__(self, volumes: Volumes, identity: Identity) -> None:
        self._volumes = volumes
        self._identity = identity

    def routes(self) -> dict[str, Callable[[Call], Answer]]:
        """What it answers; actions of volumes have a path of their own, by the key of their body."""
        return {
            "GET attachments": self._list,
            "GET attachments/detail": self._list_details,
            "POST attachments": self._create,
            "GET attachments/*": self._show,
            "PUT attachments/*": self._update,
            "DELETE attachments/*": self._delete,
            "POST attachments/*/action": self._act,
        }

    def actions(self) -> dict[str, Callable[[Call, Volume, dict[str, Any]], Answer]]:
        """The older actions, by their name."""
        return {
            "os-attach": self._attach,
            "os-detach": self._detach,
            "os-reserve": self._reserve,
            "os-unreserve": self._unreserve,
            "os-begin_detaching": self._begin_detaching,
            "os-roll_detaching": self._roll_detaching,
        }

    # --- attachments ----------------------------------------------------------------------------------------

    def _list(self, call: Call) -> Answer:
        rows = [shapes.attachment(row, detail=False) for row in self._asked(call)]
        return Answer(200, {"attachments": rows})

    def _list_details(self, call: Call) -> Answer:
        rows = [shapes.attachment(row, detail=True) for row in self._asked(call)]
        return Answer(200, {"attachments": rows})

    def _asked(self, call: Call) -> list[Attachment]:
        _check_version(call, _ATTACHMENTS)
        everywhere = call.caller.is_admin and call.flag("all_tenants")
        wanted = {"volume_id": call.query.get("volume_id"), "server_id": call.query.get("instance_id")}
        return [
            row
            for row in self._volumes.attachments.values()
            if (everywhere or self._project(row) == call.caller.project_id)
            and all(value in (None, getattr(row, name)) for name, value in wanted.items())
        ]

    def _create(self, call: Call) -> Answer:
        _check_version(call, _ATTACHMENTS)
        call.caller.must_have("member", "volume:attachment_create")
        asked = call.wanted("attachment")
        volume = visible(self._volumes.volume(str(asked.get("volume_uuid"))), call.caller)
        if "error" in volume.status:
            raise Conflict(
                "Volume attachments can not be created if the volume is in an error state. The Volume "
                f"{volume.id} currently has a status of: {volume.status} "
            )
        made = self._volumes.reserve_for(
            volume, asked.get("instance_uuid"), asked.get("connector"), _mode(asked.get("mode"))
        )
        return _shown(made)

    def _show(self, call: Call) -> Answer:
        return _shown(self._found(call))

    def _update(self, call: Call) -> Answer:
        found = self._found(call)
        call.caller.must_have("member", "volume:attachment_update")
        connector = call.wanted("attachment").get("connector")
        if not isinstance(connector, dict):
            raise Invalid("Invalid input for field/attribute attachment. 'connector' is a required property")
        self._volumes.connect(found, connector)
        return _shown(found)

    def _delete(self, call: Call) -> Answer:
        found = self._found(call)
        call.caller.must_have("member", "volume:attachment_delete")
        self._check_use(call, found)
        self._volumes.detach(found)
        remaining = self._volumes.attachments_of(found.volume_id)
        return Answer(200, {"attachments": [shapes.attachment(row, detail=False) for row in remaining]})

    def _act(self, call: Call) -> Answer:
        _check_version(call, _COMPLETE)
        found = self._found(call)
        call.caller.must_have("member", "volume:attachment_complete")
        if "os-complete" not in call.body():
            raise Invalid("There is no such action. Verify the request body.")
        self._volumes.complete(found)
        return Answer(204)

    def _found(self, call: Call) -> Attachment:
        _check_version(call, _ATTACHMENTS)
        found = self._volumes.attachment(call.name)
        if not call.caller.sees(self._project(found)):
            raise NotThere(f"Volume attachment could not be found with filter: attachment_id = {found.id}.")
        return found

    def _project(self, attachment: Attachment) -> str:
        return self._volumes.volume(attachment.volume_id).project_id

    # --- actions of volumes ---------------------------------------------------------------------------------

    def _attach(self, _call: Call, volume: Volume, asked: dict[str, Any]) -> Answer:
        server, host = asked.get("instance_uuid"), asked.get("host_name")
        if "mountpoint" not in asked or (server and host):
            raise Invalid("Invalid input for field/attribute os-attach.")
        mode = _mode(asked.get("mode"))
        if volume.readonly and mode != "ro":
            raise Invalid(f"Invalid attaching mode '{mode}' for volume {volume.id}.")
        self._volumes.attach(volume, server, host, asked["mountpoint"], mode)
        return Answer(202)

    def _detach(self, call: Call, volume: Volume, asked: dict[str, Any]) -> Answer:
        found = self._volumes.attachments_of(volume.id)
        if wish := asked.get("attachment_id"):
            found = [row for row in found if row.id == wish]
        if len(found) != 1:
            reason = "more than one attachment, no attachment_id provided" if found else "no attachment"
            raise Invalid(f"Invalid volume: Unable to detach volume {volume.id}: {reason}.")
        self._check_use(call, found[0])
        self._volumes.detach(found[0])
        return Answer(202)

    def _reserve(self, _call: Call, volume: Volume, _asked: dict[str, Any]) -> Answer:
        self._volumes.reserve(volume)
        return Answer(202)

    def _unreserve(self, _call: Call, volume: Volume, _asked: dict[str, Any]) -> Answer:
        if volume.status in ("reserved", "attaching"):
            used = self._volumes.attachments_of(volume.id)
            self._volumes.change(volume, "in-use" if used else "available")
        return Answer(202)

    def _begin_detaching(self, _call: Call, volume: Volume, _asked: dict[str, Any]) -> Answer:
        if volume.status != "in-use":
            raise Invalid(
                "Invalid volume: Unable to detach volume. Volume status must be 'in-use' and attach_status "
                "must be 'attached' to detach."
            )
        self._volumes.change(volume, "detaching")
        return Answer(202)

    def _roll_detaching(self, _call: Call, volume: Volume, _asked: dict[str, Any]) -> Answer:
        if volume.status == "detaching":
            self._volumes.change(volume, "in-use")
        return Answer(202)

    def _check_use(self, call: Call, attachment: Attachment) -> None:
        """Raise `Conflict` for what a server uses, unless a service asks."""
        if attachment.server_id and attachment.status == "attached" and not self._is_service(call):
            server = attachment.server_id
            raise Conflict(f"Detach volume from instance {server} using the Compute API")

    def _is_service(self, call: Call) -> bool:
        if "service" in call.caller.roles:
            return True
        token = self._identity.find(call.request.headers.get("x-service-token"))
        return token is not None and "service" in self._identity.roles_of(token)


def _check_version(call: Call, first: tuple[int, int]) -> None:
    if call.version < first:
        raise NotThere("The resource could not be found.")


def _shown(attachment: Attachment) -> Answer:
    return Answer(200, {"attachment": shapes.attachment(attachment, detail=True)})


def _mode(value: object) -> str:
    return "ro" if value == "ro" else "rw"
