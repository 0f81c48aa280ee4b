"""The truth of a simulated Keystone: who there is, who holds which role where, which tokens are good.

Behaviours were observed on Keystone 29 (2026.1) with Fernet tokens, bootstrapped as it comes.
"""

from __future__ import annotations

import base64
import uuid
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from cloudmanager.simulators.keystone.people import (
    ApplicationCredential,
    Domain,
    Project,
    Service,
    Token,
    User,
    new_id,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloudmanager.simulators.clock import Clock

TOKEN_SECONDS = 3600.0
EXPIRED_WINDOW = 172_800.0
"""[token] allow_expired_window: seconds for which a service may still use a token that has expired."""

IMPLIED = {"admin": ["manager"], "manager": ["member"], "member": ["reader"]}
ROLES = ("admin", "manager", "member", "reader", "service")


class NotAuthenticated(Exception):
    """The login or the token is not good. Keystone says no more than that."""


class Identity:
    """Everything that Keystone knows. It changes by its methods alone."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.token_seconds = TOKEN_SECONDS
        self.roles = {name: new_id() for name in ROLES}
        self.implied = {name: list(implied) for name, implied in IMPLIED.items()}
        self.domains = {"default": Domain("Default", "default")}
        self.users: dict[str, User] = {}
        self.projects: dict[str, Project] = {}
        self.credentials: dict[str, ApplicationCredential] = {}
        self.services: dict[str, Service] = {}
        self.tokens: dict[str, Token] = {}
        self.domain_configs: dict[str, dict[str, dict[str, Any]]] = {}

    # --- building -------------------------------------------------------------------------------------------

    def add_user(self, name: str, password: str) -> User:
        """Let somebody log in."""
        user = User(name, password)
        self.users[user.id] = user
        return user

    def add_project(self, name: str) -> Project:
        """Make a project without members."""
        project = Project(name)
        self.projects[project.id] = project
        return project

    def grant(self, user: User, project: Project, *roles: str) -> None:
        """Give exactly these roles; none takes all away."""
        project.members[user.id] = list(roles)

    def add_credential(self, name: str, user: User, project: Project, secret: str) -> ApplicationCredential:
        """Let a program act as the user in the project."""
        roles = project.members.get(user.id, [])
        credential = ApplicationCredential(name, secret, user.id, project.id, list(roles))
        self.credentials[credential.id] = credential
        return credential

    def publish(self, name: str, kind: str, url: str) -> None:
        """Put a service into the catalogue, or give it another address."""
        found = self.services.get(kind)
        self.services[kind] = Service(name, kind, url, found.id if found else new_id())

    # --- tokens ---------------------------------------------------------------------------------------------

    def log_in(self, user: User | None, password: str, project: Project | None) -> Token:
        """A token for a user and password; `NotAuthenticated` whatever is wrong."""
        if user is None or user.password != password:
            raise NotAuthenticated
        return self._issue(user.id, project, ["password"])

    def log_in_program(self, credential: ApplicationCredential | None, secret: str) -> Token:
        """A token for an application credential; it brings its project."""
        if credential is None or credential.secret != secret:
            raise NotAuthenticated
        project = self.projects[credential.project_id]
        return self._issue(credential.user_id, project, ["application_credential"], credential.id)

    def exchange(self, token_id: str, project: Project | None) -> Token:
        """A token for a token. It ends when that one ends, and remembers how that one was got."""
        old = self.find(token_id)
        if old is None:
            raise NotAuthenticated
        token = self._issue(old.user_id, project, [*dict.fromkeys(["token", *old.methods])])
        token.expires_at = old.expires_at
        token.audit_ids.append(old.audit_ids[-1])
        return token

    def find(self, token_id: str | None, *, allow_expired: bool = False) -> Token | None:
        """A token that is good now; revoked ones, and those of disabled users and projects, are not."""
        token = self.tokens.get(token_id or "")
        if token is None or not self._is_enabled(token):
            return None
        end = token.expires_at + (EXPIRED_WINDOW if allow_expired else 0.0)
        return token if self.clock.now() < end else None

    def revoke(self, token: Token) -> None:
        """From now on the token is unknown."""
        self.tokens.pop(token.id, None)

    def expire_tokens(self) -> None:
        """Let the time of all tokens be over."""
        for token in self.tokens.values():
            token.expires_at = min(token.expires_at, self.clock.now())

    def roles_of(self, token: Token) -> list[str]:
        """The roles that a token carries, with those that they imply."""
        if token.project_id is None:
            return []
        if token.credential_id is not None:
            return self._expanded(self.credentials[token.credential_id].roles)
        return self._expanded(self.projects[token.project_id].members.get(token.user_id, []))

    def lasting_token(self, user: User, project: Project, seconds: float, known: str = "") -> Token:
        """A token that is good for `seconds` from now: the known one while it is theirs, else a new one."""
        token = self.find(known)
        if token is None or (token.user_id, token.project_id) != (user.id, project.id):
            token = self._issue(user.id, project, ["password"])
        token.expires_at = self.clock.now() + seconds
        return token

    def user_named(self, name: str) -> User:
        """The user of that name in the default domain; `LookupError` if there is none."""
        return next(user for user in self.users.values() if user.name == name)

    def _forget_old_tokens(self) -> None:
        """Nobody can use a token any more when the window for expired ones is over."""
        end = self.clock.now() - EXPIRED_WINDOW
        self.tokens = {key: token for key, token in self.tokens.items() if token.expires_at > end}

    def _issue(
        self, user_id: str, project: Project | None, methods: list[str], credential_id: str | None = None
    ) -> Token:
        now = self.clock.now()
        audit_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        token = Token(
            user_id=user_id,
            project_id=project.id if project else None,
            methods=methods,
            issued_at=now,
            expires_at=now + self.token_seconds,
            audit_ids=[audit_id],
            credential_id=credential_id,
        )
        if not self._is_enabled(token) or (project and not self.roles_of(token)):
            raise NotAuthenticated
        self.tokens[token.id] = token
        return token

    def _is_enabled(self, token: Token) -> bool:
        user = self.users.get(token.user_id)
        project = self.projects.get(token.project_id) if token.project_id else None
        return bool(user and user.enabled and (project.enabled if project else not token.project_id))

    def _expanded(self, roles: Iterable[str]) -> list[str]:
        found: dict[str, None] = {}
        to_do = list(roles)
        while to_do:
            name = to_do.pop()
            if name not in found:
                found[name] = None
                to_do += self.implied.get(name, [])
        return list(found)

    # --- keeping --------------------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Everything that a restart must find again, in values that JSON can hold."""
        self._forget_old_tokens()
        kept = {name: [asdict(row) for row in getattr(self, name).values()] for name in _TABLES}
        return {
            **kept,
            "roles": self.roles,
            "implied": self.implied,
            "token_seconds": self.token_seconds,
            "domain_configs": self.domain_configs,
        }

    @classmethod
    def from_dict(cls, kept: dict[str, Any], clock: Clock) -> Identity:
        """Build what `to_dict` described."""
        identity = cls(clock)
        identity.roles = dict(kept["roles"])
        identity.implied = {name: list(implied) for name, implied in kept["implied"].items()}
        identity.token_seconds = kept["token_seconds"]
        identity.domain_configs = kept.get("domain_configs", {})
        for name, (kind, key) in _TABLES.items():
            setattr(identity, name, {row[key]: kind(**row) for row in kept[name]})
        return identity


_TABLES: dict[str, tuple[Any, str]] = {
    "domains": (Domain, "id"),
    "users": (User, "id"),
    "projects": (Project, "id"),
    "credentials": (ApplicationCredential, "id"),
    "services": (Service, "type"),
    "tokens": (Token, "id"),
}
