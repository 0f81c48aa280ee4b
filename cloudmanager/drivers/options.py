"""Options of devices: what a subclass of `Settings` declares beyond what every device has.

An option is a field with a default and metadata: `help`; `minimum` and `maximum` of a number; `pattern` of a
text with `form`, the same in words. Its type is bool, int, float, str, or a `Literal` of words.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final, Literal, get_args, get_origin, get_type_hints

from cloudmanager.drivers.base import Settings
from cloudmanager.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping
    from dataclasses import Field

    from cloudmanager.drivers.base import Driver

Value = bool | int | float | str

LONGEST_TEXT: Final = 4096
_NOUNS: Final[dict[type[Value], str]] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
}
_JSON_TYPES: Final[dict[type[Value], str]] = {bool: "boolean", int: "integer", float: "number", str: "string"}
_METADATA: Final = {"help", "minimum", "maximum", "pattern", "form"}
_BASE: Final = {each.name for each in fields(Settings)}


@dataclass(frozen=True, kw_only=True)
class Option:
    """One option of a type of device."""

    name: str
    kind: type[Value]
    default: Value
    help: str
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    pattern: str = r"[^\u0000]+"
    form: str = ""

    @property
    def allowed(self) -> str:
        """What it takes, in words."""
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        if self.minimum is not None and self.maximum is not None:
            return f"{_NOUNS[self.kind]}, {self.minimum} to {self.maximum}"
        return self.form or _NOUNS[self.kind]

    @property
    def json_schema(self) -> dict[str, Any]:
        """What it takes, as JSON Schema, with its default and what it is for."""
        schema: dict[str, Any] = {
            "type": _JSON_TYPES[self.kind],
            "default": self.default,
            "description": self.help,
        }
        if self.choices:
            schema["enum"] = list(self.choices)
        elif self.kind is str:
            schema |= {"maxLength": LONGEST_TEXT, "pattern": f"^{self._expression}$"}
        if self.minimum is not None and self.maximum is not None:
            schema |= {"minimum": self.minimum, "maximum": self.maximum}
        return schema

    def typed(self, value: object) -> Value | None:
        """The value as this option's type, None when it does not take it; text is never taken as a number."""
        if self.kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value) if abs(value) <= LONGEST_TEXT else None
        if type(value) is not self.kind or not isinstance(value, Value):
            return None
        return value if self._takes(value) else None

    @property
    def _expression(self) -> str:
        return f"(?:{self.pattern}){'' if self.default else '?'}"

    def _takes(self, value: Value) -> bool:
        if isinstance(value, str):
            if self.choices:
                return value in self.choices
            return len(value) <= LONGEST_TEXT and re.fullmatch(self._expression, value) is not None
        return self.minimum is None or self.maximum is None or self.minimum <= value <= self.maximum


@functools.cache
def options_of(driver: type[Driver]) -> Mapping[str, Option]:
    """The options that a type of device has, by name; `TypeError` for a declaration that cannot be served."""
    kinds = get_type_hints(driver.settings_type)
    own = (each for each in fields(driver.settings_type) if each.name not in _BASE)
    return {each.name: _option(each, kinds[each.name]) for each in own}


def merged(
    driver: type[Driver], given: Mapping[str, object] | None, stored: Mapping[str, object]
) -> dict[str, Value]:
    """The options after a change: one that is given replaces, None takes it back to its default, others stay.

    None in place of all takes back all. `InvalidInput` also for stored ones that this type does not know.
    """
    given = dict.fromkeys(stored) if given is None else given
    known = options_of(driver)
    if strange := [name for name in stored if name not in known and name not in given]:
        message = (
            f"{driver.control_type} has no option {', '.join(strange)}: set it to null in the same request"
        )
        raise InvalidInput(
            message, {f"options.{name}": ["Not known by this control_type."] for name in strange}
        )
    after = {**stored, **given}
    return checked(
        driver,
        {name: value for name, value in after.items() if value is not None or name not in {*known, *stored}},
    )


def checked(driver: type[Driver], given: Mapping[str, object]) -> dict[str, Value]:
    """The options `given` to a device of this type; `InvalidInput` names the wrong ones, without values."""
    known = options_of(driver)
    values: dict[str, Value] = {}
    wrong: dict[str, list[str]] = {}
    for name, value in given.items():
        if name not in known:
            has = f"it has {', '.join(known)}" if known else "it has none"
            wrong[f"options.{name}"] = [f"{driver.control_type} has no option {name[:40]!r}; {has}."]
        elif (typed := known[name].typed(value)) is None:
            wrong[f"options.{name}"] = [f"Not {known[name].allowed}."]
        else:
            values[name] = typed
    if wrong:
        reasons = "; ".join(f"{name}: {' '.join(reasons)}" for name, reasons in wrong.items())
        raise InvalidInput(f"options of {driver.control_type} are wrong: {reasons}", wrong)
    return values


def _option(declared: Field[Any], hint: Any) -> Option:
    choices = get_args(hint) if get_origin(hint) is Literal else ()
    kind: Any = str if choices else hint
    default: Any = declared.default
    if not declared.repr:
        raise TypeError(f"option {declared.name} is secret: options are stored and answered as they are")
    if kind not in _JSON_TYPES or type(default) is not kind:
        raise TypeError(f"option {declared.name} needs a default and a type of {', '.join(_NOUNS.values())}")
    if unknown := set(declared.metadata) ^ {"help", *(_METADATA & set(declared.metadata))}:
        raise TypeError(f"option {declared.name}: its metadata lacks help, or has more: {sorted(unknown)}")
    return Option(name=declared.name, kind=kind, default=default, choices=choices, **declared.metadata)
