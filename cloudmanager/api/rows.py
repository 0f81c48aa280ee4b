"""Lists that no table of ours holds: filters on texts, with the same operators as everywhere, and paging."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

from cloudmanager.api.document.parameters import filter_parameter
from cloudmanager.api.filters import TEXT_OPERATORS, boolean_value, operator_of, text_value
from cloudmanager.api.query import ListQuery, Options, Window
from cloudmanager.errors import InvalidInput

if TYPE_CHECKING:
    from werkzeug.datastructures import MultiDict

T = TypeVar("T")

Text = str | None
Test = Callable[[Text], bool]

_ORDER: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}
_WILD: Final = re.compile(r"\\(.)|([%_])|(.)", re.DOTALL)


@dataclass(frozen=True)
class Picked:
    """What is asked for of rows: tests of their texts, and which page."""

    tests: tuple[tuple[str, Test], ...]
    window: Window

    def of(self, rows: Sequence[T], text_of: Callable[[T, str], Text]) -> tuple[list[T], int]:
        """The rows of the page, and how many there are from its beginning on."""
        rest = self.through(rows, text_of)[self.window.offset :]
        return rest if self.window.limit is None else rest[: self.window.limit], len(rest)

    def through(self, rows: Sequence[T], text_of: Callable[[T, str], Text]) -> list[T]:
        """The rows that the tests let through, of all pages."""
        return [row for row in rows if all(test(text_of(row, name)) for name, test in self.tests)]


@dataclass(frozen=True)
class RowQuery:
    """Filters by these texts, paging and options."""

    names: tuple[str, ...] = ()
    options: Options = field(default_factory=lambda: Options({}))

    def parse(self, given: MultiDict[str, str], max_limit: int) -> Picked:
        """What is asked for; `InvalidInput` names each wrong parameter."""
        tests: list[tuple[str, Test]] = []
        wrong: dict[str, list[str]] = {}
        rest = given.copy()
        for name in self.names:
            for value in rest.poplist(name):
                try:
                    tests.append((name, _test(value)))
                except ValueError as problem:
                    wrong[name] = [str(problem)]
        if wrong:
            raise InvalidInput(f"wrong query parameters: {', '.join(wrong)}", wrong)
        return Picked(tuple(tests), self._paging.parse(rest, max_limit))

    def parameters(self) -> list[dict[str, Any]]:
        """Filters, offset, limit, options."""
        described = [filter_parameter(name, "string", TEXT_OPERATORS) for name in self.names]
        return described + self._paging.parameters()

    @property
    def _paging(self) -> ListQuery:
        return ListQuery({}, sortable=False, options=self.options)


def _test(value: str) -> Test:
    name, operand = operator_of(value)
    if name == "null":
        wanted = boolean_value(operand)
        return lambda text: (text is None) is wanted
    if name in ("in", "nin"):
        parts = [text_value(part) for part in operand.split(",")]
        return lambda text: (text in parts) is (name == "in")
    operand = text_value(operand)
    if name == "like":
        pattern = _pattern(operand)
        return lambda text: text is not None and pattern.fullmatch(text.casefold()) is not None
    if name in _ORDER:
        return lambda text: text is not None and _ORDER[name](text, operand)
    return lambda text: (text == operand) is (name == "eq")


def _pattern(value: str) -> re.Pattern[str]:
    if (len(value) - len(value.rstrip("\\"))) % 2:
        raise ValueError(r"ends in a single \: write \\ for the character itself")
    wild = {"%": ".*", "_": "."}
    pieces = (
        wild.get(found[2]) or re.escape(found[1] or found[3]) for found in _WILD.finditer(value.casefold())
    )
    return re.compile("".join(pieces), re.DOTALL)
