"""Parameters in the document: what each filter takes, as a pattern, and values for examples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudmanager.api.document.glossary.words import Words

_OPERANDS = {"like": "%x%", "in": "a,b", "nin": "a,b", "null": "true|false"}
_TRUTH = "true|false|1|0"
_DAY = (
    r"(?![0-9]{4}-(?:0[2469]-31|11-31|02-(?:29|30)))"
    "[12][0-9]{3}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
)
_CLOCK = "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
_PLAIN = {
    "integer": "-?[0-9]{1,9}",
    "boolean": _TRUTH,
    "date-time": rf"{_DAY}(?:T{_CLOCK}(?:Z|[+-](?:0[0-9]|1[0-3]):[0-5][0-9])?)?",
    "string": r"[^\u0000]*",
}
"""What the values of a kind look like."""

_LIKE = r"like:(?:[^\\\u0000]|\\[^\u0000])*"
_ONE, _SEVERAL = ("eq", "neq", "gt", "gte", "lt", "lte"), ("in", "nin")


def parameter(name: str, schema: dict[str, Any], text: str) -> dict[str, Any]:
    """A parameter of a query string."""
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": text}


def filter_parameter(name: str, kind: str, operators: Sequence[str]) -> dict[str, Any]:
    """A filter by a field: a value, with or without an operator, as often as one likes."""
    shown = ", ".join(f"`{operator}:{_OPERANDS.get(operator, 'x')}`" for operator in operators)
    text = f"A value ({kind}), or one of {shown}. Repeat the parameter for *and*."
    items = {"type": "string", "pattern": f"^(?:{_pattern(kind, operators)})$"}
    schema = {"type": "array", "minItems": 1, "items": items}
    return {**parameter(name, schema, text), "explode": True, "style": "form"}


def is_filter(described: dict[str, Any]) -> bool:
    """Whether a parameter is a filter."""
    return bool(described["in"] == "query" and described["schema"].get("type") == "array")


def add_words(described: dict[str, Any], words: Words) -> None:
    """Say what the field of a filter means, and give values to filter by."""
    entry = words.get(described["name"], "")
    text, value = (entry, None) if isinstance(entry, str) else entry
    described["description"] = f"{text} {described['description']}"
    described["schema"]["items"]["examples"] = [_as_text(value)]


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "null:true" if value is None else f"eq:{value}"


def _pattern(kind: str, operators: Sequence[str]) -> str:
    plain = _PLAIN[kind]
    if kind == "string":
        special = [name for name in ("null", "like") if name in operators]
        values = f"(?!(?:{'|'.join(special)}):){plain}" if special else plain
        return "|".join([values, *([_LIKE] if "like" in operators else []), *_null(operators)])
    one = [name for name in _ONE if name in operators]
    several = [f"(?:{'|'.join(_SEVERAL)}):(?:{plain})(?:,(?:{plain}))*"] if "in" in operators else []
    return "|".join([f"(?:(?:{'|'.join(one)}):)?(?:{plain})", *several, *_null(operators)])


def _null(operators: Sequence[str]) -> list[str]:
    return [f"null:(?:{_TRUTH})"] if "null" in operators else []
