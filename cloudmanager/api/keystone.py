"""`[auth] strategy = keystone`: OpenStack's tokens, checked by the middleware of all its services.

The middleware is asked by the operation that wants to know the caller, instead of standing in front of the
whole application: then a request id is on its log lines, its time is in the metrics, its refusals have our
form, and what needs no token never waits for Keystone.
"""

from __future__ import annotations

import re
from importlib.util import find_spec
from time import monotonic
from typing import TYPE_CHECKING, Any

import structlog
from flask import request
from keystoneauth1 import exceptions as problems
from keystoneauth1 import loading
from keystonemiddleware import auth_token
from oslo_config import cfg

from cloudmanager.api.caller import Caller
from cloudmanager.api.memory import Memory
from cloudmanager.config import keystone_authtoken
from cloudmanager.errors import Misconfigured, Unauthenticated, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloudmanager.config import Config

log = structlog.get_logger(__name__)

SERVICE_HEADER = "X-Service-Token"
RETRY_AFTER = 5
"""Seconds for which Keystone is left alone after it did not answer; tokens that are remembered count on."""

_AWAY = "Keystone cannot check tokens now: try again later"
_MEMORY = "cloudmanager.tokens"
_TOKEN = re.compile(r"[!-~]+")
_NEEDED = {
    "password": ("auth_url", "username", "password"),
    "v3applicationcredential": (
        "auth_url",
        "application_credential_id",
        "application_credential_secret",
    ),
}


class KeystoneStrategy:
    """Asks the middleware about each token; it remembers what Keystone said."""

    def __init__(self, config: Config) -> None:
        options = config.keystone_authtoken
        for name in _NEEDED[options.auth_type]:
            if not options[name]:
                raise Misconfigured(f"[keystone_authtoken] {name} is missing: [auth] strategy is keystone")
        if options.memcached_servers and find_spec("memcache") is None:
            raise Misconfigured("[keystone_authtoken] memcached_servers: pip install cloudmanager[memcached]")
        self.challenge = f'Keystone uri="{options.www_authenticate_uri or options.auth_url}"'
        self._memory: Memory[bytes] = Memory()
        self._ask = _Middleware(_admit, {"oslo_config_config": _for_middleware(config)})

    def identify(self, token: str) -> Caller:
        """Whom the token belongs to; raises `Unauthenticated`, or `Unavailable` when Keystone is away."""
        for sent in (token, request.headers.get(SERVICE_HEADER, token)):
            if not _TOKEN.fullmatch(sent.strip()):
                raise Unauthenticated("this is no token of Keystone's")
        environ = {**request.environ, "HTTP_X_AUTH_TOKEN": token, _MEMORY: self._memory}
        self._ask(environ, _ignore)
        if environ.get("HTTP_X_SERVICE_IDENTITY_STATUS", "Confirmed") != "Confirmed":
            raise Unauthenticated(f"Keystone does not know {SERVICE_HEADER}, or it is not that of a service")
        if environ["HTTP_X_IDENTITY_STATUS"] != "Confirmed":
            raise Unauthenticated("Keystone does not know the token, or it has expired: get another one")
        return _caller(environ["keystone.token_auth"])


class _Middleware(auth_token.AuthProtocol):  # type: ignore[misc]
    """The middleware; it tells a bad token from a Keystone that is away, and then asks less often."""

    _away_until = 0.0

    def fetch_token(self, token: str, **options: Any) -> Any:
        if monotonic() < self._away_until and not self._token_cache.get(token):
            raise Unavailable(_AWAY, RETRY_AFTER)
        try:
            return super().fetch_token(token, **options)
        except auth_token.InvalidToken as error:
            if isinstance(error.__context__, problems.NotFound):
                raise
            cause = error.__context__ or error
        except Exception as error:  # noqa: BLE001 - whatever it was, nobody has vouched for the token
            cause = error
        if isinstance(cause, problems.ConnectionError | problems.DiscoveryFailure):
            self._away_until = monotonic() + RETRY_AFTER
        log.error("Keystone does not check tokens", error=f"{type(cause).__name__}: {cause}")
        raise Unavailable(_AWAY, RETRY_AFTER)


def _for_middleware(config: Config) -> cfg.ConfigOpts:
    """What the middleware is to know, as an object of its own: its options stay out of ours."""
    ours = config.keystone_authtoken
    private = cfg.ConfigOpts()
    private([], project="cloudmanager", default_config_files=[])
    plugin = loading.get_auth_plugin_conf_options(loading.get_plugin_loader(ours.auth_type))
    for group, options in [*auth_token.list_opts(), (keystone_authtoken.GROUP, plugin)]:
        private.register_opts(options, group=group)
    values = {
        **{name: ours[name] for name in (option.dest for option in keystone_authtoken.OPTIONS)},
        "www_authenticate_uri": ours.www_authenticate_uri or ours.auth_url,
        "delay_auth_decision": True,  # our refusals have our form
        "include_service_catalog": bool(ours.service_type),  # wanted for access rules alone
        "cache": None if ours.memcached_servers else _MEMORY,
    }
    for name, value in values.items():
        if name in private[keystone_authtoken.GROUP]:
            private.set_override(name, value, group=keystone_authtoken.GROUP)
    return private


def _caller(token_auth: Any) -> Caller:
    user, service = token_auth.user, token_auth.service
    return Caller(
        name=user.username,
        roles=tuple(user.role_names),
        user_id=user.user_id,
        project_id=user.project_id,
        project_name=user.project_name,
        service=service.username if service else None,
    )


def _admit(_environ: Any, start_response: Any) -> Iterable[bytes]:
    """What the middleware stands in front of: it has written into the environment what it found."""
    start_response("204 No Content", [])
    return ()


def _ignore(_status: str, _headers: Any, _error: Any = None) -> None:
    """What the middleware answers is of no interest."""
