"""Inventories as CSV: one table for all kinds of records. The column `kind` says which; by default a node.

An empty cell says nothing of its field. `null` is no value. Text that begins with a double quote is read as
JSON, so that any text can be told: `""` is empty, `"null"` is the word; all other text is taken as it stands.
Lists are JSON, or words with commas between them; `metadata` is JSON.
"""

from __future__ import annotations

import csv
import json
import re
from itertools import chain
from typing import IO, TYPE_CHECKING, Any

from marshmallow import fields

from cloudmanager.errors import InvalidInput
from cloudmanager.inventory.records import KINDS, Inventory, Kind, Problems, Record

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_NOUNS = {kind.noun: kind for kind in KINDS}
_COLUMNS = list(dict.fromkeys(chain(["kind"], *(kind.schema.fields for kind in KINDS))))
_LONGEST_CELL = 1_000_000
_FLAGS = {"true": True, "false": False}


def read(file: IO[str], problems: Problems) -> Iterator[Record]:
    """The records of a file; `InvalidInput` when it is not such a file at all."""
    csv.field_size_limit(_LONGEST_CELL)
    first_line = file.readline()
    file.seek(0)
    rows = csv.reader(file, delimiter=_delimiter(first_line), strict=True)
    try:
        header = [name.strip() for name in next(rows, [])]
        _check_header(header)
        for row in rows:
            if any(row):
                yield from _record(header, row, f"line {rows.line_num}", problems)
    except (csv.Error, UnicodeError) as error:
        raise InvalidInput(f"line {rows.line_num}: not CSV in UTF-8 that can be read: {error}") from None


def write(inventory: Inventory, file: IO[str]) -> None:
    """Write a row for every record."""
    writer = csv.writer(file)
    writer.writerow(_COLUMNS)
    for kind in KINDS:
        for values in inventory[kind.section].values():
            row = {name: _told(value) for name, value in values.items()} | {"kind": kind.noun}
            writer.writerow([row.get(column, "") for column in _COLUMNS])


def _delimiter(first_line: str) -> str:
    return ";" if first_line.count(";") > first_line.count(",") else ","


def _check_header(header: Sequence[str]) -> None:
    unknown = [name for name in header if name not in _COLUMNS]
    twice = {name for name in header if header.count(name) > 1}
    if unknown or twice or not header:
        wrong = ", ".join(repr(name) for name in (*unknown, *sorted(twice))) or "nothing"
        raise InvalidInput(f"line 1: columns are some of {', '.join(_COLUMNS)}, each once; found {wrong}")


def _record(header: Sequence[str], row: Sequence[str], place: str, problems: Problems) -> Iterator[Record]:
    if len(row) > len(header):
        problems.add(place, f"{len(row)} cells under {len(header)} columns")
        return
    cells = {name: cell for name, cell in zip(header, row, strict=False) if cell}
    noun = cells.pop("kind", "node")
    if noun not in _NOUNS:
        problems.add(place, f"kind: {noun!r} is none of {', '.join(_NOUNS)}")
        return
    values = {}
    for name, cell in cells.items():
        try:
            values[name] = _value(_NOUNS[noun], name, cell)
        except ValueError as error:
            problems.add(place, f"{noun}: {name}: {error}")
            return
    yield Record(_NOUNS[noun], place, values)


def _value(kind: Kind, name: str, cell: str) -> Any:
    field = kind.schema.fields.get(name)
    word = cell.strip()
    if word == "null":
        return None
    if isinstance(field, fields.Integer) and re.fullmatch("-?[0-9]{1,18}", word):
        return int(word)
    if isinstance(field, fields.Boolean):
        return _FLAGS.get(word.lower(), word)
    if isinstance(field, fields.List) and not word.startswith("["):
        return [part.strip() for part in word.split(",")]
    if isinstance(field, fields.List | fields.Dict) or cell.startswith('"'):
        return json.loads(cell)
    return cell


def _told(value: Any) -> str:
    """What `_value` reads as the same value."""
    if isinstance(value, str):
        plain = value and not value.startswith('"') and value.strip() != "null"
        return value if plain else json.dumps(value, ensure_ascii=False)
    return json.dumps(value, ensure_ascii=False)
