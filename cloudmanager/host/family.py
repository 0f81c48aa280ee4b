"""Which family of operating systems a node has, by its os-release(5)."""

from __future__ import annotations

import shlex
from typing import Final

from .command import ANY, FAMILIES

COMMAND: Final = "os-release"
"""The command of the catalogue that says it."""

_ALSO: Final = {"rhel": "redhat", "fedora": "redhat", "centos": "redhat", "ubuntu": "debian"}


def family_of(os_release: str) -> str:
    """The family that `ID` or `ID_LIKE` names, or `any`."""
    values = dict.fromkeys(("ID", "ID_LIKE"), "")
    for line in os_release.splitlines():
        name, _, value = line.partition("=")
        if name in values:
            values[name] = _unquoted(value)
    for word in f"{values['ID']} {values['ID_LIKE']}".lower().split():
        family = _ALSO.get(word, word)
        if family in FAMILIES:
            return family
    return ANY


def _unquoted(value: str) -> str:
    try:
        return " ".join(shlex.split(value))
    except ValueError:  # a quote without its end
        return value
