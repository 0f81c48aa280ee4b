"""Domains of Keystone, and the options that they have of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.openstack.calls import segment
from cloudmanager.openstack.part import Part
from cloudmanager.openstack.records import Domain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudmanager.openstack.records import Accepted


class Domains(Part):
    """What Keystone says and is told."""

    async def domain(self, domain_id: str) -> Domain:
        """One domain."""
        found = (await self._keystone.get("domain", f"domains/{segment(domain_id)}")).part("domain")
        return Domain(found["id"], found["name"])

    async def configure_domain(self, domain_id: str, options: Mapping[str, Mapping[str, str]]) -> Accepted:
        """Replace the options that a domain has of its own by {group: {option: value}}."""
        path = f"domains/{segment(domain_id)}/config"
        body = {"config": {group: dict(values) for group, values in options.items()}}
        return (await self._keystone.call("configure_domain", "PUT", path, body=body, repeat=True)).accepted
