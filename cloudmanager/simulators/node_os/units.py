"""The units of a node's systemd, with those that `systemd-run` made, and the time that passes for them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudmanager.simulators.node_os.system import System

_INSTALLED = {  # True: enabled by the installation
    "debian": {
        "ssh.service": True,
        "snmpd.service": False,
        "rsyslog.service": True,
        "nova-compute.service": True,
        "libvirtd.service": True,
        "iscsid.service": True,
        "multipathd.service": True,
    },
    "redhat": {
        "sshd.service": True,
        "snmpd.service": False,
        "rsyslog.service": True,
        "openstack-nova-compute.service": True,
        "libvirtd.service": True,
        "iscsid.service": True,
        "multipathd.service": True,
    },
}
_UNIT_DIRECTORY = "/etc/systemd/system/"
REMOVED = "removed units"  # key of the system's state: names of units that are not installed after all


@dataclass(frozen=True)
class Unit:
    """What `systemctl show` tells of one."""

    load: str = "not-found"
    active: str = "inactive"
    sub: str = "dead"
    file: str = ""
    result: str = "success"
    status: int = 0
    invocation: str = ""


def full(name: str) -> str:
    """The whole name: without a suffix it is a service."""
    return name if "." in name else f"{name}.service"


def unit(system: System, name: str) -> Unit:
    """A unit as it is now."""
    name = full(name)
    if (made := transient(system).get(name)) is not None:
        return Unit(
            load="loaded",
            active=made["active"],
            sub=made["sub"],
            file="transient",
            result=made["result"],
            status=made["status"],
            invocation=made["invocation"],
        )
    if not exists(system, name):
        return Unit()
    enabled = _is_enabled(system, name)
    run = _running(system).get(name)
    if run is None:  # untouched since the node started
        run = {"active": "active" if enabled else "inactive", "invocation": ""}
        if enabled:
            run["invocation"] = uuid.uuid5(uuid.UUID(system.node.boot_id), name).hex
    sub = {"active": "running", "failed": "failed"}.get(run["active"], "dead")
    return Unit(
        load="loaded",
        active=run["active"],
        sub=sub,
        file="enabled" if enabled else "disabled",
        result="exit-code" if run["active"] == "failed" else "success",
        status=1 if run["active"] == "failed" else 0,
        invocation=run["invocation"],
    )


def exists(system: System, name: str) -> bool:
    """Whether there is a file for a unit."""
    if name in system.part(REMOVED, []):
        return False
    return name in _INSTALLED[system.family] or f"{_UNIT_DIRECTORY}{name}" in system.files


def enable(system: System, name: str, enabled: bool) -> None:
    """Start it with the node from now on, or not."""
    system.part("enabled", {})[name] = enabled
    system.changed()


def set_running(system: System, name: str, active: str) -> None:
    """Start it anew (`active`), end it (`inactive`), or let it have failed."""
    _running(system)[name] = {"active": active, "invocation": uuid.uuid4().hex}
    system.changed()


def transient(system: System) -> dict[str, dict[str, Any]]:
    """The units that `systemd-run` made since the node started."""
    made: dict[str, dict[str, Any]] = system.volatile("transient", {})
    return made


def make(system: System, name: str, *, seconds: float, timer: bool, script: str, stays: bool) -> None:
    """A unit of a script that ends after so many seconds, or begins then, when it is a timer."""
    transient(system)[name] = {
        "active": "active",
        "sub": "waiting" if timer else "running",
        "result": "success",
        "status": 0,
        "invocation": uuid.uuid4().hex,
        "due": system.world.clock.now() + seconds,
        "script": script,
        "stays": stays and not timer,
    }
    system.changed()


def pass_time(system: System, scripts: dict[str, Callable[[System, str], int]]) -> None:
    """Run the scripts whose time has come; {name of a script: what it does, answering its exit status}."""
    now = system.world.clock.now()
    for name, made in list(transient(system).items()):
        if made["due"] is None or made["due"] > now:
            continue
        made["due"] = None
        status = scripts[made["script"]](system, name)
        made.update(status=status, result="exit-code" if status else "success")
        made.update(active="failed" if status else "active", sub="failed" if status else "exited")
        if not status and not made["stays"]:
            del transient(system)[name]
        system.changed()


def _is_enabled(system: System, name: str) -> bool:
    return bool(system.part("enabled", {}).get(name, _INSTALLED[system.family].get(name, False)))


def _running(system: System) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = system.volatile("running", {})
    return found
