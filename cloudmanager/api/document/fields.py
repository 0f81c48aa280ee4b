"""Fields in the document: what they take exactly, what they mean, and a value for examples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from marshmallow import fields

from cloudmanager.api.document.glossary import SCHEMAS

if TYPE_CHECKING:
    from collections.abc import Mapping

_TIME = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}$"
"""Times have no zone, so that they are not OpenAPI's `date-time`."""


def describe(_converter: Any, field: fields.Field[Any], ret: dict[str, Any], **_: Any) -> dict[str, Any]:
    """The properties of a field that its class in `cloudmanager.api.fields` and the glossary add.

    An attribute function of apispec: `ret` is what others have found so far.
    """
    _restrict(ret, field)
    words = SCHEMAS.get(type(field.parent).__name__, {}).get(field.name or "")
    if isinstance(words, str):
        ret["description"] = words
    elif words is not None:
        ret["description"], value = words
        ret["examples"] = [value]
    return ret


def _restrict(ret: dict[str, Any], field: fields.Field[Any]) -> None:
    """Say exactly what is taken, also where apispec knows only the general kind."""
    if isinstance(field, fields.DateTime):
        ret.pop("format", None)
        exact: Mapping[str, Any] = {"pattern": _TIME}
    else:
        exact = getattr(field, "json_schema", {})
    if "anyOf" in exact:
        for general in ("type", "minimum", "maximum"):
            ret.pop(general, None)
        exact = {"anyOf": [*exact["anyOf"], *([{"type": "null"}] if field.allow_none else [])]}
    elif "type" in exact and field.allow_none:
        exact = {**exact, "type": [*exact["type"], "null"]}
    ret |= exact
