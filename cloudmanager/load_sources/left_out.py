"""What a source could not measure, and why: collected one by one, told in a few sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from cloudmanager.drs.cluster import Resource

_NAMED = 3


class LeftOut:
    """Hosts or servers (`noun`) that are left out."""

    def __init__(self, noun: str) -> None:
        self._noun = noun
        self._names: dict[tuple[str, str], set[str]] = {}

    def add(self, name: str, why: str, resource: Resource | None = None) -> None:
        """One of which a resource, or no resource at all, is known."""
        load = "load" if resource is None else f"{resource} load"
        self._names.setdefault((load, why), set()).add(name)

    def notes(self) -> tuple[str, ...]:
        """`the cpu load of 20 hosts is not known: they are not measured (h1, h2, h3 and 17 more)`."""
        return tuple(
            f"the {load} of {len(names)} {self._noun} is not known: {why} ({some_of(names)})"
            for (load, why), names in sorted(self._names.items())
        )


def some_of(names: Collection[str]) -> str:
    """A few of many names, in order: `h1, h2, h3 and 17 more`."""
    shown, more = ", ".join(sorted(names)[:_NAMED]), len(names) - _NAMED
    return f"{shown} and {more} more" if more > 0 else shown
