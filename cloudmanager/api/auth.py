"""Who calls, and whether they may: a strategy answers the first, the policy the second."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, cast

import structlog
from flask import current_app, g, request

from cloudmanager.api import policy
from cloudmanager.api.services import services
from cloudmanager.api.token_strategy import TokenStrategy
from cloudmanager.errors import Unauthenticated

if TYPE_CHECKING:
    from flask import Flask

    from cloudmanager.api.caller import Caller
    from cloudmanager.config import Config

HEADER = "X-Auth-Token"
_KEY = "cloudmanager.auth"


class Strategy(Protocol):
    """Finds out whom a token belongs to. `challenge` tells how to get one, for `WWW-Authenticate`."""

    challenge: str

    def identify(self, token: str) -> Caller:
        """The caller; raises `Unauthenticated`, or `Unavailable` when nobody can tell now."""


def register(app: Flask) -> None:
    """Give the application its strategy."""
    with app.app_context():
        app.extensions[_KEY] = make_strategy(services().config)


def make_strategy(config: Config) -> Strategy:
    """What `[auth] strategy` names; raises `Misconfigured`."""
    if config.auth.strategy == "keystone":
        from cloudmanager.api.keystone import KeystoneStrategy  # noqa: PLC0415 - slow, and not for everybody

        return KeystoneStrategy(config)
    return TokenStrategy()


def authorize(rule: str) -> None:
    """Put the caller into `g.caller`, or refuse; `rule` is the one of the policy that must allow it."""
    token = request.headers.get(HEADER)
    if not token:
        raise Unauthenticated(f"send a token in the header {HEADER}")
    g.caller = caller = _strategy().identify(token)
    structlog.contextvars.bind_contextvars(user=caller.name)
    policy.enforce(rule, caller)


def challenge() -> str:
    """What a refused caller is told in `WWW-Authenticate`; tenants' tokens have one of their own."""
    return g.get("challenge") or _strategy().challenge


def _strategy() -> Strategy:
    return cast("Strategy", current_app.extensions[_KEY])
