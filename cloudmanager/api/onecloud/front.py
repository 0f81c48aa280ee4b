"""What all operations of OneCloud share: their blueprint, who calls, and whose errors are answered."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from flask import g
from flask_smorest import Blueprint

from cloudmanager.api import policy, rate_limit
from cloudmanager.api.caller import client_address
from cloudmanager.api.onecloud.prefix import OURS
from cloudmanager.api.services import services
from cloudmanager.errors import (
    CloudManagerError,
    CloudNotConfigured,
    CloudRefused,
    Conflict,
    Forbidden,
    Malformed,
    Unauthenticated,
)
from cloudmanager.tokens import Role

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping

    from flask import Response

blueprint = Blueprint("onecloud", __name__, url_prefix=OURS, description="Servers and tokens for OneCloud")

REQUEST_ID = "X-Request-Id"
SEE_ALL = policy.declare(
    "onecloud",
    "see_all_projects",
    Role.ADMIN,
    summary="See servers of all projects, and their hosts",
    method="GET",
    paths=[f"{OURS}/servers"],
)
_KINDS: Mapping[int, type[CloudManagerError]] = {
    400: Malformed,
    401: Unauthenticated,
    403: Forbidden,
    409: Conflict,
}
"""What is wrong with a request that OpenStack answered so: it is the caller's, not ours."""


def _name_request(response: Response) -> Response:
    response.headers[REQUEST_ID] = g.request_id
    return response


blueprint.after_request(_name_request)


def admit() -> None:
    """Count the request of the caller, or of an address that has no caller yet.

    Raises `CloudNotConfigured` where callers are not Keystone's, for then nobody has a project, and
    `TooManyRequests`.
    """
    config = services().config
    if config.auth.strategy != "keystone":
        raise CloudNotConfigured("OneCloud is for users of Keystone: set [auth] strategy = keystone")
    who: Hashable = client_address(config.api.trusted_proxies)
    if "caller" in g:
        who = (g.caller.identity, g.caller.project_id)
    rate_limit.count("onecloud", who)


def sees_all() -> bool:
    """Whether the caller sees servers of all projects, and their hosts."""
    return policy.allows(SEE_ALL, g.caller)


def own_project() -> str:
    """The project that the caller's token is for."""
    project_id: str | None = g.caller.project_id
    if project_id is None:
        raise Forbidden("the token is for no project: get one with a scope")
    return project_id


@contextmanager
def as_the_caller() -> Iterator[None]:
    """Here OpenStack is asked for the caller, and its refusals are told in its words."""
    try:
        yield
    except CloudRefused as refused:
        kind = _KINDS.get(refused.status)
        if kind is None:
            raise
        raise kind(refused.message) from None
