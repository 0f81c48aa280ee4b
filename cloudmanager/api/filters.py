"""Filters of lists: `?field=operator:value`. A value that cannot be understood is refused, never ignored.

Operators: eq neq in nin gt gte lt lte like null; no operator means equals; `eq:` escapes a value that begins
like an operator. Repeating a parameter means "and".
"""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import String, literal, or_
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from cloudmanager.api.fields import MAX_INTEGER

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import InstrumentedAttribute

_OPERATOR = re.compile(r"(eq|neq|in|nin|gt|gte|lt|lte|like|null):", re.ASCII)
_EQUALITY = ("eq", "neq", "in", "nin", "null")
_ORDER = ("gt", "gte", "lt", "lte")
TEXT_OPERATORS = (*_EQUALITY, *_ORDER, "like")
"""What text can be asked for."""
_COMPARISONS: dict[str, Callable[[Any, Any], ColumnElement[bool]]] = {
    "eq": operator.eq,
    "neq": lambda column, value: column.is_distinct_from(value),  # what is null is not equal
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}


class casefold(FunctionElement[str]):  # noqa: N801  # it stands in expressions like a function
    """Text without regard to case, beyond ASCII too."""

    type = String()
    inherit_cache = True


@compiles(casefold)
def _lower(element: Any, compiler: Any, **options: Any) -> str:
    return f"lower({compiler.process(element.clauses, **options)})"


@compiles(casefold, "sqlite")
def _casefold(element: Any, compiler: Any, **options: Any) -> str:
    return f"casefold({compiler.process(element.clauses, **options)})"


@dataclass(frozen=True)
class Filter:
    """One field that a list can be filtered and sorted by."""

    column: InstrumentedAttribute[Any]
    kind: str
    parse: Callable[[str], Any]
    operators: tuple[str, ...]

    def condition(self, value: str) -> ColumnElement[bool]:
        """The condition that a parameter's value means; ValueError says what is wrong with it."""
        name, operand = operator_of(value)
        if name not in self.operators:
            raise ValueError(f"{name}: does not work on a {self.kind}; use {', '.join(self.operators)}")
        column: Any = self.column
        made: ColumnElement[bool]
        if name == "null":
            made = column.is_(None) if boolean_value(operand) else column.is_not(None)
        elif name == "like":
            made = casefold(column).like(casefold(literal(_pattern(operand))), escape="\\")
        elif name in ("in", "nin"):
            values = [self.parse(part) for part in operand.split(",")]
            made = column.in_(values) if name == "in" else or_(column.not_in(values), column.is_(None))
        else:
            made = _COMPARISONS[name](column, self.parse(operand))
        return made


def operator_of(value: str) -> tuple[str, str]:
    """The operator of a parameter's value, and what it is about."""
    found = _OPERATOR.match(value)
    return (found[1], value[found.end() :]) if found else ("eq", value)


def integer(column: InstrumentedAttribute[Any]) -> Filter:
    """A whole number."""
    return Filter(column, "integer", _integer, (*_EQUALITY, *_ORDER))


def boolean(column: InstrumentedAttribute[Any]) -> Filter:
    """Either true or false."""
    return Filter(column, "boolean", boolean_value, _EQUALITY)


def text(column: InstrumentedAttribute[Any]) -> Filter:
    """Text; `like` compares without regard to case, with the wildcards % and _."""
    return Filter(column, "string", text_value, TEXT_OPERATORS)


def moment(column: InstrumentedAttribute[Any]) -> Filter:
    """A time: ISO 8601, UTC unless it says otherwise."""
    return Filter(column, "date-time", _moment, (*_EQUALITY, *_ORDER))


def _integer(value: str) -> int:
    if not re.fullmatch("-?[0-9]{1,10}", value) or abs(int(value)) > MAX_INTEGER:
        raise ValueError(f"not a whole number of at most {MAX_INTEGER}")
    return int(value)


def boolean_value(value: str) -> bool:
    """Either true or false, as words or digits."""
    if value.lower() not in ("true", "false", "1", "0"):
        raise ValueError("not true or false")
    return value.lower() in ("true", "1")


def text_value(value: str) -> str:
    """Text that any database takes."""
    if "\0" in value:
        raise ValueError("has a NUL character")
    return value


def _moment(value: str) -> datetime:
    try:
        time = datetime.fromisoformat(value)
        return time.astimezone(UTC).replace(tzinfo=None) if time.tzinfo else time
    except (ValueError, OverflowError):
        raise ValueError("not a time like 2018-10-17T12:18:35") from None


def _pattern(value: str) -> str:
    if (len(value) - len(value.rstrip("\\"))) % 2:
        raise ValueError(r"ends in a single \: write \\ for the character itself")
    return text_value(value)
