"""Tenants' tokens, from an OpenID Connect issuer such as Keycloak: `Authorization: Bearer …` (RFC 6750)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

import structlog
from flask import current_app, g

from cloudmanager.api.caller import Caller
from cloudmanager.api.services import services
from cloudmanager.errors import CloudNotConfigured, Misconfigured, Unauthenticated
from cloudmanager.oidc import IssuerKeys, Tenant, Verifier, tenant_of

if TYPE_CHECKING:
    from flask import Flask, Request

    from cloudmanager.config import Config

PortalUser = Tenant
"""Who calls: `subject`, `name`, `project_id`, `roles`."""

_KEY = "cloudmanager.bearer"
_CHALLENGE = 'Bearer realm="cloudmanager"'
_UNSAYABLE = re.compile(r"[^ !#-\[\]-~]")  # in error_description (RFC 6750 §3)


def register(app: Flask) -> None:
    """Give the application what knows tenants' tokens, if there is an issuer."""
    with app.app_context():
        app.extensions[_KEY] = make_verifier(services().config)


def make_verifier(config: Config) -> Verifier | None:
    """What [oidc] describes, None without an issuer; raises `Misconfigured`. Nothing is fetched yet."""
    options = config.oidc
    if not options.issuer:
        return None
    if not (options.audiences or options.authorized_parties):
        raise Misconfigured("[oidc] audiences: set it, or authorized_parties, to tell tokens that are for us")
    if not options.algorithms:
        raise Misconfigured("[oidc] algorithms: name at least one")
    return Verifier(options, IssuerKeys(options))


def caller(request: Request) -> PortalUser:
    """The tenant whose token the request has; also `g.caller`, for the audit log and for tasks.

    Raises `Unauthenticated` with the challenge of RFC 6750, `Forbidden` when the token leads to no project,
    `Unavailable` when the issuer cannot be asked, `CloudNotConfigured` when there is none.
    """
    g.challenge = _CHALLENGE
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthenticated("send a token in the header Authorization: Bearer")
    verifier = cast("Verifier | None", current_app.extensions[_KEY])
    if verifier is None:
        raise CloudNotConfigured("tokens of tenants cannot be checked: set [oidc] issuer")
    try:
        claims = verifier.verify(token.strip())
    except Unauthenticated as error:
        said = _UNSAYABLE.sub("'", error.message)
        g.challenge = f'{_CHALLENGE}, error="invalid_token", error_description="{said}"'
        raise
    tenant = tenant_of(claims, services().config.oidc)
    g.caller = Caller(tenant.name, tenant.roles, user_id=tenant.subject, project_id=tenant.project_id)
    structlog.contextvars.bind_contextvars(user=tenant.name)
    return tenant
