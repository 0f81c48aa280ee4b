"""The difference between two inventories, and how people read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cloudmanager.inventory.records import KINDS, Fields, Inventory, Key, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_LONGEST = 60
_SEALED = "sealed_"
_IDENTITY = {"node_controls": ("node", "power_control")}
_DERIVED = "coils_count"


@dataclass(frozen=True)
class Change:
    """One object that is created (`before` is None), changed, or deleted (`after` is None)."""

    section: str
    key: Key
    before: Fields | None
    after: Fields | None

    @property
    def fields(self) -> dict[str, Any]:
        """The fields that get another value."""
        before, after = self.before or {}, self.after or {}
        identity = _IDENTITY.get(self.section, ())
        return {
            name: value
            for name, value in after.items()
            if name not in identity and (name not in before or before[name] != value)
        }

    @property
    def line(self) -> str:
        """The change in one line."""
        if self.after is None:
            return f"- {_title(self.key, self.before)}"
        if self.before is None:
            return f"+ {_title(self.key, self.after)}"
        told = (self._told(name, value) for name, value in self.fields.items() if name != _DERIVED)
        return f"~ {_title(self.key, self.before)}: {', '.join(told)}"

    def _told(self, name: str, value: Any) -> str:
        if name.startswith(_SEALED):
            return f"{name.removeprefix(_SEALED)} (not shown)"
        return f"{name} {_short((self.before or {}).get(name))} -> {_short(value)}"


def difference(before: Inventory, after: Inventory) -> dict[str, list[Change]]:
    """What must be done, by section."""
    return {
        kind.section: list(_changes(kind.section, before[kind.section], after[kind.section]))
        for kind in KINDS
    }


def _changes(section: str, before: dict[Key, Fields], after: dict[Key, Fields]) -> Iterator[Change]:
    for key, row in after.items():
        change = Change(section, key, before.get(key), row)
        if row is not change.before and (change.before is None or change.fields):
            yield change
    for key, row in before.items():
        if key not in after:
            yield Change(section, key, row, None)


def summary(changes: dict[str, list[Change]], after: Inventory) -> Iterator[str]:
    """A line for every kind: how many are created, changed, deleted and unchanged."""
    for kind in KINDS:
        of_kind = changes[kind.section]
        created = sum(change.before is None for change in of_kind)
        deleted = sum(change.after is None for change in of_kind)
        changed = len(of_kind) - created - deleted
        unchanged = len(after[kind.section]) - created - changed
        counts = f"{created} created, {changed} changed, {deleted} deleted, {unchanged} unchanged"
        yield f"{kind.section.replace('_', ' ')}: {counts}"


def lines(changes: Sequence[Change]) -> Iterator[str]:
    """A line for every change."""
    return (f"  {change.line}" for change in changes)


def _title(key: Key, row: Fields | None) -> str:
    return shown(key) if isinstance(key, tuple) else str((row or {}).get("name") or key)


def _short(value: Any) -> str:
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
