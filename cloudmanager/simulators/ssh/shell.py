"""The shell of a libvirt host that knows nothing but virsh; its domains are nodes of the world.

The words and exit codes are those of virsh 9.0 (tools/virsh-domain.c, tools/virsh-domain-monitor.c).
"""

from __future__ import annotations

import shlex
from collections import Counter
from typing import TYPE_CHECKING

from cloudmanager.simulators.ssh.answer import Answer, Failed
from cloudmanager.simulators.world import Action, NotPossible, Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudmanager.simulators.world import World

REFUSAL = "refusal"  # key in the device's memory: what virsh says when it refuses, instead of the usual
STATES = "states"  # key in the device's memory: other words than "running" for domains that are active
_OFF = "shut off"
_VERBS = {
    "start": (Action.ON, "started"),
    "destroy": (Action.OFF, "destroyed"),
    "shutdown": (Action.SOFT_OFF, "is being shutdown"),
    "reset": (Action.RESET, "was reset"),
}


class Shell:
    """Executes commands for one device, whose outlets are the names of its domains."""

    def __init__(self, world: World, device: str) -> None:
        self.commands: Counter[str] = Counter()
        self._world = world
        self._device = world.device(device)

    def execute(self, command: str) -> Answer:
        """Do what a command line says."""
        try:
            return Answer(out=self._virsh(_after_virsh(command)))
        except Failed as problem:
            return Answer(err=f"{problem}\n", status=problem.status)

    def _virsh(self, words: Sequence[str]) -> str:
        self.commands[words[0] if words else ""] += 1
        match words:
            case ["list", "--all"]:
                return self._table()
            case ["list", "--all", "--name"]:
                return "".join(f"{name}\n" for name in self._device.outlets) + "\n"
            case ["domstate", name]:
                return f"{self._state(self._domain(name))}\n\n"
            case [verb, name] if verb in _VERBS:
                return self._act(verb, self._domain(name))
        raise Failed(f"error: unknown command: '{words[0] if words else ''}'")

    def _table(self) -> str:
        """`list` as vshTablePrint() of libvirt 4.10 and later draws it."""
        ids = {name: str(place) for place, name in enumerate(self._active(), start=1)}
        rows = [("Id", "Name", "State")]
        rows += [(ids.get(name, "-"), name, self._state(name)) for name in self._device.outlets]
        widths = [max(len(row[column]) for row in rows) + 3 for column in range(3)]
        lines = [
            " " + "".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
        lines.insert(1, "-" * sum(widths))
        return "\n".join(lines) + "\n\n"

    def _active(self) -> list[str]:
        return [name for name in self._device.outlets if self._state(name) != _OFF]

    def _domain(self, name: str) -> str:
        """Find a domain as virsh does: a number is the id of an active one, and only then a name."""
        active = self._active()
        if name.isdecimal() and 1 <= int(name) <= len(active):
            return active[int(name) - 1]
        if name not in self._device.outlets:
            raise Failed(
                f"error: failed to get domain '{name}'\n"
                f"error: Domain not found: no domain with matching name '{name}'"
            )
        return name

    def _state(self, name: str) -> str:
        if self._world.read(self._device.name, name):
            return str(self._device.memory.get(STATES, {}).get(name, "running"))
        return _OFF

    def _act(self, verb: str, name: str) -> str:
        action, done = _VERBS[verb]
        failed = f"error: Failed to {verb} domain '{name}'"
        try:
            self._check(name, action)
            self._world.switch(self._device.name, name, action)
        except Refused as problem:
            words = self._device.memory.get(REFUSAL, "error: internal error: cannot execute command")
            raise Failed(f"{failed}\n{words}", problem.code) from None
        except NotPossible:
            reason = "error: Requested operation is not valid: domain is not running"
            raise Failed(f"{failed}\n{reason}") from None
        return f"Domain '{name}' {done}\n\n"

    def _check(self, name: str, action: Action) -> None:
        """Say no where virsh does and a relay would not: on for what is on, off for what is off."""
        active = self._world.wired(self._device.name, name).on
        if self._device.faults.refuse is None and action is Action.ON and active:
            raise Failed("error: Domain is already active")
        if self._device.faults.refuse is None and action is Action.OFF and not active:
            raise NotPossible


def _after_virsh(command: str) -> Sequence[str]:
    """The words for virsh in a command line; variables, sudo and the connection are taken as they come."""
    try:
        words = shlex.split(command)
    except ValueError:
        raise Failed("sh: 1: Syntax error: Unterminated quoted string", 2) from None
    if words[:1] == ["env"]:
        words = words[1:]
        while words and "=" in words[0]:
            words = words[1:]
    if words[:2] == ["sudo", "-n"]:
        words = words[2:]
    if words[:1] != ["virsh"]:
        raise Failed(f"sh: 1: {words[0] if words else ''}: not found", 127)
    return words[3:] if words[1:2] in (["--connect"], ["-c"]) else words[1:]
