"""The login shell of a simulated node: it finds the program that a command line means, and runs it."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from typing import TYPE_CHECKING

from cloudmanager.simulators.node_os.programs import PROGRAMS, READERS, SCRIPTS
from cloudmanager.simulators.node_os.systemd import pass_time
from cloudmanager.simulators.ssh.answer import Answer, Failed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudmanager.simulators.node_os.system import System

SUDO = "sudo"  # key of the system's state: what sudo says instead of obeying
SAYS = "says"  # key: {program: (out, err, status)} instead of what it would do
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
_NOT_FOUND = 127
_SHELLS = ("sh", "/bin/sh", "bash")
_WITH_VALUE = {"-u", "-g", "-k", "-s", "--kill-after", "--signal"}


class NodeShell:
    """Executes command lines. A script is known by the name after it, which is its `$0`."""

    def __init__(self, system: System) -> None:
        self.commands: Counter[str] = Counter()
        self._system = system

    def execute(self, command: str, stdin: bytes = b"") -> Answer:
        """Do what a command line says."""
        pass_time(self._system)
        try:
            return self._run(self._after_wrappers(_split(command)), stdin)
        except Failed as problem:
            return Answer(err=f"{problem}\n", status=problem.status)

    def reads_input(self, command: str) -> bool:
        """Whether what a command line runs waits for the end of its input."""
        try:
            return not READERS.isdisjoint(word.rpartition("/")[2] for word in _split(command))
        except Failed:
            return False

    def _run(self, words: Sequence[str], stdin: bytes) -> Answer:
        known = PROGRAMS
        if words[:1] and words[0] in _SHELLS and words[1:2] == ["-c"] and len(words) > 3:  # noqa: PLR2004
            words, known = words[3:], SCRIPTS
        name = words[0].rpartition("/")[2] if words else ""
        if told := self._system.part(SAYS, {}).get(name):
            return Answer(*told)
        if name not in known:
            raise Failed(f"sh: 1: {words[0] if words else ''}: not found", _NOT_FOUND)
        self.commands[name] += 1
        answer = known[name](self._system, words[1:], stdin)
        return answer if isinstance(answer, Answer) else Answer(out=answer)

    def _after_wrappers(self, words: Sequence[str]) -> Sequence[str]:
        """The words after variables and the programs that run another: env, sudo, timeout, exec."""
        while words:
            if _VARIABLE.match(words[0]) or words[0] in ("exec", "--"):
                words = words[1:]
                continue
            match words[0].rpartition("/")[2]:
                case "env":
                    words = words[1:]
                case "sudo":
                    if told := self._system.part(SUDO, ""):
                        raise Failed(told)
                    words = _after_options(words[1:])
                case "timeout":
                    words = _after_options(words[1:])[1:]
                case _:
                    break
        return words


def _split(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:
        raise Failed("sh: 1: Syntax error: Unterminated quoted string", 2) from None


def _after_options(words: Sequence[str]) -> Sequence[str]:
    while words and words[0].startswith("-"):
        if words[0] == "--":
            return words[1:]
        words = words[2:] if words[0] in _WITH_VALUE else words[1:]
    return words
