"""Calls about the projects that an image is shared with; each says by itself whether it takes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudmanager.simulators.http import Answer
from cloudmanager.simulators.openstack.problems import Conflict, Forbidden, Invalid, NotThere
from cloudmanager.simulators.openstack.rest import moment

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudmanager.simulators.openstack.images.images import Image, Images
    from cloudmanager.simulators.openstack.rest import Call, Caller

_STATUSES = ("pending", "accepted", "rejected")


class Members:
    """Answers for `Images`."""

    def __init__(self, images: Images) -> None:
        self._images = images

    def routes(self) -> dict[str, Callable[[Call], Answer]]:
        """Its calls."""
        return {
            "GET v2/images/*/members": self._list,
            "POST v2/images/*/members": self._add,
            "GET v2/images/*/members/*": self._show,
            "PUT v2/images/*/members/*": self._change,
            "DELETE v2/images/*/members/*": self._remove,
        }

    def _list(self, call: Call) -> Answer:
        image = self._image(call)
        rows = [
            _shape(image, member)
            for member in image.members
            if call.caller.sees(image.owner) or member == call.caller.project_id
        ]
        return Answer(200, {"members": rows, "schema": "/v2/schemas/members"})

    def _add(self, call: Call) -> Answer:
        image, member = self._owned(call), call.body().get("member")
        if not isinstance(member, str) or not member:
            raise Invalid("Member can't be empty")
        if image.visibility != "shared":
            raise Forbidden("Only shared images have members.")
        if member in image.members:
            raise Conflict(f"Member {member} is duplicated for image {image.id}")
        self._images.share(image, member)
        return Answer(200, _shape(image, member))

    def _show(self, call: Call) -> Answer:
        image = self._image(call)
        return Answer(200, _shape(image, self._member(image, call)))

    def _change(self, call: Call) -> Answer:
        image, status = self._image(call), call.body().get("status")
        member = self._member(image, call)
        if member != call.caller.project_id and not call.caller.is_admin:
            raise Forbidden("You are not permitted to modify this member.")
        if status not in _STATUSES:
            raise Invalid(f"The status must be one of {', '.join(_STATUSES)}")
        self._images.share(image, member, status)
        return Answer(200, _shape(image, member))

    def _remove(self, call: Call) -> Answer:
        image = self._owned(call)
        del image.members[self._member(image, call)]
        return Answer(204)

    def _image(self, call: Call) -> Image:
        image = self._images.image(call.name)
        if not sees(call.caller, image):
            raise NotThere(f"No image found with ID {image.id}")
        return image

    def _owned(self, call: Call) -> Image:
        image = self._image(call)
        if not call.caller.sees(image.owner):
            raise Forbidden("You are not permitted to modify the members of this image.")
        return image

    def _member(self, image: Image, call: Call) -> str:
        """The member that is asked about; others than the owner know of themselves alone."""
        member = call.names[1]
        is_open = call.caller.sees(image.owner) or member == call.caller.project_id
        if member not in image.members or not is_open:
            raise NotThere(f"{member} not found in the member list of the image {image.id}.")
        return member


def sees(caller: Caller, image: Image) -> bool:
    """Whether an image is there for somebody."""
    if image.visibility in ("public", "community") or caller.sees(image.owner):
        return True
    return image.visibility == "shared" and caller.project_id in image.members


def takes(caller: Caller, image: Image, status: str) -> bool:
    """Whether an image that is seen is in a list: of those that are shared, the ones with that status."""
    if image.visibility != "shared" or caller.sees(image.owner):
        return True
    return status == "all" or image.members[caller.project_id]["status"] == status


def _shape(image: Image, member: str) -> dict[str, Any]:
    row = image.members[member]
    return {
        "member_id": member,
        "image_id": image.id,
        "status": row["status"],
        "created_at": moment(row["created_at"], "Z"),
        "updated_at": moment(row["updated_at"], "Z"),
        "schema": "/v2/schemas/member",
    }
