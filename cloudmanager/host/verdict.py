"""What the end of a command means."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from cloudmanager.errors import CommandFailed, HostError, HostRefused, HostUnreachable

from .port import Output

if TYPE_CHECKING:
    from cloudmanager.ssh.session import Ran

    from .command import Command

_TIMED_OUT: Final = frozenset({124, 137})
"""Of timeout(1): the time was over; what it ran had to be killed, or was by somebody else."""
_NOT_FOUND: Final = 127
_SLACK: Final = 0.5
_END: Final = 4000
"""Characters of a failed command's words that are told."""
_TITLE: Final = 200

_SUDO: Final = re.compile(
    r"^(?:sudo(?:-rs)?: (?:a password is required|a terminal is required|sorry, you must have a tty|I'm sorry"
    r"|interactive authentication is required)"
    r"|\S+ is not in the sudoers file|Sorry, user \S+ (?:is not|may not))",
    re.MULTILINE,
)
"""What sudo and sudo-rs say to those whom they refuse. Other words of theirs are warnings."""
_NO_SUDO: Final = re.compile(r"env: .?sudo.?: No such file")

SUDO_NEEDED: Final = (
    "sudo does not let this login run commands as root without a password: add the line `{login} ALL=(root) "
    "NOPASSWD: ALL` to a file in /etc/sudoers.d there"
)


def verdict(where: str, login: str, command: Command, ran: Ran, *, took: float) -> Output:
    """Its output when it succeeded, else the error that says why; `took` in seconds."""
    if ran.status in command.success:
        return Output(ran.out, ran.err, ran.status, left_out=ran.left_out)
    raise _error(where, login, command, ran, took)


def _error(where: str, login: str, command: Command, ran: Ran, took: float) -> HostError:
    if ran.status in _TIMED_OUT and took >= command.timeout - _SLACK:
        return too_late(where, command)
    if command.sudo and _SUDO.search(ran.err):
        return HostRefused(f"{where}: {SUDO_NEEDED.format(login=login)} ({_last_line(ran.err)})")
    if command.sudo and ran.status == _NOT_FOUND and _NO_SUDO.search(ran.err):
        return HostRefused(f"{where} has no sudo: log on as root, or install it")
    said = ran.err.strip() or ran.out.strip()
    words = f"{where}: {command.name} failed with exit status {ran.status}"
    return CommandFailed(
        f"{words}: {_last_line(said)}" if said else words, status=ran.status, output=said[-_END:]
    )


def too_late(where: str, command: Command) -> HostUnreachable:
    """The command had its time, and was ended there."""
    words = f"{where}: {command.name} took longer than {command.timeout:g} s and was ended"
    return HostUnreachable(words, maybe_applied=True)


def _last_line(text: str) -> str:
    line = text.strip().splitlines()[-1] if text.strip() else ""
    return "".join(each for each in line if each.isprintable())[:_TITLE]
