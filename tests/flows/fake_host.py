"""The operating systems of nodes in memory, behind the Host port.

    cloud.host.answer("os-family", "debian\\n")
    cloud.host.answer("write-file", lambda asked: files.update({asked.arguments["path"]: asked.data}), changes=True)
    cloud.host.answer("lvs", CommandFailed("no such volume group", status=5))

Commands and their arguments are checked by the real catalogue. `calls` are those that reached a node.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from cloudmanager.errors import HostUnreachable
from cloudmanager.host.catalogue import load
from cloudmanager.host.port import Output

CATALOGUE = load()


@dataclass(frozen=True)
class Asked:
    """One call."""

    node_id: int
    command: str
    arguments: dict[str, str] = field(default_factory=dict)
    data: bytes = b""


class FakeHost:
    """Keeps the promise of the Host port. Calls go through the line, where the worker may die."""

    def __init__(self, line):
        self.line = line
        self.calls: list[Asked] = []
        self.dead: set[int] = set()
        """Nodes that do not answer."""
        self.closed = 0
        self.log_offs: list[int] = []
        self._answers = {}
        self._changing: set[str] = set()

    def answer(self, command, answer="", *, changes=False):
        """What a command does from now on: a text or an `Output`, an exception, or what a function of `Asked`
        gives or raises. `changes`: it is an act, so that the crash sweep looks whether it was done twice."""
        self._answers[command] = answer
        (self._changing.add if changes else self._changing.discard)(command)

    def count(self):
        """How often each command reached a node."""
        return Counter(asked.command for asked in self.calls)

    async def run(self, node_id, command, arguments=None, *, data=b""):
        known = CATALOGUE[command]
        asked = Asked(node_id, command, known.checked(arguments or {}), data)
        assert known.stdin or not data, f"{command} takes no standard input"
        assert command in self._answers, f"the test gave no answer to {command}"
        changes = command in self._changing
        what = f"node {node_id}: {command}"
        return self.line.call(what, lambda: self._run(asked), lost=HostUnreachable, changes=changes)

    async def log_off(self, node_id):
        self.log_offs.append(node_id)

    async def close(self):
        self.closed += 1

    def _run(self, asked):
        if asked.node_id in self.dead:
            raise HostUnreachable(f"node {asked.node_id} does not answer")
        self.calls.append(asked)
        answer = self._answers[asked.command]
        if callable(answer) and not isinstance(answer, type):
            answer = answer(asked)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Output) else Output(answer or "")
