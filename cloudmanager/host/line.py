"""The line that a node's shell is given: the only place where words are quoted."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

from cloudmanager.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Sequence

KILL_AFTER: Final = 2.0
"""Seconds from the end of a command's time until it is killed, if it does not end by itself."""

_LONGEST: Final = 128 * 1024 - 1024
"""Linux takes 128 KiB in one argument (MAX_ARG_STRLEN, execve(2)), and `sshd` makes one of the whole line."""


def line_of(words: Sequence[str], *, sudo: bool, timeout: float) -> str:
    """What runs these words, in English, as root with `sudo`, and no longer than `timeout` seconds there.

    In single quotes a POSIX shell takes all but NUL as it stands. `timeout` is behind `sudo`, because it may
    not end what belongs to root.
    """
    before = ["env", "LC_ALL=C", *(["sudo", "-n", "--"] if sudo else [])]
    line = shlex.join([*before, "timeout", f"--kill-after={KILL_AFTER:g}", f"{timeout:g}", *words])
    if "\0" in line:
        raise InvalidInput("a command cannot be given a NUL")
    if len(line.encode()) > _LONGEST:
        raise InvalidInput(
            f"a command with its arguments has up to {_LONGEST} bytes; give it data as its input"
        )
    return line
