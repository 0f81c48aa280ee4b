"""systemctl and systemd-run, in the words of systemd 252."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.simulators.node_os import sshd, units
from cloudmanager.simulators.node_os.daemons import starts
from cloudmanager.simulators.node_os.packages import UPDATE_SECONDS, update
from cloudmanager.simulators.ssh.answer import Answer, Failed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cloudmanager.simulators.node_os.system import System

_ABSENT = 4
_INACTIVE = 3
_NOT_LOADED = 5

SCRIPTS: dict[str, Callable[[System, str], int]] = {"ssh-undo": sshd.undo, "update-system": update}
_TAKE = {"update-system": UPDATE_SECONDS}


def pass_time(system: System) -> None:
    """Let happen what is due on a node that runs."""
    if system.is_up:
        sshd.begin(system)
        units.pass_time(system, SCRIPTS)


def systemctl(system: System, words: Sequence[str], _stdin: bytes) -> str | Answer:  # noqa: PLR0911
    """Show and change units."""
    options = [word for word in words if word.startswith("-")]
    verb, *names = [word for word in words if not word.startswith("-")] or [""]
    match verb, [units.full(name) for name in names]:
        case "daemon-reload", []:
            return ""
        case "show", [name]:
            return _show(system, name)
        case "is-active", [name]:
            active = units.unit(system, name).active
            return Answer(f"{active}\n", status=0 if active == "active" else _INACTIVE)
        case "is-enabled", [name]:
            return _is_enabled(system, name)
        case (("enable" | "disable"), [name]):
            return _enable(system, name, verb == "enable", now="--now" in options)
        case (("start" | "restart" | "stop" | "reload"), [name]):
            return _control(system, verb, name)
        case "reset-failed", [name]:
            units.transient(system).pop(name, None)
            return ""
    raise Failed(f"Unknown command verb {verb}.")


def systemd_run(system: System, words: Sequence[str], _stdin: bytes) -> Answer:
    """`systemd-run --unit=U [--on-active=S] [--remain-after-exit] sh -c TEXT NAME …`."""
    options = {}
    rest = list(words)
    while rest and rest[0].startswith("-"):
        name, _, value = rest.pop(0).partition("=")
        if name != "--":
            options[name] = value
    service = units.full(options.get("--unit", ""))
    timer = "--on-active" in options
    unit = service.removesuffix(".service") + ".timer" if timer else service
    if unit in units.transient(system):
        raise Failed(f"Failed to start transient service unit: Unit {unit} already exists.")
    match rest:
        case ["sh" | "/bin/sh", "-c", _text, script, *_] if script in SCRIPTS:
            seconds = float(options["--on-active"]) if timer else _TAKE[script]
            units.make(
                system,
                unit,
                seconds=seconds,
                timer=timer,
                script=script,
                stays="--remain-after-exit" in options,
            )
            return Answer(err=f"Running {'timer' if timer else 'script'} as unit: {unit}\n")
    raise Failed(f"Failed to find executable {rest[0] if rest else ''}: No such file or directory", 1)


def _show(system: System, name: str) -> str:
    found = units.unit(system, name)
    return (
        f"Result={found.result}\nExecMainStatus={found.status}\nLoadState={found.load}\n"
        f"ActiveState={found.active}\nSubState={found.sub}\nUnitFileState={found.file}\n"
        f"InvocationID={found.invocation}\n"
    )


def _is_enabled(system: System, name: str) -> Answer:
    found = units.unit(system, name)
    if found.load == "not-found":
        return Answer(err=f"Failed to get unit file state for {name}: No such file or directory\n", status=1)
    return Answer(f"{found.file}\n", status=0 if found.file == "enabled" else 1)


def _enable(system: System, name: str, enabled: bool, *, now: bool) -> str:
    if not units.exists(system, name):
        if enabled:
            raise Failed(f"Failed to enable unit: Unit file {name} does not exist.")
        raise Failed(f"Failed to disable unit: Unit file {name} does not exist.")
    units.enable(system, name, enabled)
    if now:
        _control(system, "start" if enabled else "stop", name)
    return ""


def _control(system: System, verb: str, name: str) -> str:
    found = units.unit(system, name)
    if found.load == "not-found":
        raise Failed(f"Failed to {verb} {name}: Unit {name} not found.", _NOT_LOADED)
    if verb == "reload":
        if found.active != "active":
            raise Failed(f"{name} is not active, cannot reload.")
        if name in ("ssh.service", "sshd.service"):
            sshd.reload(system)
        return ""
    if verb == "stop":
        if units.transient(system).pop(name, None) is None and found.active != "inactive":
            units.set_running(system, name, "inactive")
        return ""
    if verb == "start" and found.active == "active":
        return ""
    if starts(system, name):
        units.set_running(system, name, "active")
        return ""
    units.set_running(system, name, "failed")
    raise Failed(
        f"Job for {name} failed because the control process exited with error code.\n"
        f'See "systemctl status {name}" and "journalctl -xeu {name}" for details.'
    )
