"""System metadata of servers, which Nova keeps in its database and has no API for.

Whether a server exists is asked of Nova: the table does not tell a server without metadata from none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from flask_smorest import Blueprint
from marshmallow import INCLUDE, ValidationError, validates_schema

from cloudmanager.api.answers import answer, nothing
from cloudmanager.api.body import Body
from cloudmanager.api.document.answers import Answer
from cloudmanager.api.operation import operation
from cloudmanager.api.services import services
from cloudmanager.errors import NotFound
from cloudmanager.tokens import Role

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from flask import Response

blueprint = Blueprint(
    "system-metadata",
    __name__,
    url_prefix="/v1",
    description="System metadata of servers, in Nova's database",
)

LONGEST = 255
_ERRORS = (501, 502, 503, 504)
_EXAMPLE = {"image_min_ram": "1", "image_disk_format": "qcow2"}
_TEXT = {"type": "string", "maxLength": LONGEST, "pattern": r"^[^\u0000]*$"}
_METADATA = {
    "type": "object",
    "required": ["metadata"],
    "additionalProperties": False,
    "properties": {
        "metadata": {
            "type": "object",
            "description": "All keys with their values.",
            "additionalProperties": {"type": ["string", "null"]},
            "examples": [_EXAMPLE],
        }
    },
}


class SystemMetadata(Body):
    """Keys with their values, which are text. Keys that are not named stay as they are."""

    json_schema: ClassVar[Mapping[str, Any]] = {
        "additionalProperties": _TEXT,
        "propertyNames": {**_TEXT, "minLength": 1},
        "examples": [_EXAMPLE],
    }

    class Meta:
        """Options of marshmallow."""

        unknown = INCLUDE

    @validates_schema
    def _check(self, data: Mapping[str, Any], **_: Any) -> None:
        wrong = {key: [why] for key, value in data.items() if (why := _why_wrong(key, value))}
        if wrong:
            raise ValidationError(wrong)


def _why_wrong(key: str, value: Any) -> str | None:
    if not isinstance(value, str):
        return "Not text."
    if not 0 < len(key) <= LONGEST or "\0" in key:
        return f"A key has 1 to {LONGEST} characters, and no NUL."
    if len(value) > LONGEST or "\0" in value:
        return f"A value has up to {LONGEST} characters, and no NUL."
    return None


@operation(
    blueprint,
    "GET",
    "/system_metadata/<uuid:instance_uuid>",
    role=Role.ADMIN,
    summary="Show the system metadata of a server",
    answers={200: Answer(_METADATA)},
    errors=_ERRORS,
)
def get_system_metadata(instance_uuid: UUID) -> Response:
    """As Nova's database has it now."""
    server_id = _known(instance_uuid)
    return answer({"metadata": services().nova_database.system_metadata(server_id)})


@operation(
    blueprint,
    "PUT",
    "/system_metadata/<uuid:instance_uuid>",
    role=Role.ADMIN,
    summary="Write system metadata of a server",
    body=SystemMetadata(),
    answers={204: None},
    errors=_ERRORS,
)
def update_system_metadata(instance_uuid: UUID, body: dict[str, str]) -> Response:
    """Other keys stay as they are."""
    server_id = _known(instance_uuid)
    services().nova_database.merge(server_id, body)
    return nothing()


@operation(
    blueprint,
    "DELETE",
    "/system_metadata/<uuid:instance_uuid>/removed/<string:key>",
    role=Role.ADMIN,
    summary="Remove a key from the system metadata of a server",
    answers={204: None},
    errors=_ERRORS,
)
def remove_system_metadata(instance_uuid: UUID, key: str) -> Response:
    """The row is deleted, as Nova deletes a key."""
    server_id = _known(instance_uuid)
    if not services().nova_database.remove(server_id, key):
        raise NotFound(f"server {server_id} has no system metadata {key}")
    return nothing()


def _known(instance_uuid: UUID) -> str:
    """The id of a server that exists; what lacks in the configuration is told before Nova is asked."""
    services().nova_database.check()
    return services().cloud.ask(lambda cloud: cloud.server(str(instance_uuid))).id
