"""How tenants come in: their token, how often, and what they are told when the cloud refuses."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

from flask import g, request
from flask_smorest import Blueprint

from cloudmanager.api import bearer, policy, rate_limit
from cloudmanager.api.answers import answer, task_location
from cloudmanager.api.document.answers import Answer
from cloudmanager.api.errors import error_answer
from cloudmanager.api.idempotency import keep
from cloudmanager.api.node_power import start_flow
from cloudmanager.api.operation import Decorator, Door, operation
from cloudmanager.api.portal.shapes import StartedShape
from cloudmanager.api.services import services
from cloudmanager.errors import CloudRefused, InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from flask import Response

    from cloudmanager.openstack.tenant_port import TenantCloud, TenantClouds

T = TypeVar("T")

SECURITY = "tenant"
SCHEME = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "An access token of the issuer that [oidc] names, such as a realm of Keycloak.",
}
_TELLING = {400: 400, 403: 403, 404: 404, 409: 409, 413: 403}
"""What a tenant is answered for a status of OpenStack's; for all others 502."""

blueprint = Blueprint(
    "portal",
    __name__,
    url_prefix="/api/cloud/compute",
    description="The Compute portal: instances of tenants. Tokens are those of an OpenID Connect issuer.",
)


def admit(rule: str) -> None:
    """Put the tenant into `g.caller`, or refuse; all tokens of a user for a project count together."""
    tenant = bearer.caller(request)
    rate_limit.count("portal", (tenant.subject, tenant.project_id), what="requests with tokens of this user")
    policy.enforce(rule, g.caller)


_operation = partial(
    operation,
    blueprint,
    role=policy.Tenant(),
    door=Door(SECURITY, admit, HTTPStatus.BAD_REQUEST),
)
ERRORS = (429, 501, 502, 504)


def tenant_operation(method: str, rule: str, *, errors: tuple[int, ...] = (), **options: Any) -> Decorator:
    """An operation of the portal; it asks the cloud, or begins a task that does."""
    return _operation(method, rule, errors=(*ERRORS, *errors), **options)


def ask(question: Callable[[TenantCloud], Coroutine[Any, Any, T]]) -> T:
    """What the caller's project finds out."""
    project_id = g.caller.project_id

    async def asked(clouds: TenantClouds) -> T:
        return await question(clouds.of(project_id))

    return services().tenants.ask(asked)


STARTED = Answer(StartedShape(), "Started; `Location` names the task.", headers=("Location",))


def begin(kind: str, subject: str, params: dict[str, Any], message: str) -> Response:
    """Start a flow in the caller's project; the answer is the documented one, and names the task."""
    params = {"project_id": g.caller.project_id, **params}
    with services().database.transaction() as session:
        task_id = start_flow(session, kind, subject, params)
        said = {"message": message, "task_id": task_id}
        return keep(session, answer(said, 200, {"Location": task_location(task_id)}))


def _invalid(error: InvalidInput) -> Response:
    """The portal's clients know 400 for whatever is wrong with a request."""
    details = {"errors": error.fields} if error.fields else {}
    return error_answer(HTTPStatus.BAD_REQUEST, error.message, **details)


def _refused(error: CloudRefused) -> Response:
    """Tenants are told what OpenStack says to them."""
    return error_answer(_TELLING.get(error.status, HTTPStatus.BAD_GATEWAY), error.message)


blueprint.register_error_handler(InvalidInput, _invalid)
blueprint.register_error_handler(CloudRefused, _refused)
