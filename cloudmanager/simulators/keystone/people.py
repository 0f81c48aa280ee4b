"""What Keystone keeps: domains, users, projects, application credentials, services, tokens."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field


def new_id() -> str:
    """An id in Keystone's form."""
    return uuid.uuid4().hex


@dataclass(slots=True)
class Domain:
    """A realm of names."""

    name: str
    id: str = field(default_factory=new_id)


@dataclass(slots=True)
class User:
    """Somebody who can log in."""

    name: str
    password: str = field(repr=False)
    domain_id: str = "default"
    enabled: bool = True
    id: str = field(default_factory=new_id)


@dataclass(slots=True)
class Project:
    """What roles are held in; `members` is {user: roles that were given, without the implied ones}."""

    name: str
    domain_id: str = "default"
    enabled: bool = True
    members: dict[str, list[str]] = field(default_factory=dict)
    id: str = field(default_factory=new_id)


@dataclass(slots=True)
class ApplicationCredential:
    """A secret with which a program acts as a user in one project."""

    name: str
    secret: str = field(repr=False)
    user_id: str = ""
    project_id: str = ""
    roles: list[str] = field(default_factory=list)
    id: str = field(default_factory=new_id)


@dataclass(slots=True)
class Service:
    """An entry of the catalogue, with one address for all interfaces."""

    name: str
    type: str
    url: str
    id: str = field(default_factory=new_id)


@dataclass(slots=True)
class Token:
    """Proof of a login. Without a project it has no roles."""

    user_id: str
    project_id: str | None
    methods: list[str]
    issued_at: float
    expires_at: float
    audit_ids: list[str]
    credential_id: str | None = None
    id: str = field(default_factory=lambda: f"gAAAAA{uuid.uuid4().hex}{uuid.uuid4().hex}", repr=False)
