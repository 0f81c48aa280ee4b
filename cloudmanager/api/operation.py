"""One declaration per operation: its path, role, query, body and answers, checked and documented."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, NamedTuple

from flask import Response, request
from werkzeug.routing import BaseConverter

from cloudmanager.api import auth, policy, unversioned
from cloudmanager.api.body import read_body
from cloudmanager.api.document.operations import error_statuses, responses, words
from cloudmanager.api.fields import MAX_INTEGER
from cloudmanager.api.idempotency import once
from cloudmanager.api.query import NO_QUERY, Query
from cloudmanager.api.request_headers import request_headers, statuses_of_headers
from cloudmanager.api.services import services
from cloudmanager.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flask_smorest import Blueprint
    from marshmallow import Schema

    from cloudmanager.api.policy import Least

View = Callable[..., Response]
Decorator = Callable[[View], View]
SECURITY = "token"


class Door(NamedTuple):
    """How one comes to an operation: by which token, and with which status a wrong value is answered."""

    security: str
    authorize: Callable[[str], None]
    invalid: int


_WRONG_VALUE = 422
STAFF = Door(SECURITY, auth.authorize, _WRONG_VALUE)


class IdConverter(BaseConverter):
    """`<id:node_id>` in a path: a whole number of any length; one that is too long for any id is 404."""

    regex = "[0-9]+"

    def to_python(self, value: str) -> int:
        """The id, or one that no object can have."""
        significant = value.lstrip("0") or "0"
        return int(significant) if len(significant) <= len(str(MAX_INTEGER)) else MAX_INTEGER + 1


def operation(
    blueprint: Blueprint,
    method: str,
    rule: str,
    *,
    role: Least | None,
    summary: str,
    door: Door = STAFF,
    name: str | None = None,
    query: Query = NO_QUERY,
    body: Schema | None = None,
    wrapper: str | None = None,
    plural: str | None = None,
    conditional: bool = False,
    answers: Mapping[int, Any],
    errors: Sequence[int] = (),
) -> Decorator:
    """Serve a function at a path. `role` is the least that may call it by default; None is everyone.

    The function gets the variables of the path, and `query` and `body` when they are declared. `answers` is
    {status: schema or None}; `errors` are statuses besides those that every operation can give. With `plural`
    the body may also be a list under that key. A `conditional` operation heeds `If-Match` or `If-None-Match`.
    """
    keyed = method == "POST" and role is not None  # keys are the caller's

    def decorate(function: View) -> View:
        endpoint = name or function.__name__
        paths = unversioned.names_of(f"{blueprint.url_prefix or ''}{rule}")
        allowing = (
            policy.declare(blueprint.name, endpoint, role, summary=summary, method=method, paths=paths)
            if role
            else None
        )

        @wraps(function)
        def view(**variables: Any) -> Response:
            if allowing is not None:
                door.authorize(allowing)
            _check_ids(variables)
            parsed = query.parse(request.args, services().config.api.max_limit)
            if query is not NO_QUERY:
                variables["query"] = parsed
            if body is not None:
                variables["body"] = read_body(body, wrapper, plural)
            return once(lambda: function(**variables)) if keyed else function(**variables)

        documented = blueprint.doc(**_documentation(function, allowing))(view)
        blueprint.add_url_rule(rule, endpoint, documented, methods=[method])
        return function

    def _documentation(function: View, allowing: str | None) -> dict[str, Any]:
        document: dict[str, Any] = {
            "operationId": name or function.__name__,
            "summary": summary,
            "description": words(name or function.__name__, function, role),
            "parameters": [
                *query.parameters(),
                *request_headers(method, keyed=keyed, conditional=conditional),
            ],
            "security": [{door.security: []}] if role else [],
        }
        if role:
            document |= {"x-role": role.title, "x-policy": allowing}
        if body is not None:
            document["requestBody"] = _request_body(body, wrapper, plural)
        general = error_statuses(has_role=role is not None, has_path="<" in rule, has_body=body is not None)
        general += statuses_of_headers(method, keyed=keyed, conditional=conditional)
        document["responses"] = responses(
            answers, [door.invalid if status == _WRONG_VALUE else status for status in (*general, *errors)]
        )
        return document

    return decorate


def _check_ids(variables: Mapping[str, Any]) -> None:
    for name, value in variables.items():
        if isinstance(value, int) and not 0 < value <= MAX_INTEGER:
            raise NotFound(f"there is no object with this {name}")


def _request_body(body: Schema, wrapper: str | None, plural: str | None) -> dict[str, Any]:
    required = wrapper is not None or any(field.required for field in body.fields.values())
    schema = wrapped(body, wrapper)
    if plural is not None:
        many = {"type": "array", "items": body, "minItems": 1}
        schema = {"anyOf": [schema, wrapped(many, plural)]}
    return {"required": required, "content": {"application/json": {"schema": schema}}}


def wrapped(schema: Any, key: str | None) -> Any:
    """The schema of {key: schema}; without a key, the schema itself."""
    if key is None:
        return schema
    return {"type": "object", "required": [key], "properties": {key: schema}, "additionalProperties": False}


def listed(schema: Any, key: str) -> dict[str, Any]:
    """The schema of {key: [schema]}."""
    return {"type": "object", "required": [key], "properties": {key: {"type": "array", "items": schema}}}
