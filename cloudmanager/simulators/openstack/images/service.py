"""The Image API v2 on a real socket. Refusals are those of webob: HTML, or JSON where it is asked for."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from cloudmanager.simulators.http import Answer
from cloudmanager.simulators.openstack.images.images import Image
from cloudmanager.simulators.openstack.images.members import Members, sees, takes
from cloudmanager.simulators.openstack.problems import Conflict, Forbidden, Invalid, NotThere
from cloudmanager.simulators.openstack.rest import RestService, moment, page

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudmanager.simulators.http import Request
    from cloudmanager.simulators.keystone.identity import Identity
    from cloudmanager.simulators.openstack.images.images import Images
    from cloudmanager.simulators.openstack.problems import Problem
    from cloudmanager.simulators.openstack.rest import Call, Caller

_NEWEST = 17  # v2.17, Glance 32
_PAGE = "25"
_VISIBILITIES = ("public", "private", "shared", "community")
_WRITABLE = (
    "name",
    "visibility",
    "protected",
    "min_disk",
    "min_ram",
    "container_format",
    "disk_format",
    "tags",
)
_READ_ONLY = frozenset(
    [
        "status",
        "size",
        "virtual_size",
        "checksum",
        "os_hash_algo",
        "os_hash_value",
        "owner",
        "self",
        "created_at",
        "updated_at",
        "file",
        "schema",
        "direct_url",
    ]
)
_FILTERS = ("name", "status", "visibility", "owner", "container_format", "disk_format", "id")
_HTML = """\
<html>
 <head>
  <title>{title}</title>
 </head>
 <body>
  <h1>{title}</h1>
  {message}<br /><br />



 </body>
