"""sshd: its check of the configuration, its rules, and whom they let in. Words are those of OpenSSH 9.2."""

from __future__ import annotations

import fnmatch
import ipaddress
from typing import TYPE_CHECKING

from cloudmanager.simulators.ssh.answer import Failed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudmanager.simulators.node_os.system import System

DROP_INS = "/etc/ssh/sshd_config.d/"
IGNORES_DROP_INS = "sshd has no Include"  # key of the system's state
_KNOWN = {"match", "denyusers", "allowusers", "#"}
_WRONG = 255


def sshd(system: System, words: Sequence[str], _stdin: bytes) -> str:
    """`sshd -t` checks; `sshd -T -C addr=…` tells what would hold for a connection."""
    _check(system)
    match words:
        case ["-t"]:
            return ""
        case ["-T", "-C", who]:
            address = dict(part.partition("=")[::2] for part in who.split(","))["addr"]
            denied = "denyusers *\n" if _denied(_rules(system), address) else ""
            return f"port 22\naddressfamily any\npermitrootlogin without-password\n{denied}"
    raise Failed("usage: sshd [-46DdeGiqTtV] [-C connection_spec]", 1)


def begin(system: System) -> None:
    """Take the rules that the node was started with."""
    if "rules" not in system.volatile("sshd", {}):
        reload(system)


def reload(system: System) -> None:
    """Take the rules that are in the files now."""
    system.volatile("sshd", {})["rules"] = _rules(system)
    system.changed()


def admits(system: System, address: str) -> bool:
    """Whether the rules of the running sshd let anybody in from an address."""
    begin(system)
    return not _denied(system.volatile("sshd", {})["rules"], address)


def undo(system: System, _unit: str) -> int:
    """What the script `ssh-undo` does: take the drop-in away and reload."""
    system.files.pop(f"{DROP_INS}00-cloudmanager.conf", None)
    reload(system)
    return 0


def _rules(system: System) -> list[str]:
    if system.part(IGNORES_DROP_INS, False):
        return []
    texts = [text for path, text in sorted(system.files.items()) if path.startswith(DROP_INS)]
    return [line.strip() for text in texts for line in text.splitlines() if line.strip()]


def _check(system: System) -> None:
    for number, line in enumerate(_rules(system), start=1):
        word = line.split()[0]
        if not (word.startswith("#") or word.lower() in _KNOWN):
            raise Failed(f"{DROP_INS}: line {number}: Bad configuration option: {word}", _WRONG)


def _denied(rules: Sequence[str], address: str) -> bool:
    """Whether `DenyUsers *` holds: in no block, or in one whose addresses match."""
    holds = True
    for rule in rules:
        word, _, value = rule.partition(" ")
        if word.lower() == "match":
            holds = value.strip().lower() == "all" or _matches(value.split(None, 1)[-1], address)
        elif word.lower() == "denyusers" and holds and value.strip() == "*":
            return True
    return False


def _matches(patterns: str, address: str) -> bool:
    """As addr_match_list() does: one that is negated and matches wins."""
    found = False
    for pattern in patterns.split(","):
        bare = pattern.strip().removeprefix("!")
        if _is_in(bare, address):
            if pattern.strip().startswith("!"):
                return False
            found = True
    return found


def _is_in(pattern: str, address: str) -> bool:
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(pattern, strict=False)
    except ValueError:
        return fnmatch.fnmatchcase(address, pattern)
