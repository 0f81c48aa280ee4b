"""Making, renaming and deleting servers as the caller: Nova is asked with the caller's own token."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from flask import request
from marshmallow import ValidationError, fields, validate, validates_schema

from cloudmanager.api.answers import nothing
from cloudmanager.api.auth import HEADER
from cloudmanager.api.body import Body
from cloudmanager.api.document.answers import Answer
from cloudmanager.api.fields import JsonSchema, name, text
from cloudmanager.api.hosts import refuse_if_held
from cloudmanager.api.onecloud.front import (
    REQUEST_ID,
    admit,
    as_the_caller,
    blueprint,
    own_project,
)
from cloudmanager.api.onecloud.prefix import OURS
from cloudmanager.api.onecloud.server_shapes import OneCloudServerShape
from cloudmanager.api.onecloud.servers import ERRORS, SERVER, server_answer, visible_server
from cloudmanager.api.operation import operation, wrapped
from cloudmanager.api.services import services
from cloudmanager.errors import Malformed, NotFound
from cloudmanager.openstack.definitions import NewServer
from cloudmanager.tokens import Role

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from uuid import UUID

    from flask import Response

    from cloudmanager.openstack.port import CloudPort

T = TypeVar("T")

_MOST_NICS = 20
_MOST_GROUPS = 20


class OneCloudNewDisk(Body):
    """The disk that a new server boots from."""

    image_id = fields.UUID(required=True)


class OneCloudNewNic(Body):
    """A network of a new server."""

    network_id = fields.UUID(required=True)


class OneCloudNewGroup(Body):
    """A security group of a new server."""

    name = name(required=True)


class OneCloudUpdate(Body):
    """What can be changed of a server."""

    name = name()
    description = text()


class OneCloudNewServer(Body):
    """A new server, by the fields with which it will be shown. It has no interfaces without `nics`."""

    json_schema: ClassVar[JsonSchema] = {
        "oneOf": [{"required": ["flavor_id"]}, {"required": ["instance_type"]}],
    }

    name = name(required=True)
    description = text()
    flavor_id = text(min_length=1)
    instance_type = text(min_length=1)
    disks_info = fields.List(
        fields.Nested(OneCloudNewDisk), required=True, validate=validate.Length(min=1, max=1)
    )
    nics = fields.List(
        fields.Nested(OneCloudNewNic), load_default=list, validate=validate.Length(max=_MOST_NICS)
    )
    secgroups = fields.List(
        fields.Nested(OneCloudNewGroup), load_default=list, validate=validate.Length(max=_MOST_GROUPS)
    )
    keypair = text(min_length=1)
    zone = text(min_length=1)
    metadata = fields.Dict(keys=fields.String(), values=text(), load_default=dict)

    @validates_schema
    def _one_flavor(self, data: dict[str, Any], **_: Any) -> None:
        if ("flavor_id" in data) == ("instance_type" in data):
            raise ValidationError("Give either flavor_id or instance_type.", "flavor_id")


@operation(
    blueprint,
    "POST",
    "/servers",
    role=Role.MEMBER,
    name="create_onecloud_server",
    summary="Make a server as OneCloud does",
    body=OneCloudNewServer(),
    wrapper="server",
    answers={201: Answer(wrapped(OneCloudServerShape(), "server"), headers=(REQUEST_ID,))},
    errors=(409, *ERRORS),
)
def create_server(body: dict[str, Any]) -> Response:
    """In the project of the token, within its quota. Nova goes on making it; its `status` tells how far."""
    admit()
    own_project()
    made = _as_caller(partial(_create, body))
    where = f"{OURS}/servers/{made}"
    return server_answer(visible_server(made), 201, {"Location": where})


@operation(
    blueprint,
    "PUT",
    "/servers/<uuid:server_id>",
    role=Role.MEMBER,
    name="update_onecloud_server",
    summary="Rename or describe a server as OneCloud does",
    body=OneCloudUpdate(),
    wrapper="server",
    answers={200: SERVER},
    errors=(409, *ERRORS),
)
def update_server(server_id: UUID, body: dict[str, Any]) -> Response:
    """Only the fields that are given change."""
    admit()
    server = visible_server(str(server_id))
    if body:
        _as_caller(lambda cloud: cloud.describe_server(server.id, **body))
    return server_answer(visible_server(server.id))


@operation(
    blueprint,
    "DELETE",
    "/servers/<uuid:server_id>",
    role=Role.MEMBER,
    name="delete_onecloud_server",
    summary="Delete a server as OneCloud does",
    answers={204: Answer(None, headers=(REQUEST_ID,))},
    errors=(409, *ERRORS),
)
def delete_server(server_id: UUID) -> Response:
    """Nova goes on deleting it. One that a task works on stays: 409 names the task."""
    admit()
    server = visible_server(str(server_id))
    refuse_if_held(f"server:{server.id}", f"server {server.id}")
    _as_caller(lambda cloud: cloud.delete_server(server.id))
    return nothing()


def _as_caller(question: Callable[[CloudPort], Coroutine[Any, Any, T]]) -> T:
    """Ask OpenStack with the token of the request, so that its own rules and quotas count."""
    token = request.headers[HEADER]
    with as_the_caller():
        return services().cloud.ask(lambda cloud: question(cloud.with_token(token)))


async def _create(body: dict[str, Any], cloud: CloudPort) -> str:
    """Nova's id of the new server. Nova does not name everything that it does not know: we look before."""
    new = NewServer(
        name=body["name"],
        flavor_id=await _flavor(body, cloud),
        image_id=await _image(str(body["disks_info"][0]["image_id"]), cloud),
        networks=await _networks([str(nic["network_id"]) for nic in body["nics"]], cloud),
        security_groups=tuple(group["name"] for group in body["secgroups"]),
        key_name=body.get("keypair"),
        metadata=body["metadata"],
        zone=body.get("zone"),
        description=body.get("description"),
    )
    return (await cloud.create_server(new)).id


async def _flavor(body: dict[str, Any], cloud: CloudPort) -> str:
    ids = await cloud.flavor_ids()
    if "instance_type" in body:
        if (wanted := body["instance_type"]) not in ids:
            raise Malformed(f"instance_type: there is no flavor named {wanted}")
        return ids[wanted]
    if (wanted := body["flavor_id"]) not in ids.values():
        raise Malformed(f"flavor_id: there is no flavor {wanted}")
    return str(wanted)


async def _image(image_id: str, cloud: CloudPort) -> str:
    try:
        return (await cloud.image(image_id)).id
    except NotFound:
        raise Malformed(f"disks_info: there is no image {image_id}") from None


async def _networks(ids: list[str], cloud: CloudPort) -> tuple[str, ...]:
    known = await cloud.network_names(ids)
    for wanted in ids:
        if wanted not in known:
            raise Malformed(f"nics: there is no network {wanted}")
    return tuple(ids)
