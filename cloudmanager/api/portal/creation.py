"""Making an instance: whatever can be known to be wrong is said at once, the rest is done by a flow."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flask import g

from cloudmanager.api.portal.door import STARTED, ask, begin, blueprint, tenant_operation
from cloudmanager.api.portal.quotas import check_room
from cloudmanager.api.portal.shapes import CreateInstance
from cloudmanager.api.services import services
from cloudmanager.errors import InvalidInput, NotFound
from cloudmanager.flows.portal.addresses import public_network

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flask import Response

    from cloudmanager.openstack.tenant_port import TenantCloud
    from cloudmanager.openstack.tenant_records import Network, SecurityGroup, Size

__all__ = ["blueprint"]

_MOST_USER_DATA = 65535
"""Bytes of base64 that Nova takes."""
_LONGEST_SUBJECT = 255


@tenant_operation(
    "POST",
    "/instances/create",
    name="create_portal_instance",
    summary="Make an instance",
    body=CreateInstance(),
    answers={200: STARTED},
    errors=(409,),
)
def create_instance(body: dict[str, Any]) -> Response:
    """Two of one name are not made at the same time. When it fails, what was made for it is removed."""
    _check_alone(body)
    public = services().config.portal.public_network
    params = ask(lambda cloud: _params(cloud, body, public))
    params["user_data"] = services().vault.seal(body["user_data"])
    subject = f"instance:{g.caller.project_id}:{body['name']}"[:_LONGEST_SUBJECT]
    return begin("create-instance", subject, params, "Instance creation started")


def _check_alone(body: Mapping[str, Any]) -> None:
    """Raise `InvalidInput` for what contradicts itself."""
    wrong: dict[str, list[str]] = {}
    if body["enable_ssh"] and not body["key_name"]:
        wrong["key_name"] = ["Needed with enable_ssh."]
    if body["dname"] and not body["is_public"]:
        wrong["dname"] = ["Only a public instance has a domain name."]
    if len(base64.b64encode((body["user_data"] or "").encode())) > _MOST_USER_DATA:
        wrong["user_data"] = [f"Longer than {_MOST_USER_DATA} bytes of base64."]
    _refuse(wrong)


def _refuse(wrong: Mapping[str, Sequence[str]]) -> None:
    if wrong:
        raise InvalidInput(f"the body has wrong values: {', '.join(wrong)}", wrong)


@dataclass
class _Findings:
    """What the cloud says to a wish, and what is wrong with it."""

    wrong: dict[str, list[str]] = field(default_factory=dict)

    def size(self, sizes: Sequence[Size], wanted: str) -> Size | None:
        """The flavor with an id."""
        found = next((size for size in sizes if size.id == wanted), None)
        if found is None:
            self.wrong["flavor"] = [f"There is no flavor {wanted}."]
        return found

    def networks(self, known: Sequence[Network], wanted: str | None) -> list[str]:
        """The id of the wanted network, or of the only one."""
        inner = [one.id for one in known if not one.external]
        if wanted:
            if wanted not in {one.id for one in known}:
                self.wrong["network"] = [f"There is no network {wanted}."]
            return [wanted]
        if len(inner) > 1:
            self.wrong["network"] = [f"The project has {len(inner)} networks: name one."]
        return inner

    def groups(self, known: Sequence[SecurityGroup], wanted: Sequence[Mapping[str, Any]]) -> list[str]:
        """The ids of security groups by name or id; a name that several have is none."""
        found = []
        for value in dict.fromkeys(choice["value"] for choice in wanted):
            named = [one.id for one in known if value == one.id] or [
                one.id for one in known if value == one.name
            ]
            if len(named) == 1:
                found += named
            else:
                what = "Several security groups are" if named else "There is no security group"
                self.wrong.setdefault("securityGroups", []).append(f"{what} {value}.")
        return found


async def _params(cloud: TenantCloud, body: Mapping[str, Any], wanted_public: str) -> dict[str, Any]:
    """What the flow is told; raises `InvalidInput` for what the project lacks, `Forbidden` by quota."""
    sizes, networks, groups = await asyncio.gather(
        cloud.sizes(), cloud.networks(), cloud.security_groups() if body["security_groups"] else _none()
    )
    findings = _Findings()
    size = findings.size(sizes, body["flavor"])
    params = {
        "name": body["name"],
        "image_id": body["image"],
        "image_name": body["image_name"],
        "flavor_id": body["flavor"],
        "security_groups": findings.groups(groups, body["security_groups"]),
        "key_name": body["key_name"],
        "networks": findings.networks(networks, body["network"]),
        "volume": body["volume"],
        "enable_ssh": body["enable_ssh"],
        "public": body["is_public"],
        "dname": body["dname"],
    }
    if body["is_public"] and isinstance(why := public_network(networks, wanted_public), str):
        findings.wrong["is_public"] = [f"{why[0].upper()}{why[1:]}."]
    await _check_image(cloud, body["image"], findings)
    if body["key_name"] and body["key_name"] not in {one.name for one in await cloud.keypairs()}:
        findings.wrong["key_name"] = [f"There is no keypair {body['key_name']}."]
    _refuse(findings.wrong)
    await _check_quotas(cloud, body, size)
    return params


async def _none() -> tuple[()]:
    return ()


async def _check_image(cloud: TenantCloud, image_id: str, findings: _Findings) -> None:
    try:
        image = await cloud.image(image_id)
    except NotFound:
        findings.wrong["image"] = [f"There is no image {image_id}."]
        return
    if image.status != "active":
        findings.wrong["image"] = [f"Image {image_id} is {image.status}, not active."]


async def _check_quotas(cloud: TenantCloud, body: Mapping[str, Any], size: Size | None) -> None:
    """Nova, Cinder and Neutron check them too, but when the caller has gone."""
    if size is not None:
        wanted = {"instances": 1, "cores": size.vcpus, "ram_mb": size.ram_mb}
        check_room(await cloud.compute_allowances(), wanted)
    if body["volume"]:
        check_room(await cloud.storage_allowances(), {"volumes": 1, "gigabytes": body["volume"]["size"]})
    if body["is_public"]:
        check_room(await cloud.network_allowances(), {"floating_ips": 1})
