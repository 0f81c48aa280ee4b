"""Examples of whole bodies and answers, put together from those of their fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    Schema = Mapping[str, Any]

NOTHING = object()
"""There is no example."""


def example_of(schema: Schema, schemas: Mapping[str, Schema]) -> Any:
    """A value that the schema describes, or `NOTHING`; `schemas` are those that references name."""
    if "examples" in schema:
        return schema["examples"][0]
    if "$ref" in schema:
        return example_of(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    if "anyOf" in schema:
        return example_of(schema["anyOf"][0], schemas)
    if "items" in schema:
        item = example_of(schema["items"], schemas)
        return NOTHING if item is NOTHING else [item]
    return _of_object(schema, schemas)


def _of_object(schema: Schema, schemas: Mapping[str, Schema]) -> Any:
    if "properties" in schema:
        found = {name: example_of(inner, schemas) for name, inner in schema["properties"].items()}
        return {name: value for name, value in found.items() if value is not NOTHING}
    if schema.get("additionalProperties"):
        inner = example_of(schema["additionalProperties"], schemas)
        return NOTHING if inner is NOTHING else {"1": inner}
    return NOTHING
