r"""The catalogue of commands: the product's files, and the operator's file that replaces and adds to them.

A file holds a table for each command:

    [service-start]
    summary = "Start a service."
    run.any = ["systemctl", "start", "{unit}"]
    unless.any = ["systemctl", "is-active", "--quiet", "{unit}"]
    arguments.unit = "[A-Za-z0-9@._-]{1,100}"
    sudo = true
    idempotent = true

`{unit}` stands for an argument, within a word or as a whole one. A script is given its arguments as its own:
`["sh", "-c", "printf %s \"$1\"", "sh", "{text}"]`; an argument within the text of a script is refused.
"""

from __future__ import annotations

import re
import tomllib
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cloudmanager.errors import Misconfigured, NotFound

from .command import ANY, FAMILIES, PLACEHOLDER, Argument, Command, Words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,63}")
_ARGUMENT: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
_INTERPRETERS: Final = re.compile(r"sh|bash|dash|ash|ksh|zsh|su|perl|python[0-9.]*")
_SCRIPT_FOLLOWS: Final = re.compile(r"-[a-z]*[ce][a-z]*")
_LONGEST: Final = 3600.0
_MOST_OUTPUT: Final = 16 * 1024 * 1024


class _Wrong(Exception):
    """What is wrong in one command."""


class Catalogue:
    """Commands by name."""

    def __init__(self, commands: Mapping[str, Command]) -> None:
        self._commands = dict(commands)

    def __iter__(self) -> Iterator[Command]:
        return iter(sorted(self._commands.values(), key=lambda command: command.name))

    def __getitem__(self, name: str) -> Command:
        """The command of this name; `NotFound`."""
        try:
            return self._commands[name]
        except KeyError:
            raise NotFound(f"the catalogue has no command {name[:80]!r}") from None


def load(operators_file: str = "") -> Catalogue:
    """All commands. `Misconfigured` says file, command and reason; a mistake of ours as well."""
    commands: dict[str, Command] = {}
    for file in sorted(
        resources.files(__package__).joinpath("commands").iterdir(), key=lambda each: each.name
    ):
        if file.name.endswith(".toml"):
            found = _commands(file.read_text(encoding="utf-8"), file.name)
            if twice := commands.keys() & found.keys():
                raise Misconfigured(f"{file.name}: {min(twice)} is in {commands[min(twice)].source} already")
            commands |= found
    if operators_file:
        commands |= _commands(_read(operators_file), f"[host] commands_file {operators_file}")
    return Catalogue(commands)


