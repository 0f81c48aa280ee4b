"""Whose a token is: the user, and the project of Keystone that a claim leads to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cloudmanager.errors import Forbidden

if TYPE_CHECKING:
    from collections.abc import Mapping

_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")
"""Ids of Keystone's projects: 32 hexadecimal digits, or what an operator chose."""


@dataclass(frozen=True)
class Tenant:
    """Who calls in which project. `subject` is the issuer's id of the user, `name` is for people."""

    subject: str
    name: str
    project_id: str
    roles: tuple[str, ...] = ()


def tenant_of(claims: Mapping[str, Any], options: Any) -> Tenant:
    """Whom verified claims belong to, as [oidc] of a configuration says; `Forbidden` without a project."""
    subject: str = claims["sub"]
    name = claims.get("preferred_username")
    return Tenant(
        subject=subject,
        name=name if isinstance(name, str) and name else subject,
        project_id=_project(_texts(claims, options.project_claim), options),
        roles=tuple(_texts(claims, options.roles_claim)),
    )


def _project(values: list[str], options: Any) -> str:
    """The only project that the values lead to: which of several is meant cannot be guessed."""
    claim: str = options.project_claim
    table: Mapping[str, str] = options.projects
    found = sorted({table[value] for value in values if value in table} if table else set(values))
    if not found:
        raise Forbidden(f"the token is good, but its claim {claim} leads to no project: ask your operator")
    if len(found) > 1:
        raise Forbidden(f"the token is good, but its claim {claim} leads to several projects, not to one")
    if not _ID.fullmatch(found[0]):
        raise Forbidden(f"the token is good, but its claim {claim} is no id of a project")
    return found[0]


def _texts(claims: Mapping[str, Any], path: str) -> list[str]:
    """What a claim holds, as a list of texts. A name with dots in it comes before claims within claims."""
    value: Any = claims
    for name in [path] if path in claims else path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    listed = value if isinstance(value, list) else [value]
    return [each for each in listed if isinstance(each, str) and each]
