"""What virsh is told and what it says (libvirt's manual page virsh(1), tools/virsh-domain*.c)."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Final, NamedTuple

from cloudmanager.drivers.base import Action, PowerState

if TYPE_CHECKING:
    from cloudmanager.ssh.session import Ran

MAX_NAME: Final = 255
_NOT_FOUND: Final = 127  # POSIX.1-2017, Shell & Utilities §2.8.2
_LONGEST_SAID: Final = 300

STATES: Final[dict[str, PowerState]] = {
    "running": PowerState.ON,
    "idle": PowerState.ON,  # it runs and waits
    "in shutdown": PowerState.ON,  # it runs until it is shut off
    "shut off": PowerState.OFF,
    # Neither: nothing runs now, but it has its memory and its devices, and may go on at any moment.
    "paused": PowerState.UNKNOWN,
    "pmsuspended": PowerState.UNKNOWN,
    "crashed": PowerState.UNKNOWN,
    "dying": PowerState.UNKNOWN,
    "no state": PowerState.UNKNOWN,
}

_VERBS: Final[dict[Action, str]] = {
    Action.ON: "start",
    Action.OFF: "destroy",
    Action.SOFT_OFF: "shutdown",
    Action.RESET: "reset",
}
_DONE_ALREADY: Final[dict[Action, tuple[str, ...]]] = {
    Action.ON: ("domain is already active", "domain is already running"),
    Action.OFF: ("domain is not running",),
    Action.SOFT_OFF: ("domain is not running",),
    Action.RESET: (),
}

_RULE: Final = re.compile(r"-{10,}")
_ROW: Final = re.compile(r"\s*(?:\d+|-)\s+(?P<name>\S.*?)\s+(?P<state>" + "|".join(STATES) + r")\s*")
_ID: Final = re.compile(r"[+-]?[0-9]+")


class Meaning(NamedTuple):
    """What a failure is, whether asking again may help, and whether it may yet have been obeyed."""

    words: str
    again: bool = False
    may_obey: bool = False


_NO_VIRSH: Final = Meaning("there is no virsh for this login; see the setting `virsh`")
_ERRORS: Final[tuple[tuple[str, Meaning], ...]] = (
    ("failed to get domain", Meaning("it has no such domain")),
    ("domain not found", Meaning("it has no such domain")),
    ("domain is not running", Meaning("the domain is off; a reset would do nothing, switch it on instead")),
    ("cannot acquire state change lock", Meaning("another command works on the domain", again=True)),
    ("end of file while reading data", Meaning("libvirt died of it", again=True, may_obey=True)),
    ("cannot recv data", Meaning("libvirt died of it", again=True, may_obey=True)),
    ("command not found", _NO_VIRSH),
    ("sudo:", Meaning("sudo does not let this login run virsh without a password")),
    ("authentication", Meaning("libvirt does not let this login manage it; is it in the group libvirt?")),
    ("permission denied", Meaning("libvirt does not let this login manage it; is it in the group libvirt?")),
    ("access denied", Meaning("libvirt does not let this login manage it")),
    ("failed to connect", Meaning("libvirt does not run there", again=True)),
)


def listing(virsh: str, uri: str) -> str:
    """The command that lists all domains; `ValueError` when `virsh` cannot be taken apart."""
    return _command(virsh, uri, "list", "--all")


def acting(virsh: str, uri: str, action: Action, name: str) -> str:
    """The command that does `action` to a domain; `ValueError` when `why_not` has something to say."""
    if reason := why_not(name):
        raise ValueError(reason)
    return _command(virsh, uri, _VERBS[action], name)


def why_not(name: str) -> str:
    """Why a domain of that name cannot be told to virsh through a shell; empty when it can.

    In single quotes every shell takes all that is left as it stands, also csh and fish.
    """
    if not name or len(name) > MAX_NAME or not name.isprintable() or name != name.strip():
        return f"a name has 1 to {MAX_NAME} printable characters"
    if set(name) & set("'\\!"):
        return "a name with ', \\ or ! cannot be passed safely through every shell"
    if not (name[0].isalnum() or name[0] == "_"):
        return "a name begins with a letter, a digit or _"
    if _ID.fullmatch(name):
        return "virsh would take a number for the id of a running domain; rename it"
    return ""


def parse_list(text: str) -> dict[str, PowerState]:
    """The domains in what `virsh list --all` says; `ValueError` when it is no such list."""
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) < 2 or lines[0].split() != ["Id", "Name", "State"] or not _RULE.fullmatch(lines[1].strip()):  # noqa: PLR2004
        raise ValueError("it has no heading")
    domains: dict[str, PowerState] = {}
    for line in lines[2:]:
        row = _ROW.fullmatch(line)
        if row is None or row["name"] in domains:
            raise ValueError(f"it has the line {line.strip()[:80]!r}")
        domains[row["name"]] = STATES[row["state"]]
    return domains


def is_done_already(action: Action, ran: Ran) -> bool:
    """Whether virsh failed only because the domain is what it was to become."""
    err = ran.err.lower()
    return any(words in err for words in _DONE_ALREADY[action])


def meaning(ran: Ran) -> Meaning:
    """What a failed command says."""
    err = ran.err.lower()
    for words, known in _ERRORS:
        if words in err:
            return known
    if ran.status == _NOT_FOUND:
        return _NO_VIRSH
    return Meaning("virsh failed")


def said(ran: Ran) -> str:
    """The words of a failed command, for people."""
    text = " ".join(ran.err.split()) or f"exit code {ran.status}"
    return "".join(each for each in text if each.isprintable())[:_LONGEST_SAID]


def _command(virsh: str, uri: str, *words: str) -> str:
    """`env` sets the language of the answers whatever the login's shell is."""
    return shlex.join(["env", "LC_ALL=C", *shlex.split(virsh), "--connect", uri, *words])
