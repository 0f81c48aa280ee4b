"""Reading request bodies strictly: what cannot be understood wholly is refused, never guessed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import orjson
from flask import abort, request
from marshmallow import RAISE, Schema, ValidationError

from cloudmanager.api.services import services
from cloudmanager.errors import InvalidInput, Malformed

if TYPE_CHECKING:
    from collections.abc import Iterator

JSON = "application/json"
_CHARSETS = {"utf-8", "utf8", "us-ascii", "ascii"}
_NAMED = 20  # fields that the message of an error names; all of them are in `errors`
REQUIRED = "Missing data for required field."


class Body(Schema):
    """Base of all bodies: an unknown field is an error."""

    class Meta:
        """Options of marshmallow."""

        unknown = RAISE


def read_body(schema: Schema, wrapper: str | None, plural: str | None = None) -> Any:
    """The checked body. With a wrapper it is {wrapper: {...}}; without one it may be absent or empty.

    With a plural it may also be {plural: [{...}, ...]}, which gives a list.
    """
    document = _read_document()
    if plural is not None and plural in document:
        return _load_many(schema, _unwrap(document, plural, list), plural)
    if wrapper is not None:
        document = _unwrap(document, wrapper, dict)
    return _load(schema, document)


def _load(schema: Schema, content: Any, prefix: str = "") -> Any:
    try:
        return schema.load(content, many=isinstance(content, list))
    except ValidationError as error:
        fields = dict(flatten(error.messages_dict, prefix))
        shown = ", ".join(list(fields)[:_NAMED]) or "the body"
        raise InvalidInput(f"the body has wrong values: {shown}", fields) from None


def _load_many(schema: Schema, items: list[Any], plural: str) -> Any:
    most = services().config.api.max_bulk_nodes
    if not 0 < len(items) <= most:
        message = f"{plural}: 1 to {most} of them, as [api] max_bulk_nodes says"
        raise InvalidInput(message, {plural: [f"Not 1..{most} of them."]})
    return _load(schema, items, f"{plural}.")


def _unwrap(document: dict[str, Any], wrapper: str, kind: type) -> Any:
    inner = document.get(wrapper)
    wrong = {key: ["Unknown field."] for key in document if key != wrapper}
    if wrapper not in document:
        wrong[wrapper] = [REQUIRED]
    elif not isinstance(inner, kind):
        wrong[wrapper] = ["Not an object." if kind is dict else "Not a list."]
    if wrong:
        raise InvalidInput(f'the body is {{"{wrapper}": …}} and nothing else', wrong)
    return inner


def _read_document() -> dict[str, Any]:
    raw = request.get_data()
    if len(raw) > services().config.api.max_body_bytes:
        abort(413)  # werkzeug cuts a body without Content-Length instead of refusing it
    if not raw:
        return {}
    _check_type()
    try:
        orjson.loads(raw)  # refuses broken UTF-8, lone surrogates, NaN and deep nesting
        document = json.loads(raw, object_pairs_hook=_unique)  # keeps huge integers as they are
    except (ValueError, RecursionError) as error:
        raise Malformed(f"the body is not JSON that can be read: {_reason(error)}") from None
    if not isinstance(document, dict):
        raise InvalidInput("the body is not a JSON object")
    return document


def _check_type() -> None:
    if request.mimetype not in ("", JSON):
        abort(415, f"send the body as {JSON}, not as {request.mimetype}")
    if request.mimetype_params.get("charset", "utf-8").lower() not in _CHARSETS:
        abort(415, "send the body in UTF-8")
    if request.headers.get("Content-Encoding", "identity") != "identity":
        abort(415, "send the body without Content-Encoding")


def _reason(error: Exception) -> str:
    return "it is nested too deep" if isinstance(error, RecursionError) else str(error)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object has the same key twice")
    return found


def flatten(messages: dict[Any, Any], prefix: str = "") -> Iterator[tuple[str, list[str]]]:
    """The nested messages by dotted name: {"ip_addresses.0": [...]}."""
    for key, value in messages.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            yield from flatten(value, f"{name}.")
        else:
            yield name, [str(message) for message in value]
