"""What stands around servers: disks, interfaces, hosts, projects; asked for many servers at once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import select

from cloudmanager.api.hosts import nodes_of
from cloudmanager.errors import CloudRefused, NotFound
from cloudmanager.models import Node

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping, Sequence

    from sqlalchemy.orm import Session

    from cloudmanager.openstack.definitions import Image, Volume
    from cloudmanager.openstack.plugs import Plug
    from cloudmanager.openstack.port import CloudPort
    from cloudmanager.openstack.records import Hypervisor, Project, Server, Service

T = TypeVar("T")

_YOUNG = 30.0
"""Seconds for which names of projects and flavors, and what is known of hosts, are good enough."""

_ONE_BY_ONE = 16
"""So many volumes are asked for one by one; of more, all that there are."""

_NO_SUCH_SERVICE = 404


@dataclass(frozen=True)
class Place:
    """Where a host stands, by the inventory."""

    node_id: int
    rack: int | None
    code: str | None


@dataclass(frozen=True)
class Around:
    """By the ids and names that servers have. What could not be asked for is absent."""

    flavors: Mapping[str, str] = field(default_factory=dict)
    projects: Mapping[str, Project] = field(default_factory=dict)
    plugs: Mapping[str, Sequence[Plug]] = field(default_factory=dict)
    public: Mapping[str, str] = field(default_factory=dict)
    networks: Mapping[str, str] = field(default_factory=dict)
    groups: Mapping[str, str] = field(default_factory=dict)
    volumes: Mapping[str, Volume] = field(default_factory=dict)
    images: Mapping[str, Image] = field(default_factory=dict)
    services: Mapping[str, Service] = field(default_factory=dict)
    hypervisors: Mapping[str, Hypervisor] = field(default_factory=dict)


async def look_around(cloud: CloudPort, servers: Sequence[Server], *, hosts: bool) -> Around:
    """Everything that OpenStack says around these servers; of their hosts only with `hosts`."""
    flavors, projects, plugged, volumes, images, on = await asyncio.gather(
        cloud.flavor_ids(max_age=_YOUNG),
        cloud.projects(max_age=_YOUNG),
        _if_there(_plugged(cloud, servers), {}),
        _if_there(_volumes(cloud, servers), {}),
        _if_there(_images(cloud, servers), {}),
        _hosts(cloud) if hosts else _nothing(),
    )
    return Around(flavors=flavors, projects=projects, volumes=volumes, images=images, **plugged, **on)


def places(session: Session, around: Around) -> dict[str, Place]:
    """{host: where it stands} of hosts that are nodes of the inventory."""
    nodes = nodes_of(session, list(around.services), list(around.hypervisors.values()))
    query = select(Node.id, Node.rack_number, Node.inventory_code).where(Node.id.in_(nodes.values()))
    found = {key: Place(key, rack, code) for key, rack, code in session.execute(query)}
    return {host: found[key] for host, key in nodes.items() if key in found}


async def _plugged(cloud: CloudPort, servers: Sequence[Server]) -> dict[str, Any]:
    plugs = await cloud.plugs_of([server.id for server in servers])
    public, networks, groups = await asyncio.gather(
        cloud.public_addresses_of([plug.id for plug in plugs]),
        cloud.network_names([plug.network_id for plug in plugs]),
        cloud.security_group_names([group for plug in plugs for group in plug.group_ids]),
    )
    of_server: dict[str, list[Plug]] = {server.id: [] for server in servers}
    for plug in plugs:
        of_server[plug.server_id].append(plug)
    return {"plugs": of_server, "public": public, "networks": networks, "groups": groups}


async def _volumes(cloud: CloudPort, servers: Sequence[Server]) -> Mapping[str, Volume]:
    wanted = {volume.id for server in servers for volume in server.volumes}
    if len(wanted) > _ONE_BY_ONE:
        return {volume.id: volume for volume in await cloud.all_volumes() if volume.id in wanted}
    found = await asyncio.gather(*(_volume(cloud, key) for key in wanted))
    return {volume.id: volume for volume in found if volume is not None}


async def _volume(cloud: CloudPort, key: str) -> Volume | None:
    try:
        return await cloud.volume(key)
    except NotFound:
        return None


async def _images(cloud: CloudPort, servers: Sequence[Server]) -> Mapping[str, Image]:
    wanted = {server.image_id for server in servers if server.image_id}
    found = await cloud.find_images({}) if wanted else ()
    return {image.id: image for image in found if image.id in wanted}


async def _hosts(cloud: CloudPort) -> dict[str, Any]:
    services, hypervisors = await asyncio.gather(
        cloud.services(max_age=_YOUNG), cloud.hypervisors(max_age=_YOUNG)
    )
    return {
        "services": {service.host: service for service in services},
        "hypervisors": {hypervisor.host: hypervisor for hypervisor in hypervisors},
    }


async def _nothing() -> dict[str, Any]:
    return {}


async def _if_there(question: Coroutine[Any, Any, T], otherwise: T) -> T:
    """The answer of a service that not every cloud has."""
    try:
        return await question
    except CloudRefused as refused:
        if refused.status != _NO_SUCH_SERVICE:
            raise
        return otherwise
