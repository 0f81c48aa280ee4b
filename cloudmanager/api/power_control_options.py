"""Options of power controls in bodies and answers: what the drivers declare, for the document too."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from marshmallow import fields, validate

from cloudmanager.api.fields import JsonSchema, text
from cloudmanager.drivers import DRIVERS
from cloudmanager.drivers.options import LONGEST_TEXT, options_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudmanager.drivers.base import Driver

_VALUE = {"type": ["string", "number", "boolean"]}
_NULL = {"type": "null"}


def _properties(*, nullable: bool) -> dict[str, JsonSchema]:
    """Every option that some type has; one of several types takes what any of them does."""
    found: dict[str, dict[str, JsonSchema]] = {}
    for driver in DRIVERS:
        for name, option in options_of(driver).items():
            found.setdefault(name, {})[driver.control_type] = option.json_schema
    return {name: _property(of_types, nullable=nullable) for name, of_types in found.items()}


def _property(of_types: dict[str, JsonSchema], *, nullable: bool) -> JsonSchema:
    told = (f"{kind}: {each['description']} Default {each['default']!r}." for kind, each in of_types.items())
    bare = [
        {key: value for key, value in each.items() if key not in ("description", "default")}
        for each in of_types.values()
    ]
    forms = [form for place, form in enumerate(bare) if form not in bare[:place]]
    return {"description": " ".join(told), "anyOf": [*forms, *([_NULL] if nullable else [])]}


class OptionsBody(fields.Dict):
    """Options to set; null is the default. The driver of the type says which there are and what they take."""

    json_schema: ClassVar[JsonSchema] = {
        "properties": _properties(nullable=True),
        "additionalProperties": False,
    }

    def __init__(self) -> None:
        super().__init__(
            keys=text(),
            values=fields.Raw(allow_none=True),
            allow_none=True,
            validate=validate.Length(max=100),
        )


class OptionsShape(fields.Dict):
    """Options that are set."""

    json_schema: ClassVar[JsonSchema] = {
        "properties": _properties(nullable=False),
        "additionalProperties": False,
    }


OPTIONS_OF_TYPES: JsonSchema = {
    "type": "object",
    "description": "The options of each type, as JSON Schema.",
    "examples": [
        {
            "SupermicroRackDevice": {
                "cipher_suite": {
                    "type": "string",
                    "enum": ["auto", "3", "17"],
                    "default": "auto",
                    "description": "Which cipher suite is proposed.",
                }
            }
        }
    ],
    "additionalProperties": {
        "type": "object",
        "additionalProperties": {
            "type": "object",
            "required": ["type", "default", "description"],
            "additionalProperties": False,
            "properties": {
                "type": {
                    "enum": ["string", "integer", "number", "boolean"],
                    "description": "JSON type of the option.",
                },
                "default": {**_VALUE, "description": "What it is when it is not set."},
                "description": {"type": "string", "description": "What it is for."},
                "enum": {
                    "type": "array",
                    "items": {"type": "string"},
                    "description": "The words that it takes.",
                },
                "minimum": {"type": "number", "description": "The least that it takes."},
                "maximum": {"type": "number", "description": "The most that it takes."},
                "pattern": {"type": "string", "description": "Regular expression that the text matches."},
                "maxLength": {
                    "const": LONGEST_TEXT,
                    "description": "The most characters that the text has.",
                },
            },
        },
    },
}
"""The schema of `options_of_types`."""


def options_of_types(drivers: Sequence[type[Driver]]) -> dict[str, dict[str, JsonSchema]]:
    """The options of these types, for people and for programs that make forms of them."""
    return {
        driver.control_type: {name: option.json_schema for name, option in options_of(driver).items()}
        for driver in drivers
    }