</html>"""


class Glance(RestService):
    """A server for `Images`."""

    name = "glance"
    kind = "image"

    def __init__(self, images: Images, identity: Identity) -> None:
        self.images = images
        super().__init__(identity)

    def routes(self) -> dict[str, Callable[[Call], Answer]]:
        """What it answers."""
        return {
            "GET v2/images": self._list,
            "POST v2/images": self._create,
            "GET v2/images/*": self._show,
            "PATCH v2/images/*": self._change,
            "DELETE v2/images/*": self._delete,
            "PUT v2/images/*/file": self._upload,
            "GET v2/images/*/file": self._download,
            "PUT v2/images/*/tags/*": self._tag,
            "DELETE v2/images/*/tags/*": self._untag,
            **Members(self.images).routes(),
        }

    def versions(self, path: str) -> Answer | None:
        """All versions of v2, newest first."""
        if path not in ("", "/versions"):
            return None
        rows = [
            {
                "id": f"v2.{minor}",
                "status": "CURRENT" if minor == _NEWEST else "SUPPORTED",
                "links": [{"rel": "self", "href": f"{self.url}/v2/"}],
            }
            for minor in (*range(_NEWEST, 4, -1), 4, 3, 2, 1, 0)
        ]
        return Answer(300 if path == "" else 200, {"versions": rows})

    def answer(self, request: Request) -> Answer:
        """As all services; a refusal's form hangs on what the client accepts."""
        said = super().answer(request)
        if isinstance(said.document, str):
            title = f"{said.status} {HTTPStatus(said.status).phrase}"
            if "application/json" in request.headers.get("accept", ""):
                message = f"{said.document}<br /><br />\n\n\n"
                shown: Any = {"message": message, "code": title, "title": HTTPStatus(said.status).phrase}
                return Answer(said.status, shown, said.headers)
            html = _HTML.format(title=title, message=said.document).encode()
            return Answer(said.status, html, {**said.headers, "Content-Type": "text/html; charset=UTF-8"})
        return said

    def refusal(self, problem: Problem) -> Answer:
        """The message alone; `answer` gives it its form."""
        return Answer(problem.status, str(problem))

    # --- reading --------------------------------------------------------------------------------------------

    def _list(self, call: Call) -> Answer:
        rows = [self._shape(image) for image in self.images.all() if self._is_listed(image, call)]
        for name in _FILTERS:
            if (wish := call.query.get(name)) is not None and (name, wish) != ("visibility", "all"):
                wanted = wish.removeprefix("in:").split(",") if wish.startswith("in:") else [wish]
                rows = [row for row in rows if row[name] in wanted]
        for tag in call.request.values("tag"):
            rows = [row for row in rows if tag in row["tags"]]
        shown, more = page(rows, {"limit": _PAGE, **call.query})
        document: dict[str, Any] = {"images": shown, "schema": "/v2/schemas/images", "first": "/v2/images"}
        if more is not None:
            document["next"] = f"/v2/images?{more}"
        return Answer(200, document)

    def _is_listed(self, image: Image, call: Call) -> bool:
        if image.visibility == "community" and call.query.get("visibility") != "community":
            return image.owner == call.caller.project_id
        return sees(call.caller, image) and takes(
            call.caller, image, call.query.get("member_status", "accepted")
        )

    def _show(self, call: Call) -> Answer:
        return Answer(200, self._shape(self._found(call)))

    def _download(self, call: Call) -> Answer:
        image = self._found(call)
        data = self.images.data(image)
        if image.status != "active" or not data:
            return Answer(204)
        said = {"Content-Type": "application/octet-stream", "Content-MD5": image.checksum or ""}
        return Answer(200, data, said)

    def _found(self, call: Call) -> Image:
        image = self.images.image(call.name)
        if not sees(call.caller, image):
            raise NotThere(f"No image found with ID {call.name}")
        return image

    def _shape(self, image: Image) -> dict[str, Any]:
        path = f"/v2/images/{image.id}"
        return {
            **image.properties,
            "id": image.id,
            "name": image.name,
            "status": image.status,
            "visibility": image.visibility,
            "protected": image.protected,
            "owner": image.owner,
            "size": image.size,
            "virtual_size": image.size if image.disk_format == "raw" else None,
            "min_disk": image.min_disk,
            "min_ram": image.min_ram,
            "container_format": image.container_format,
            "disk_format": image.disk_format,
            "checksum": image.checksum,
            "os_hash_algo": "sha512" if image.hash_value else None,
            "os_hash_value": image.hash_value,
            "os_hidden": False,
            "tags": image.tags,
            "created_at": moment(image.created_at, "Z"),
            "updated_at": moment(image.updated_at, "Z"),
            "self": path,
            "file": f"{path}/file",
            "schema": "/v2/schemas/image",
        }

    # --- changing -------------------------------------------------------------------------------------------

    def _create(self, call: Call) -> Answer:
        _must_be_member(call.caller, "add_image")
        image = Image(owner=call.caller.project_id)
        for name, value in call.body().items():
            if name == "id":
                image.id = str(value)
            elif name == "owner" and call.caller.is_admin:
                image.owner = str(value)
            else:
                _put(call.caller, image, name, value)
        self.images.add(image)
        return Answer(201, self._shape(image), {"Location": f"{self.url}/v2/images/{image.id}"})

    def _change(self, call: Call) -> Answer:
        """A JSON patch (RFC 6902) of the image's own fields; paths have one part."""
        image = self._own(call, "modify_image")
        try:
            changes = call.request.json()
        except ValueError:
            raise Invalid("Malformed JSON in request body.") from None
        if not isinstance(changes, list) or not all(isinstance(change, dict) for change in changes):
            raise Invalid("Request body must be a JSON array of operation objects.")
        for change in changes:
            name = str(change.get("path", "")).lstrip("/")
            if change.get("op") == "remove":
                if name not in image.properties:
                    raise Conflict(f"Property {name} does not exist.")
                del image.properties[name]
            elif change.get("op") in ("add", "replace") and name:
                _put(call.caller, image, name, change.get("value"))
            else:
                raise Invalid("Operations must be one of add, replace, remove.")
        self.images.touch(image)
        return Answer(200, self._shape(image))

    def _delete(self, call: Call) -> Answer:
        self.images.delete(self._own(call, "delete_image"))
        return Answer(204)

    def _upload(self, call: Call) -> Answer:
        self.images.upload(self._own(call, "upload_image"), call.request.body)
        return Answer(204)

    def _tag(self, call: Call) -> Answer:
        image = self._own(call, "modify_image")
        image.tags = [*dict.fromkeys([*image.tags, call.names[1]])]
        return Answer(204)

    def _untag(self, call: Call) -> Answer:
        image = self._own(call, "modify_image")
        if call.names[1] not in image.tags:
            raise NotThere("The tag does not exist.")
        image.tags.remove(call.names[1])
        return Answer(204)

    def _own(self, call: Call, action: str) -> Image:
        """An image that the caller may change."""
        image = self._found(call)
        _must_be_member(call.caller, action)
        if not call.caller.sees(image.owner):
            raise Forbidden(f"You are not authorized to complete {action} action.")
        return image


def _must_be_member(caller: Caller, action: str) -> None:
    if "member" not in caller.roles:
        raise Forbidden(f"You are not authorized to complete {action} action.")


def _put(caller: Caller, image: Image, name: str, value: Any) -> None:
    """Set a field of the image's own, or a property of somebody's choice, which is text."""
    if name in _READ_ONLY:
        raise Forbidden(f"Attribute '{name}' is read-only.")
    if name == "visibility" and value not in _VISIBILITIES:
        raise Invalid(
            f"Provided object does not match schema 'image': {value!r} is not one of {_VISIBILITIES}"
        )
    if (name, value) == ("visibility", "public") and not caller.is_admin:
        raise Forbidden("You are not authorized to complete publicize_image action.")
    if name in _WRITABLE:
        setattr(image, name, value)
    elif isinstance(value, str):
        image.properties[name] = value
    else:
        raise Invalid(f"Provided object does not match schema 'image': {value!r} is not of type 'string'")
