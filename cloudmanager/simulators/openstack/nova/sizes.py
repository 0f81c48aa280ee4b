"""Calls about what servers are made of and with: flavors, key pairs, server groups."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from cloudmanager.simulators.http import Answer
from cloudmanager.simulators.openstack.compute.rows import Flavor, Keypair, ServerGroup
from cloudmanager.simulators.openstack.nova.paging import page
from cloudmanager.simulators.openstack.nova.server_shapes import links
from cloudmanager.simulators.openstack.nova.versions import has
from cloudmanager.simulators.openstack.problems import Conflict, Invalid, NotThere
from cloudmanager.simulators.openstack.rest import moment

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudmanager.simulators.openstack.compute import Compute
    from cloudmanager.simulators.openstack.rest import Call

POLICIES = ("affinity", "anti-affinity", "soft-affinity", "soft-anti-affinity")


class Sizes:
    """Answers for flavors and the like."""

    def __init__(self, compute: Compute) -> None:
        self._compute = compute
        self._tables = compute.tables

    def routes(self) -> dict[str, Callable[[Call], Answer]]:
        """Its calls."""
        return {
            "GET flavors": self._flavors,
            "GET flavors/detail": self._flavors,
            "POST flavors": self._create_flavor,
            "GET flavors/*": self._flavor,
            "DELETE flavors/*": self._delete_flavor,
            "GET flavors/*/os-extra_specs": self._specs,
            "POST flavors/*/os-extra_specs": self._add_specs,
            "GET os-keypairs": self._keypairs,
            "POST os-keypairs": self._create_keypair,
            "GET os-keypairs/*": self._keypair,
            "DELETE os-keypairs/*": self._delete_keypair,
            "GET os-server-groups": self._groups,
            "POST os-server-groups": self._create_group,
            "GET os-server-groups/*": self._group,
            "DELETE os-server-groups/*": self._delete_group,
            "GET extensions": lambda _call: Answer(200, {"extensions": []}),
        }

    # --- flavors --------------------------------------------------------------------------------------------

    def _flavors(self, call: Call) -> Answer:
        detail = call.request.path.rstrip("/").endswith("/detail")
        rows = [row for row in self._tables.flavors.values() if row.is_public or call.caller.is_admin]
        shown, following = page(call, rows, lambda row: row.id)
        show = _flavor if detail else _flavor_brief
        more = {"flavors_links": [{"rel": "next", "href": following}]} if following else {}
        return Answer(200, {"flavors": [show(call, row) for row in shown], **more})

    def _flavor(self, call: Call) -> Answer:
        return Answer(200, {"flavor": _flavor(call, self._tables.flavor(call.name))})

    def _create_flavor(self, call: Call) -> Answer:
        call.caller.must_have("admin", "os_compute_api:os-flavor-manage:create")
        wanted = call.wanted("flavor")
        try:
            flavor = Flavor(
                name=str(wanted["name"]),
                vcpus=int(wanted["vcpus"]),
                ram=int(wanted["ram"]),
                disk=int(wanted["disk"]),
                ephemeral=int(wanted.get("OS-FLV-EXT-DATA:ephemeral") or 0),
                swap=int(wanted.get("swap") or 0),
                is_public=bool(wanted.get("os-flavor-access:is_public", True)),
                description=wanted.get("description"),
            )
        except (KeyError, ValueError, TypeError) as problem:
            raise Invalid(
                f"Invalid input for field/attribute flavor. {problem} is a required property"
            ) from None
        if wanted.get("id") not in (None, "auto"):
            flavor.id = str(wanted["id"])
        for row in self._tables.flavors.values():
            if flavor.name == row.name:
                raise Conflict(f"Flavor with name {flavor.name} already exists.")
        if flavor.id in self._tables.flavors:
            raise Conflict(f"Flavor with ID {flavor.id} already exists.")
        self._tables.flavors[flavor.id] = flavor
        return Answer(200, {"flavor": _flavor(call, flavor)})

    def _delete_flavor(self, call: Call) -> Answer:
        call.caller.must_have("admin", "os_compute_api:os-flavor-manage:delete")
        del self._tables.flavors[self._tables.flavor(call.name).id]
        return Answer(202)

    def _specs(self, call: Call) -> Answer:
        return Answer(200, {"extra_specs": self._tables.flavor(call.name).extra_specs})

    def _add_specs(self, call: Call) -> Answer:
        call.caller.must_have("admin", "os_compute_api:os-flavor-extra-specs:create")
        flavor = self._tables.flavor(call.name)
        flavor.extra_specs |= {str(key): str(value) for key, value in call.wanted("extra_specs").items()}
        return Answer(200, {"extra_specs": flavor.extra_specs})

    # --- key pairs ------------------------------------------------------------------------------------------

    def _keypairs(self, call: Call) -> Answer:
        shown, following = page(call, self._mine(call), lambda row: row.name)
        more = {"keypairs_links": [{"rel": "next", "href": following}]} if following else {}
        return Answer(200, {"keypairs": [{"keypair": _keypair(call, row)} for row in shown], **more})

    def _mine(self, call: Call) -> list[Keypair]:
        user = call.query.get("user_id", call.caller.user_id) if call.caller.is_admin else call.caller.user_id
        return [row for row in self._tables.keypairs if row.user_id == user]

    def _create_keypair(self, call: Call) -> Answer:
        wanted = call.wanted("keypair")
        name = str(wanted.get("name", ""))
        if not name:
            raise Invalid("Invalid input for field/attribute keypair. 'name' is a required property")
        if any(row.name == name for row in self._mine(call)):
            raise Conflict(f"Key pair '{name}' already exists.")
        self._compute.quotas.check_keypairs(call.caller.project_id, call.caller.user_id)
        public, private = wanted.get("public_key"), None
        if public is None:
            public, private = _new_key()
        row = Keypair(
            name=name,
            user_id=call.caller.user_id,
            public_key=public,
            fingerprint=_fingerprint(public),
            number=self._tables.next_number("keypair"),
            created_at=self._compute.clock.now(),
        )
        self._tables.keypairs.append(row)
        shown = {**_keypair(call, row), "user_id": row.user_id}
        if private is not None:
            shown["private_key"] = private
        return Answer(201 if has(call, 2) else 200, {"keypair": shown})

    def _keypair(self, call: Call) -> Answer:
        row = self._find_keypair(call)
        more = {
            "id": row.number,
            "user_id": row.user_id,
            "created_at": moment(row.created_at),
            "updated_at": None,
            "deleted": False,
            "deleted_at": None,
        }
        return Answer(200, {"keypair": {**_keypair(call, row), **more}})

    def _delete_keypair(self, call: Call) -> Answer:
        self._tables.keypairs.remove(self._find_keypair(call))
        return Answer(204 if has(call, 2) else 202)

    def _find_keypair(self, call: Call) -> Keypair:
        for row in self._mine(call):
            if row.name == call.name:
                return row
        raise NotThere(f"Keypair {call.name} not found for user {call.caller.user_id}")

    # --- server groups --------------------------------------------------------------------------------------

    def _groups(self, call: Call) -> Answer:
        everywhere = "all_projects" in call.query and call.caller.is_admin
        rows = [
            row
            for row in self._tables.groups.values()
            if everywhere or row.project_id == call.caller.project_id
        ]
        return Answer(200, {"server_groups": [_group(call, row) for row in rows]})

    def _create_group(self, call: Call) -> Answer:
        call.caller.must_have("member", "os_compute_api:os-server-groups:create")
        wanted = call.wanted("server_group")
        policy = wanted.get("policy") if has(call, 64) else (wanted.get("policies") or [None])[0]
        if policy not in POLICIES:
            raise Invalid(
                f"Invalid input for field/attribute policy. Value: {policy}. '{policy}' is not one of them"
            )
        group = self._compute.add_group(
            str(wanted.get("name")),
            policy,
            call.caller.project_id,
            call.caller.user_id,
            rules={str(key): int(value) for key, value in (wanted.get("rules") or {}).items()},
        )
        return Answer(200, {"server_group": _group(call, group)})

    def _group(self, call: Call) -> Answer:
        return Answer(200, {"server_group": _group(call, self._find_group(call))})

    def _delete_group(self, call: Call) -> Answer:
        del self._tables.groups[self._find_group(call).id]
        return Answer(204)

    def _find_group(self, call: Call) -> ServerGroup:
        group = self._tables.group(call.name)
        if not call.caller.sees(group.project_id):
            raise NotThere(f"Instance group {group.id} could not be found.")
        return group


def _flavor_brief(call: Call, row: Flavor) -> dict[str, Any]:
    shown: dict[str, Any] = {"id": row.id, "name": row.name, "links": links(call, "flavors", row.id)}
    return {**shown, "description": row.description} if has(call, 55) else shown


def _flavor(call: Call, row: Flavor) -> dict[str, Any]:
    shown: dict[str, Any] = {
        **_flavor_brief(call, row),
        "ram": row.ram,
        "disk": row.disk,
        "vcpus": row.vcpus,
        "swap": row.swap or (0 if has(call, 75) else ""),
        "OS-FLV-EXT-DATA:ephemeral": row.ephemeral,
        "OS-FLV-DISABLED:disabled": False,
        "os-flavor-access:is_public": row.is_public,
        "rxtx_factor": 1.0,
    }
    return {**shown, "extra_specs": row.extra_specs} if has(call, 61) else shown


def _keypair(call: Call, row: Keypair) -> dict[str, Any]:
    shown = {"name": row.name, "public_key": row.public_key, "fingerprint": row.fingerprint}
    return {**shown, "type": row.type} if has(call, 2) else shown


def _group(call: Call, row: ServerGroup) -> dict[str, Any]:
    shown: dict[str, Any] = {"id": row.id, "name": row.name, "members": row.members}
    if has(call, 13):
        shown |= {"project_id": row.project_id, "user_id": row.user_id}
    if has(call, 64):
        return {**shown, "policy": row.policy, "rules": row.rules}
    return {**shown, "policies": [row.policy], "metadata": {}}


def _new_key() -> tuple[str, str]:
    """A fresh key pair in the forms of OpenSSH."""
    key = ed25519.Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return f"{public.decode()} Generated-by-Nova", private.decode()


def _fingerprint(public: str) -> str:
    """MD5 of the key, in pairs of digits (RFC 4716)."""
    try:
        raw = base64.b64decode(public.split()[1])
    except (IndexError, binascii.Error):
        raise Invalid("Keypair data is invalid: failed to generate fingerprint") from None
    digest = hashlib.md5(raw, usedforsecurity=False).hexdigest()
    return ":".join(digest[place : place + 2] for place in range(0, len(digest), 2))
