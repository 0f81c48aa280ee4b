"""iscsiadm and multipathd of a simulated node, in the words of open-iscsi 2.1.8 and multipath-tools 0.9.

A storage offers a target for each volume of its volume groups, and those that are put under `TARGETS`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.simulators.ssh.answer import Answer, Failed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudmanager.simulators.node_os.system import System

TARGETS = "targets"  # key of the system's state: names of further targets that it offers
PREFIX = "iqn.2010-10.org.openstack:"
_PORT = "3260"
_NO_RECORDS, _LOGIN_FAILED, _UNREACHABLE, _EXISTS = 21, 8, 4, 15


def iscsiadm(system: System, words: Sequence[str], _stdin: bytes) -> str | Answer:
    """Discovery, the records of targets, sessions."""
    options = dict(zip(words, [*words[1:], ""], strict=True))
    target, portal = options.get("-T", ""), options.get("-p", "")
    match options.get("-m"), options.get("-o"):
        case "discovery", "nonpersistent":
            return _discover(system, portal)
        case "session", None:
            return _sessions(system)
        case "node", "new":
            system.part("iscsi nodes", {})[f"{portal} {target}"] = "manual"
            system.changed()
            added = f"[tcp:[hw=,ip=,net_if=,iscsi_if=default] {portal},{_PORT},-1 {target}]"
            return f"New iSCSI node {added} added\n"
        case "node", "update":
            _record(system, portal, target)
            system.part("iscsi nodes", {})[f"{portal} {target}"] = options.get("-v", "")
            system.changed()
            return ""
        case "node", None if "--login" in words:
            return _log_in(system, portal, target)
    raise Failed("iscsiadm: Invalid command", 7)


def multipathd(_system: System, words: Sequence[str], _stdin: bytes) -> str:
    """`multipathd reconfigure`."""
    if list(words) != ["reconfigure"]:
        raise Failed("fail")
    return "ok\n"


def offered(system: System) -> list[str]:
    """The targets that a storage offers."""
    groups = system.cloud.volumes.groups.values() if system.cloud else ()
    own = [group for group in groups if group.host == system.node.name]
    volumes = [name for group in own for name in group.logical if name.startswith("volume-")]
    return [*(f"{PREFIX}{name}" for name in sorted(volumes)), *system.part(TARGETS, [])]


def _storage_at(system: System, portal: str) -> System:
    address = portal.strip("[]")
    for other in system.others():
        if other.node.address == address and other.is_up:
            return other
    raise Failed(
        f"iscsiadm: cannot make connection to {portal}: No route to host\n"
        "iscsiadm: connection login retries (reopen_max) 5 exceeded\n"
        "iscsiadm: Could not perform SendTargets discovery: encountered connection failure",
        _UNREACHABLE,
    )


def _discover(system: System, portal: str) -> str:
    names = offered(_storage_at(system, portal))
    if not names:
        raise Failed("iscsiadm: No portals found", _NO_RECORDS)
    return "".join(f"{portal}:{_PORT},1 {name}\n" for name in names)


def _sessions(system: System) -> Answer:
    """Those that were begun since the node started, and those that begin with it."""
    lines = [
        f"tcp: [{number}] {portal}:{_PORT},1 {target} (non-flash)\n"
        for number, (portal, target) in enumerate(_logged_on(system), start=1)
    ]
    if not lines:
        return Answer(err="iscsiadm: No active sessions.\n", status=_NO_RECORDS)
    return Answer("".join(lines))


def _logged_on(system: System) -> list[tuple[str, str]]:
    automatic = [key for key, startup in system.part("iscsi nodes", {}).items() if startup == "automatic"]
    return [(key.partition(" ")[0], key.partition(" ")[2]) for key in system.volatile("sessions", automatic)]


def _record(system: System, portal: str, target: str) -> None:
    if f"{portal} {target}" not in system.part("iscsi nodes", {}):
        raise Failed("iscsiadm: No records found", _NO_RECORDS)


def _log_in(system: System, portal: str, target: str) -> Answer:
    _record(system, portal, target)
    if (portal, target) in _logged_on(system):
        return Answer(status=_EXISTS)
    if target not in offered(_storage_at(system, portal)):
        raise Failed(
            f"iscsiadm: Could not login to [iface: default, target: {target}, portal: {portal},{_PORT}].\n"
            "iscsiadm: initiator reported error (19 - encountered non-retryable iSCSI login failure)",
            _LOGIN_FAILED,
        )
    system.volatile("sessions", []).append(f"{portal} {target}")
    system.changed()
    return Answer(f"Logging in to [iface: default, target: {target}, portal: {portal},{_PORT}]\n")