def _read(file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise Misconfigured(f"[host] commands_file {file}: cannot be read: {problem}") from None


def _commands(text: str, source: str) -> dict[str, Command]:
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise Misconfigured(f"{source}: {problem}") from None
    commands = {}
    for name, table in tables.items():
        try:
            commands[name] = _command(name, table, source)
        except _Wrong as problem:
            raise Misconfigured(f"{source}: command {name}: {problem}") from None
    return commands


def _command(name: str, table: Any, source: str) -> Command:
    if not _NAME.fullmatch(name):
        raise _Wrong("a name has small letters, digits and -")
    if not isinstance(table, dict):
        raise _Wrong("it is not a table")
    if strange := table.keys() - _FIELDS.keys():
        raise _Wrong(f"{min(strange)} is not known; there are {', '.join(_FIELDS)}")
    if missing := {"summary", "run"} - table.keys():
        raise _Wrong(f"{min(missing)} is missing")
    values = {field: _FIELDS[field](field, value) for field, value in table.items()}
    command = Command(name=name, source=source, **values)
    _check_placeholders(command)
    return command


def _text(field: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _Wrong(f"{field} is not a text")
    return value


def _yes_or_no(field: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _Wrong(f"{field} is neither true nor false")
    return value


def _seconds(field: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= _LONGEST:
        raise _Wrong(f"{field} is not a number of seconds up to {_LONGEST:g}")
    return float(value)


def _bytes(field: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= _MOST_OUTPUT:
        raise _Wrong(f"{field} is not a number of bytes up to {_MOST_OUTPUT}")
    return value


def _statuses(field: str, value: Any) -> frozenset[int]:
    good = isinstance(value, list) and value and all(type(each) is int and 0 <= each <= 255 for each in value)  # noqa: PLR2004
    if not good:
        raise _Wrong(f"{field} is not a list of exit statuses")
    return frozenset(value)


def _by_family(field: str, value: Any) -> dict[str, Words]:
    if not isinstance(value, dict) or not value:
        raise _Wrong(f"{field} is not a table of {ANY}, {', '.join(FAMILIES)}")
    if strange := value.keys() - {ANY, *FAMILIES}:
        raise _Wrong(f"{field}.{min(strange)}: the families are {', '.join(FAMILIES)} and {ANY}")
    return {family: _words(f"{field}.{family}", words) for family, words in value.items()}


def _words(field: str, value: Any) -> Words:
    if not isinstance(value, list) or not value or not all(isinstance(word, str) for word in value):
        raise _Wrong(f"{field} is not a list of words")
    if any("\0" in word for word in value) or not value[0]:
        raise _Wrong(f"{field} has a word that cannot be run")
    return tuple(value)


def _arguments(field: str, value: Any) -> dict[str, Argument]:
    if not isinstance(value, dict):
        raise _Wrong(f"{field} is not a table")
    return {name: _argument(f"{field}.{name}", name, each) for name, each in value.items()}


def _argument(field: str, name: str, value: Any) -> Argument:
    if not _ARGUMENT.fullmatch(name):
        raise _Wrong(f"{field}: a name has small letters, digits and _")
    table = {"pattern": value} if isinstance(value, str) else value
    if not isinstance(table, dict) or not {"pattern"} <= table.keys() <= {"pattern", "default", "dash"}:
        raise _Wrong(f"{field} is neither a pattern nor a table of pattern, default, dash")
    try:
        pattern = re.compile(_text(f"{field}.pattern", table["pattern"]))
    except re.error as problem:
        raise _Wrong(f"{field}: the pattern is wrong: {problem}") from None
    default = table.get("default")
    if not isinstance(default, str | None):
        raise _Wrong(f"{field}.default is not a text")
    return Argument(pattern, default, _yes_or_no(f"{field}.dash", table.get("dash", False)))


_FIELDS: Final[dict[str, Callable[[str, Any], Any]]] = {
    "summary": _text,
    "run": _by_family,
    "unless": _by_family,
    "arguments": _arguments,
    "sudo": _yes_or_no,
    "stdin": _yes_or_no,
    "idempotent": _yes_or_no,
    "success": _statuses,
    "timeout": _seconds,
    "max_output": _bytes,
}


def _check_placeholders(command: Command) -> None:
    """Every one names an argument, none is a program or within a script, and no argument is for nothing."""
    used = set()
    for words in (*command.run.values(), *command.unless.values()):
        for place, word in enumerate(words):
            names = set(PLACEHOLDER.findall(word))
            if strange := names - command.arguments.keys():
                raise _Wrong(f"{{{min(strange)}}} is not one of its arguments")
            if names and (place == 0 or _is_script(words, place)):
                raise _Wrong(f"{word!r}: an argument is neither a program nor within a script; pass it as $1")
            used |= names
    if idle := command.arguments.keys() - used:
        raise _Wrong(f"the argument {min(idle)} is used nowhere")


def _is_script(words: Words, place: int) -> bool:
    """Whether an interpreter among the words would read this one."""
    interpreted = any(_INTERPRETERS.fullmatch(Path(word).name) for word in words[: place - 1])
    return words[0] == "eval" or (interpreted and bool(_SCRIPT_FOLLOWS.fullmatch(words[place - 1])))
