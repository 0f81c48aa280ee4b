"""Where servers are plugged in: what Neutron says of many of them at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cloudmanager.openstack.part import Part

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

_ASKED_AT_ONCE = 100
"""Ids in one question: longer addresses are refused by servers in between."""


@dataclass(frozen=True, slots=True)
class Plug:
    """An interface of a server. `guarded`: Neutron lets through no other addresses than its own."""

    id: str
    server_id: str
    network_id: str
    mac: str
    addresses: tuple[str, ...]
    group_ids: tuple[str, ...]
    guarded: bool | None


class Plugs(Part):
    """Interfaces of servers, and the names of what they are in."""

    async def plugs_of(self, server_ids: Collection[str]) -> Sequence[Plug]:
        """The interfaces of these servers."""
        found = await self._each("plugs_of", "ports", "device_id", server_ids)
        return tuple(
            Plug(
                body["id"],
                body["device_id"],
                body["network_id"],
                body["mac_address"],
                tuple(address["ip_address"] for address in body.get("fixed_ips") or ()),
                tuple(body.get("security_groups") or ()),
                body.get("port_security_enabled"),
            )
            for body in found
        )

    async def public_addresses_of(self, port_ids: Collection[str]) -> Mapping[str, str]:
        """{id of an interface: the floating address that leads to it}."""
        found = await self._each("public_addresses_of", "floatingips", "port_id", port_ids)
        return {body["port_id"]: body["floating_ip_address"] for body in found if body.get("port_id")}

    async def network_names(self, ids: Collection[str]) -> Mapping[str, str]:
        """{id: name} of these networks."""
        found = await self._each("network_names", "networks", "id", ids)
        return {body["id"]: body.get("name") or "" for body in found}

    async def security_group_names(self, ids: Collection[str]) -> Mapping[str, str]:
        """{id: name} of these security groups."""
        found = await self._each("security_group_names", "security-groups", "id", ids)
        return {body["id"]: body["name"] for body in found}

    async def _each(self, verb: str, path: str, field: str, ids: Collection[str]) -> list[Any]:
        """What has one of these ids in a field."""
        found: list[Any] = []
        key = path.replace("-", "_")
        wanted = sorted(set(ids))
        for start in range(0, len(wanted), _ASKED_AT_ONCE):
            some = wanted[start : start + _ASKED_AT_ONCE]
            found += await self._neutron.pages(verb, path, key, {field: some})
        return found
