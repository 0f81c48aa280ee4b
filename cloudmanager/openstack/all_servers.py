"""Servers of all projects, with the names of what stands in them as ids."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.openstack.calls import segment
from cloudmanager.openstack.part import Part
from cloudmanager.openstack.records import Project
from cloudmanager.openstack.shapes import server_from

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloudmanager.openstack.records import Accepted, Server


class AllServers(Part):
    """What is said of many servers at once."""

    async def all_servers(self, project_id: str | None = None) -> Sequence[Server]:
        """The servers of a project, or of all; newest first."""
        query = {"all_tenants": "1"} | ({"project_id": project_id} if project_id else {})
        found = await self._nova.pages("all_servers", "servers/detail", "servers", query)
        return tuple(server_from(body) for body in found)

    async def describe_server(
        self, server_id: str, *, name: str | None = None, description: str | None = None
    ) -> Accepted:
        """Change how a server is called and described; None leaves it as it is."""
        wish = {"name": name, "description": description}
        body = {"server": {key: value for key, value in wish.items() if value is not None}}
        path = f"servers/{segment(server_id)}"
        return (await self._nova.call("describe_server", "PUT", path, body=body, repeat=True)).accepted

    async def flavor_ids(self, *, max_age: float = 0.0) -> Mapping[str, str]:
        """{name: id} of all flavors: since 2.47 a server says the name alone."""
        return await self._shared.ask("flavor_ids", self._flavor_ids, max_age)

    async def _flavor_ids(self) -> Mapping[str, str]:
        query = {"is_public": "None"}
        found = await self._nova.pages("flavor_ids", "flavors/detail", "flavors", query)
        return {body["name"]: body["id"] for body in found}

    async def projects(self, *, max_age: float = 0.0) -> Mapping[str, Project]:
        """{id: project} of Keystone."""
        return await self._shared.ask("projects", self._projects, max_age)

    async def _projects(self) -> Mapping[str, Project]:
        domains = (await self._keystone.get("projects", "domains")).part("domains")
        names = {body["id"]: body["name"] for body in domains}
        found = (await self._keystone.get("projects", "projects")).part("projects")
        return {
            body["id"]: Project(body["name"], body["domain_id"], names.get(body["domain_id"]))
            for body in found
        }
