"""Between the spellings of Keystone and those of OneCloud."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudmanager.openstack.tokens import IssuedToken

_DEPTH = 6
"""So deep are the fields that OneCloud documents; what is deeper is passed on as it is."""

_FRACTION = re.compile(r"\.\d+(?=Z$)")


def for_keystone(auth: Mapping[str, Any]) -> dict[str, Any]:
    """What Keystone takes: `Domain` is `domain`, what was left blank is left out, `context` is OneCloud's."""
    known = {name: value for name, value in auth.items() if name != "context"}
    found: dict[str, Any] = _tidy(known, _DEPTH)
    return {"identity": {}, **found}


def _tidy(value: Any, depth: int) -> Any:
    if not isinstance(value, dict) or not depth:
        return value
    tidy = {"domain" if name == "Domain" else name: _tidy(inner, depth - 1) for name, inner in value.items()}
    return {name: inner for name, inner in tidy.items() if inner not in ("", None, {})}


def for_onecloud(issued: IssuedToken, address: str | None, source: str | None) -> dict[str, Any]:
    """What Keystone says of a token, in OneCloud's fields. What it has no source for is null."""
    said = issued.document
    user, project = said["user"], said.get("project")
    domains = {one["domain"]["id"]: one["domain"]["name"] for one in (user, project) if one}
    return {
        "access_key": None,
        "catalog": [_service(service) for service in said.get("catalog") or ()],
        "context": {"ip": address, "source": source},
        "expires_at": _moment(said["expires_at"]),
        "is_domain": bool(said.get("is_domain")),
        "issued_at": _moment(said["issued_at"]),
        "methods": list(said["methods"]),
        "policies": None,
        "project": _project(project, domains) if project else None,
        "projects": [_project(one, domains) for one in issued.projects],
        "role_assignments": [_assignment(role, said) for role in said.get("roles") or ()],
        "roles": [_named(role) for role in said.get("roles") or ()],
        "user": {
            "Displayname": None,
            "Domain": _named(user["domain"]),
            "Email": None,
            "Id": user["id"],
            "Mobile": None,
            "Name": user["name"],
            "PasswordExpiresAt": _moment(user.get("password_expires_at")),
        },
    }


def _service(service: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": service["id"],
        "name": service.get("name"),
        "type": service["type"],
        "endpoints": [
            {
                "id": endpoint["id"],
                "interface": endpoint["interface"],
                "name": service.get("name"),
                "region": endpoint.get("region"),
                "region_id": endpoint.get("region_id"),
                "url": endpoint["url"],
            }
            for endpoint in service["endpoints"]
        ],
    }


def _project(project: Mapping[str, Any], domains: Mapping[str, str]) -> dict[str, Any]:
    """A project of a token, which names its domain, or of a list, which has the domain's id."""
    domain_id = project["domain"]["id"] if "domain" in project else project["domain_id"]
    return {
        "Domain": {"id": domain_id, "name": domains.get(domain_id)},
        "Id": project["id"],
        "Name": project["name"],
    }


def _assignment(role: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    project, domain = said.get("project"), said.get("domain")
    return {
        "group": None,
        "policies": None,
        "role": {"domain": None, **_named(role)},
        "scope": {
            "domain": _named(domain) if domain else None,
            "project": _member(project) if project else None,
        },
        "user": _member(said["user"]),
    }


def _member(thing: Mapping[str, Any]) -> dict[str, Any]:
    return {"domain": _named(thing["domain"]), **_named(thing)}


def _named(thing: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": thing["id"], "name": thing["name"]}


def _moment(text: str | None) -> str | None:
    """A time of Keystone without its fraction of a second."""
    return _FRACTION.sub("", text) if text else None
