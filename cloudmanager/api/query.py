"""Query strings: what an operation takes is declared, everything else is refused."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from cloudmanager.api import filters
from cloudmanager.api.document.parameters import filter_parameter, parameter
from cloudmanager.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import InstrumentedAttribute
    from werkzeug.datastructures import MultiDict

_PAGING = {
    "offset": "How many objects to leave out at the beginning.",
    "limit": 'How many objects to answer; the configuration caps it. `Link: rel="next"` tells the next page.',
}
NATURAL = {"type": "integer", "minimum": 0, "maximum": 10**18 - 1, "examples": [100]}
"""The schema of a natural number in a query string."""


class Query(Protocol):
    """What an operation understands of a query string."""

    def parse(self, given: MultiDict[str, str], max_limit: int) -> Any:
        """The parsed query; raises `InvalidInput` naming each wrong parameter."""

    def parameters(self) -> list[dict[str, Any]]:
        """The parameters for OpenAPI."""


@dataclass(frozen=True)
class Window:
    """Which rows of a table are asked for, in which order; `options` say how they are to be shown."""

    where: tuple[ColumnElement[bool], ...] = ()
    sort: InstrumentedAttribute[Any] | None = None
    descending: bool = False
    offset: int = 0
    limit: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def with_one_more(self) -> Window:
        """The same, and one object more, by which one knows whether there is a next page."""
        return self if self.limit is None else replace(self, limit=self.limit + 1)


@dataclass(frozen=True)
class ListQuery:
    """Filters, sort, paging and options of a list. It is sorted by key unless the query says otherwise."""

    fields: Mapping[str, filters.Filter]
    sortable: bool = True
    options: Options = field(default_factory=lambda: Options({}))

    def parse(self, given: MultiDict[str, str], max_limit: int) -> Window:
        """The window asked for."""
        wrong: dict[str, list[str]] = {}
        where: list[ColumnElement[bool]] = []
        settings: dict[str, Any] = {}
        options = self.options.defaults()
        for name, values in given.lists():
            try:
                if name in self.options.options:
                    options[name] = self.options.value(name, values)
                elif name in self.fields:
                    where += [self.fields[name].condition(value) for value in values]
                else:
                    self._set(settings, name, _single(values), max_limit)
            except ValueError as error:
                wrong[name] = [str(error)]
        if wrong:
            raise _refusal(wrong)
        return Window(where=tuple(where), options=options, **settings)

    def _set(self, settings: dict[str, Any], name: str, value: str, max_limit: int) -> None:
        if name == "sort" and self.sortable:
            settings["descending"] = value.startswith("-")
            settings["sort"] = self._sort_column(value.removeprefix("-"))
        elif name == "offset":
            settings["offset"] = natural(value)
        elif name == "limit":
            settings["limit"] = min(natural(value), max_limit)
        else:
            raise ValueError("unknown parameter")

    def _sort_column(self, name: str) -> InstrumentedAttribute[Any]:
        if name not in self.fields:
            raise ValueError(f"cannot sort by {name[:40]!r}; it is one of {', '.join(self.fields)}")
        return self.fields[name].column

    def parameters(self) -> list[dict[str, Any]]:
        """Filters, sort, offset, limit, options."""
        described = [
            filter_parameter(name, field.kind, field.operators) for name, field in self.fields.items()
        ]
        if self.sortable:
            names = [sign + name for name in self.fields for sign in ("", "-")]
            schema = {"type": "string", "enum": names, "examples": names[-1:]}
            described.append(parameter("sort", schema, "Field to sort by; `-` is descending."))
        described += [parameter(name, NATURAL, text) for name, text in _PAGING.items()]
        return described + self.options.parameters()


@dataclass(frozen=True)
class Options:
    """Single parameters: name -> option."""

    options: Mapping[str, Option]

    def defaults(self) -> dict[str, Any]:
        """What holds for parameters that are absent."""
        return {name: option.default for name, option in self.options.items()}

    def value(self, name: str, texts: list[str]) -> Any:
        """What is meant by the texts of a parameter; ValueError says what is wrong with them."""
        if name not in self.options:
            raise ValueError("unknown parameter")
        return self.options[name].parse(_single(texts))

    def parse(self, given: MultiDict[str, str], max_limit: int) -> dict[str, Any]:  # noqa: ARG002
        """{name: value}, with defaults for what is absent."""
        values = self.defaults()
        wrong: dict[str, list[str]] = {}
        for name, texts in given.lists():
            try:
                values[name] = self.value(name, texts)
            except ValueError as error:
                wrong[name] = [str(error)]
        if wrong:
            raise _refusal(wrong)
        return values

    def parameters(self) -> list[dict[str, Any]]:
        """One each."""
        return [parameter(name, option.schema, option.summary) for name, option in self.options.items()]


@dataclass(frozen=True)
class Option:
    """One parameter: how to read it, its default, how OpenAPI shows it."""

    summary: str
    parse: Any
    default: Any
    schema: dict[str, Any]


def flag(summary: str) -> Option:
    """Either true or false; absent is false."""
    return Option(summary, filters.boolean_value, default=False, schema={"type": "boolean", "default": False})


def bounded(summary: str, maximum: int, default: int) -> Option:
    """A whole number from 0 to `maximum`."""

    def parse(value: str) -> int:
        if (number := natural(value)) > maximum:
            raise ValueError(f"more than {maximum}")
        return number

    schema = {"type": "integer", "minimum": 0, "maximum": maximum, "default": default, "examples": [0]}
    return Option(summary, parse, default, schema)


NO_QUERY: Options = Options({})


def natural(value: str) -> int:
    """A whole number from 0 that any database takes."""
    if not re.fullmatch("[0-9]{1,18}", value):
        raise ValueError("not a whole number from 0")
    return int(value)


def _single(values: list[str]) -> str:
    if len(values) != 1:
        raise ValueError("given more than once")
    return values[0]


def _refusal(wrong: dict[str, list[str]]) -> InvalidInput:
    return InvalidInput(f"wrong query parameters: {', '.join(wrong)}", wrong)
