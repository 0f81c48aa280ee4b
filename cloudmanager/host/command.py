"""A command of the catalogue: what it runs on which family of operating systems, and what it takes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cloudmanager.errors import HostRefused, InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping

ANY: Final = "any"
FAMILIES: Final = ("debian", "redhat")
"""Families of operating systems that a command may tell apart; `any` stands for all others, and for these."""

PLACEHOLDER: Final = re.compile(r"\{([a-z][a-z0-9_]*)\}")

Words = tuple[str, ...]


@dataclass(frozen=True)
class Argument:
    """What a value must be as a whole; `default` None: it has to be given; `dash`: may begin with `-`."""

    pattern: re.Pattern[str]
    default: str | None = None
    dash: bool = False

    def why_not(self, value: str) -> str:
        """Why a value is none; empty when it is one."""
        if "\0" in value:
            return "holds a NUL, which no program can be given"
        if not _is_text(value):
            return "is no text that can be encoded"
        if value.startswith("-") and not self.dash:
            return "begins with -, which programs take for an option"
        if not self.pattern.fullmatch(value):
            return f"does not match {self.pattern.pattern}"
        return ""


@dataclass(frozen=True, kw_only=True)
class Command:
    """One entry of the catalogue; times in seconds, `max_output` in bytes of both outputs together.

    `run` and `unless` are words by family, which no shell reads. When `unless` succeeds there is nothing to
    do, and `run` is not begun. What is `idempotent` may be sent again when only its answer was lost.
    """

    name: str
    summary: str
    run: Mapping[str, Words]
    unless: Mapping[str, Words] = field(default_factory=dict)
    arguments: Mapping[str, Argument] = field(default_factory=dict)
    sudo: bool = False
    stdin: bool = False
    idempotent: bool = False
    success: frozenset[int] = frozenset({0})
    timeout: float = 30.0
    max_output: int = 262_144
    source: str = ""

    @property
    def asks_family(self) -> bool:
        """Whether it is not the same on all families."""
        return {*self.run, *self.unless} != {ANY}

    def checked(self, given: Mapping[str, str]) -> dict[str, str]:
        """The arguments with defaults filled in; `InvalidInput` says which are wrong."""
        wrong = {name: ["is not an argument of it"] for name in given if name not in self.arguments}
        values: dict[str, str] = {}
        for name, argument in self.arguments.items():
            value = given.get(name, argument.default)
            if value is None:
                wrong[name] = ["is missing"]
            elif name in given and (reason := argument.why_not(value)):
                wrong[name] = [reason]
            else:
                values[name] = value
        if wrong:
            words = "; ".join(f"{name} {reasons[0]}" for name, reasons in wrong.items())
            raise InvalidInput(f"the command {self.name} cannot be run so: {words}", wrong)
        return values

    def words(self, family: str, arguments: Mapping[str, str]) -> Words:
        """What is run there; `HostRefused` when the catalogue says nothing of this family."""
        found = self.run.get(family, self.run.get(ANY))
        if found is None:
            known = " or ".join(self.run)
            raise HostRefused(
                f"the command {self.name} is known for {known} only, not for this operating system: "
                f"add it to [host] commands_file, with `any`"
            )
        return _filled(found, arguments)

    def check_words(self, family: str, arguments: Mapping[str, str]) -> Words:
        """What is run first to see whether there is nothing to do; nothing: that is not looked at."""
        return _filled(self.unless.get(family, self.unless.get(ANY, ())), arguments)


def _filled(words: Words, arguments: Mapping[str, str]) -> Words:
    return tuple(PLACEHOLDER.sub(lambda found: arguments[found[1]], word) for word in words)


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:  # lone surrogates
        return False
    return True
