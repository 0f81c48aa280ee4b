"""How Keystone shows what it keeps, as observed on Keystone 29."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cloudmanager.simulators.keystone.identity import Identity
    from cloudmanager.simulators.keystone.people import Domain, Project, Service, Token, User

REGION = "RegionOne"
INTERFACES = ("public", "internal", "admin")


def version(base: str) -> dict[str, Any]:
    """The only version that there is."""
    media_type = {"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}
    return {
        "id": "v3.14",
        "status": "stable",
        "updated": "2020-04-07T00:00:00Z",
        "links": [{"rel": "self", "href": f"{base}/v3/"}],
        "media-types": [media_type],
    }


def token(identity: Identity, shown: Token, *, with_catalog: bool) -> dict[str, Any]:
    """A token; one without a project has neither roles nor catalogue."""
    user = identity.users[shown.user_id]
    document: dict[str, Any] = {
        "methods": shown.methods,
        "user": {**_named(identity, user), "password_expires_at": None},
        "audit_ids": shown.audit_ids,
        "expires_at": moment(shown.expires_at),
        "issued_at": moment(shown.issued_at),
    }
    if shown.project_id is not None:
        document |= {
            "project": _named(identity, identity.projects[shown.project_id]),
            "is_domain": False,
            "roles": [{"id": identity.roles[name], "name": name} for name in identity.roles_of(shown)],
        }
        if with_catalog:
            document["catalog"] = catalog(identity)
    if shown.credential_id is not None:
        credential = identity.credentials[shown.credential_id]
        document["application_credential"] = {
            "id": credential.id,
            "name": credential.name,
            "restricted": True,
        }
    return {"token": document}


def catalog(identity: Identity) -> list[dict[str, Any]]:
    """Every service with an endpoint for each interface."""
    return [
        {
            "id": service.id,
            "type": service.type,
            "name": service.name,
            "endpoints": [_endpoint(service, interface) for interface in INTERFACES],
        }
        for service in identity.services.values()
    ]


def user(shown: User) -> dict[str, Any]:
    """A user, without the password."""
    return {
        "id": shown.id,
        "name": shown.name,
        "domain_id": shown.domain_id,
        "enabled": shown.enabled,
        "password_expires_at": None,
        "options": {},
    }


def project(shown: Project) -> dict[str, Any]:
    """A project."""
    return {
        "id": shown.id,
        "name": shown.name,
        "domain_id": shown.domain_id,
        "description": "",
        "enabled": shown.enabled,
        "parent_id": shown.domain_id,
        "is_domain": False,
        "tags": [],
        "options": {},
    }


def domain(shown: Domain) -> dict[str, Any]:
    """A domain."""
    return {
        "id": shown.id,
        "name": shown.name,
        "description": "",
        "enabled": True,
        "tags": [],
        "options": {},
    }


def role(name: str, key: str) -> dict[str, Any]:
    """A role."""
    return {"id": key, "name": name, "domain_id": None, "description": None, "options": {}}


def moment(seconds: float) -> str:
    """Keystone's form of a time: whole seconds, written with microseconds."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%S.000000Z")


def _named(identity: Identity, shown: User | Project) -> dict[str, Any]:
    domain_name = identity.domains[shown.domain_id].name
    return {"id": shown.id, "name": shown.name, "domain": {"id": shown.domain_id, "name": domain_name}}


def _endpoint(service: Service, interface: str) -> dict[str, Any]:
    return {
        "id": f"{service.id[:-1]}{INTERFACES.index(interface)}",
        "interface": interface,
        "region_id": REGION,
        "region": REGION,
        "url": service.url,
    }
