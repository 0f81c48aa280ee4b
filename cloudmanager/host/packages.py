"""How many packages an update has touched, by the summary of apt-get(8) or dnf(8)."""

from __future__ import annotations

import re
from typing import Final

_APT: Final = re.compile(
    r"^(\d+) upgraded, (\d+) newly installed, (?:\d+ \w+, )*(\d+) to remove", re.MULTILINE
)
_DNF: Final = re.compile(r"^(Install|Upgrade|Remove|Downgrade)\s+(\d+) Packages?\s*$", re.MULTILINE)
_DNF_NOTHING: Final = re.compile(r"^Nothing to do\.?\s*$", re.MULTILINE)


def read_changes(text: str) -> dict[str, int] | None:
    """`upgraded`, `installed` and `removed` packages; None when there is no summary."""
    if match := list(_APT.finditer(text)):
        upgraded, installed, removed = map(int, match[-1].groups())
        return {"upgraded": upgraded, "installed": installed, "removed": removed}
    counts = {kind: int(number) for kind, number in _DNF.findall(text)}
    if not counts and not _DNF_NOTHING.search(text):
        return None
    return {
        "upgraded": counts.get("Upgrade", 0) + counts.get("Downgrade", 0),
        "installed": counts.get("Install", 0),
        "removed": counts.get("Remove", 0),
    }
