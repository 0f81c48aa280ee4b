"""Instances: looking at them, deleting them, public addresses, volumes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudmanager.api.answers import answer
from cloudmanager.api.document.answers import Answer
from cloudmanager.api.portal.door import STARTED, ask, begin, blueprint, tenant_operation
from cloudmanager.api.portal.presenting import present_deed, present_instance
from cloudmanager.api.portal.shapes import (
    AttachmentShape,
    AttachVolume,
    InstanceActionShape,
    InstanceChoice,
    InstanceConsoleShape,
    InstanceLogShape,
    InstanceShape,
    MessageShape,
    every,
)
from cloudmanager.api.services import services
from cloudmanager.errors import Conflict

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import TypeVar
    from uuid import UUID

    from flask import Response

    from cloudmanager.openstack.records import Server
    from cloudmanager.openstack.tenant_port import TenantCloud
    from cloudmanager.openstack.tenant_records import Console

    T = TypeVar("T")

__all__ = ["blueprint"]

_FREE = "available"


@tenant_operation(
    "GET",
    "/instances/list",
    name="list_portal_instances",
    summary="List the instances of the project",
    answers={200: every(InstanceShape())},
)
def list_instances() -> Response:
    """All of them, however they came to be."""
    return answer([present_instance(server) for server in ask(lambda cloud: cloud.servers())])


@tenant_operation(
    "POST",
    "/instances/console",
    name="open_portal_console",
    summary="Open the console of an instance",
    body=InstanceChoice(),
    answers={201: Answer(InstanceConsoleShape(), "Opened.", sometimes=("Location",))},
    errors=(404, 409),
)
def open_console(body: dict[str, Any]) -> Response:
    """The kind is that of `[portal] console`. Nova decides for how long the address is good."""
    kind = services().config.portal.console

    async def opened(cloud: TenantCloud, server_id: str) -> Console:
        return await cloud.console(server_id, kind)

    found = _of_instance(body["instance_id"], opened)
    return answer({"protocol": found.protocol, "type": found.type, "url": found.url}, 201)


@tenant_operation(
    "DELETE",
    "/instances/delete/<uuid:instance_id>",
    name="delete_portal_instance",
    summary="Delete an instance",
    answers={200: STARTED},
    errors=(409,),
)
def delete_instance(instance_id: UUID) -> Response:
    """Its volumes stay; public addresses that the portal took for it are given back."""
    server = _instance(instance_id)
    return begin(
        "delete-instance", f"server:{server.id}", {"server_id": server.id}, "Instance deletion started"
    )


@tenant_operation(
    "GET",
    "/instances/<uuid:instance_id>/logs",
    name="show_portal_instance_log",
    summary="Show the end of an instance's console log",
    answers={200: InstanceLogShape()},
    errors=(409,),
)
def show_log(instance_id: UUID) -> Response:
    """As many lines as `[portal] log_lines` says."""
    lines = services().config.portal.log_lines

    async def read(cloud: TenantCloud, server_id: str) -> str:
        return await cloud.console_log(server_id, lines)

    return answer({"output": _of_instance(instance_id, read)})


@tenant_operation(
    "GET",
    "/instances/<uuid:instance_id>/actionlog",
    name="list_portal_instance_actions",
    summary="List what was done with an instance",
    answers={200: every(InstanceActionShape())},
)
def list_actions(instance_id: UUID) -> Response:
    """As Nova wrote it down, the newest first."""
    found = _of_instance(instance_id, lambda cloud, server_id: cloud.deeds(server_id))
    return answer([present_deed(deed) for deed in found])


@tenant_operation(
    "GET",
    "/instances/<uuid:instance_id>/volumes",
    name="list_portal_instance_volumes",
    summary="List the volumes of an instance",
    answers={200: every(AttachmentShape())},
)
def list_volumes(instance_id: UUID) -> Response:
    """Those that Cinder holds; the local disk is none."""
    found = _of_instance(instance_id, lambda cloud, server_id: cloud.disks(server_id))
    return answer([{"id": one.id, "volume_id": one.volume_id, "device": one.device} for one in found])


@tenant_operation(
    "POST",
    "/instance/attach-volume",
    name="attach_portal_volume",
    summary="Give a volume to an instance",
    body=AttachVolume(),
    answers={200: MessageShape()},
    errors=(404, 409),
)
def attach_volume(body: dict[str, Any]) -> Response:
    """The volume must be one that no instance has."""
    volume_id = str(body["volume_id"])

    async def attached(cloud: TenantCloud, server_id: str) -> None:
        volume = await cloud.volume(volume_id)
        if volume.status != _FREE:
            raise Conflict(
                f"volume {volume_id} is {volume.status}: only one that is available can be attached"
            )
        await cloud.attach_volume(server_id, volume_id)

    _of_instance(body["instance_id"], attached)
    return answer({"message": "Volume attached successfully"})


@tenant_operation(
    "POST",
    "/instance/make-public",
    name="make_portal_instance_public",
    summary="Give an instance a public address",
    body=InstanceChoice(),
    answers={200: STARTED},
    errors=(404, 409),
)
def make_public(body: dict[str, Any]) -> Response:
    """One that has a public address keeps it."""
    server = _instance(body["instance_id"])
    return begin("make-public", f"server:{server.id}", {"server_id": server.id}, "Make public started")


@tenant_operation(
    "POST",
    "/instance/make-private",
    name="make_portal_instance_private",
    summary="Take its public addresses from an instance",
    body=InstanceChoice(),
    answers={200: STARTED},
    errors=(404, 409),
)
def make_private(body: dict[str, Any]) -> Response:
    """Addresses that the portal did not take stay the project's; they only lead there no longer."""
    server = _instance(body["instance_id"])
    return begin("make-private", f"server:{server.id}", {"server_id": server.id}, "Make private started")


def _instance(instance_id: UUID) -> Server:
    """An instance of the caller's project; `NotFound` for all others."""
    return ask(lambda cloud: cloud.server(str(instance_id)))


def _of_instance(instance_id: UUID, question: Callable[[TenantCloud, str], Coroutine[Any, Any, T]]) -> T:
    """What is found out about an instance, once it is seen to be one of the caller's project."""

    async def asked(cloud: TenantCloud) -> T:
        server = await cloud.server(str(instance_id))
        return await question(cloud, server.id)

    return ask(asked)
