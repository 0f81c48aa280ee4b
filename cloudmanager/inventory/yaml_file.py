"""Inventories as YAML: a mapping of sections, each a list of records.

Plain scalars are read as YAML 1.2 does: `00012`, `no` and `2024-01-01` are text.
"""

from __future__ import annotations

import re
from typing import IO, TYPE_CHECKING, Any

import yaml

from cloudmanager.errors import InvalidInput
from cloudmanager.inventory.records import KINDS, SECTIONS, Inventory, Problems, Record

if TYPE_CHECKING:
    from collections.abc import Iterator

_FAST = yaml.__with_libyaml__
_SafeLoader: Any = yaml.CSafeLoader if _FAST else yaml.SafeLoader
_SafeDumper: Any = yaml.CSafeDumper if _FAST else yaml.SafeDumper


class _Loader(_SafeLoader):  # type: ignore[misc]  # one of two classes
    """Makes plain values only, and refuses a key that is given twice."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  # PyYAML's own way

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """A mapping with each key once."""
        made: dict[Any, Any] = super().construct_mapping(node, deep)
        if len(made) != len(node.value):
            raise yaml.MarkedYAMLError(problem="a key is given twice", problem_mark=node.start_mark)
        return made


for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"-?(0|[1-9][0-9]*)", list("-0123456789")),
    ("float", r"-?[0-9]+\.[0-9]*([eE][-+][0-9]+)?", list("-0123456789")),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z"), _first)


def read(file: IO[str], problems: Problems) -> Iterator[Record]:
    """The records of a file; `InvalidInput` when it is not such a file at all."""
    try:
        loader = _Loader(file)
        root = loader.get_single_node()
        if root is None:
            return
        for name, node in _pairs(root):
            if name.value not in SECTIONS:
                problems.add(_place(name), f"{name.value!r} is none of {', '.join(SECTIONS)}")
            elif not isinstance(node, yaml.SequenceNode):
                problems.add(_place(node), f"{name.value} is not a list")
            else:
                yield from _records(loader, name.value, node, problems)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise InvalidInput(f"not YAML that can be read: {' '.join(str(error).split())}") from None


def write(inventory: Inventory, file: IO[str]) -> None:
    """Write every record, each field on a line of its own."""
    document = {kind.section: list(inventory[kind.section].values()) for kind in KINDS}
    yaml.dump(document, file, Dumper=_SafeDumper, sort_keys=False, allow_unicode=True, width=110)


def _pairs(root: Any) -> list[tuple[Any, Any]]:
    if not isinstance(root, yaml.MappingNode):
        raise InvalidInput(f"the file is not a mapping of {', '.join(SECTIONS)}")
    return [(name, node) for name, node in root.value if isinstance(name, yaml.ScalarNode)]


def _records(loader: Any, section: str, sequence: Any, problems: Problems) -> Iterator[Record]:
    for node in sequence.value:
        if isinstance(node, yaml.MappingNode):
            yield Record(SECTIONS[section], _place(node), loader.construct_document(node))
        else:
            problems.add(_place(node), f"a record of {section} is a mapping of fields")


def _place(node: Any) -> str:
    return f"line {node.start_mark.line + 1}"
