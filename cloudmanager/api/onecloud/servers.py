"""Servers, as OneCloud shows them: those of the caller's project; an admin sees all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Response

from cloudmanager.api.answers import dumps
from cloudmanager.api.document.answers import Answer
from cloudmanager.api.listing import next_link
from cloudmanager.api.onecloud.around import Around, look_around, places
from cloudmanager.api.onecloud.front import REQUEST_ID, admit, blueprint, own_project, sees_all
from cloudmanager.api.onecloud.server_shapes import OneCloudServerShape
from cloudmanager.api.onecloud.shown import brief, details, status
from cloudmanager.api.operation import operation, wrapped
from cloudmanager.api.query import Options, flag
from cloudmanager.api.rows import RowQuery
from cloudmanager.api.services import services
from cloudmanager.errors import NotFound
from cloudmanager.tokens import Role

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from cloudmanager.api.rows import Picked
    from cloudmanager.openstack.port import CloudPort
    from cloudmanager.openstack.records import Server

JSON = "application/json; charset=UTF-8"
ERRORS = (429, 501, 502, 504)
FILTERS = ("id", "name", "status", "project_id", "zone")
QUERY = RowQuery(
    FILTERS,
    Options(
        {
            "details": flag("Also disks, interfaces, hosts, projects; without it they are null."),
            "with_meta": flag("Also `metadata`; without it that is null."),
        }
    ),
)
_COUNT = {"type": "integer", "minimum": 0, "examples": [1]}
_PAGE = {
    "type": "object",
    "required": ["limit", "offset", "servers", "total"],
    "properties": {
        "limit": {**_COUNT, "description": "The `limit` of the request; 0 when it had none."},
        "offset": {**_COUNT, "description": "The `offset` of the request.", "examples": [0]},
        "servers": {
            "type": "array",
            "items": OneCloudServerShape(),
            "description": "The servers of this page, newest first.",
        },
        "total": {**_COUNT, "description": "How many servers the filters let through."},
    },
}
SERVER = Answer(wrapped(OneCloudServerShape(), "server"), headers=(REQUEST_ID,))


@operation(
    blueprint,
    "GET",
    "/servers",
    role=Role.READER,
    name="list_onecloud_servers",
    summary="List servers as OneCloud does",
    query=QUERY,
    answers={200: Answer(_PAGE, headers=(REQUEST_ID, "Link"))},
    errors=ERRORS,
)
def list_servers(query: Picked) -> Response:
    """Those of the caller's project, newest first; an admin sees all. Hosts are shown to admins."""
    admit()
    window, hosts = query.window, sees_all()
    project = None if hosts else own_project()

    async def look(cloud: CloudPort) -> tuple[list[Server], int, Around | None]:
        found = query.through(await cloud.all_servers(project), _text_of)
        end = None if window.limit is None else window.offset + window.limit
        page = found[window.offset : end]
        return (
            page,
            len(found),
            await _around(cloud, page, hosts=hosts) if window.options["details"] else None,
        )

    page, total, around = services().cloud.ask(look)
    body = {
        "limit": window.limit or 0,
        "offset": window.offset,
        "servers": _documents(page, around, with_meta=window.options["with_meta"]),
        "total": total,
    }
    return _answer(body, headers=next_link(window, total - window.offset))


@operation(
    blueprint,
    "GET",
    "/servers/<uuid:server_id>",
    role=Role.READER,
    name="get_onecloud_server",
    summary="Show a server as OneCloud does",
    answers={200: SERVER},
    errors=ERRORS,
)
def get_server(server_id: UUID) -> Response:
    """With all details and its metadata. One of another project is not there, except for admins."""
    admit()
    return server_answer(visible_server(str(server_id)))


def visible_server(server_id: str) -> Server:
    """A server that the caller may see; `NotFound` for all others, whoever they belong to."""
    project = None if sees_all() else own_project()
    try:
        server = services().cloud.ask(lambda cloud: cloud.server(server_id))
    except NotFound:
        server = None
    if server is None or project not in (None, server.project_id):
        raise NotFound(f"there is no server {server_id}")
    return server


def server_answer(server: Server, code: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """The server with everything that is known of it."""
    hosts = sees_all()
    around = services().cloud.ask(lambda cloud: _around(cloud, [server], hosts=hosts))
    [document] = _documents([server], around, with_meta=True)
    return _answer({"server": document}, code, headers)


async def _around(cloud: CloudPort, servers: Sequence[Server], *, hosts: bool) -> Around:
    return await look_around(cloud, servers, hosts=hosts) if servers else Around()


def _documents(servers: Sequence[Server], around: Around | None, *, with_meta: bool) -> list[dict[str, Any]]:
    config, hosts = services().config, sees_all()
    region = config.nova.region_name or config.keystone_authtoken.region_name
    documents = [brief(server, hosts=hosts, region=region) for server in servers]
    if around is not None:
        with services().database.reading() as session:
            known = places(session, around)
        for server, document in zip(servers, documents, strict=True):
            document.update(details(server, around, known))
    if with_meta:
        for server, document in zip(servers, documents, strict=True):
            document["metadata"] = dict(server.metadata)
    return documents


def _text_of(server: Server, name: str) -> str | None:
    if name == "status":
        return status(server)
    text: str | None = getattr(server, name)
    return text


def _answer(body: dict[str, Any], code: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(dumps(body), code, headers, content_type=JSON)
