"""Which kinds of events a webhook wants: `host.down`, `host.*`, or `*` for all."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

PATTERN = r"(?:\*|[a-z_]+(?:\.[a-z_]+)*(?:\.\*)?)"
"""What a filter looks like."""

OWN = "webhook."
"""How kinds begin that tell of a webhook; it is not told of itself."""

TEST = "webhook.test"
GAVE_UP = "webhook.gave_up"


def wanted(kinds: Iterable[str], kind: str) -> bool:
    """Whether one of the filters takes the kind."""
    return any(each in ("*", kind) or (each.endswith(".*") and kind.startswith(each[:-1])) for each in kinds)
