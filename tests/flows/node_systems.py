"""Simulated operating systems behind the Host port, without a wire: the product's own catalogue is run on them.

What a flow asks goes through the line, where the worker may die, is quoted as it would be, and is executed by the
node's simulated shell. Time is that of the flows.
"""

from __future__ import annotations

from collections import Counter

from cloudmanager.errors import HostRefused, HostUnreachable
from cloudmanager.host.catalogue import load
from cloudmanager.host.family import family_of
from cloudmanager.host.line import line_of
from cloudmanager.host.port import Output
from cloudmanager.host.verdict import verdict
from cloudmanager.simulators.node_os import sshd
from cloudmanager.simulators.node_os.server import add_os
from cloudmanager.simulators.node_os.shell import NodeShell
from cloudmanager.simulators.node_os.system import BOOT_SECONDS, System
from cloudmanager.simulators.node_os.systemd import pass_time
from cloudmanager.simulators.world import World
from cloudmanager.ssh.session import Ran

OURS = "10.0.0.7"
CATALOGUE = load()
_LOOKING = (
    "state",
    "rules",
    "show",
    "check",
    "effective",
    "look",
    "id",
    "log",
    "needed",
    "status",
    "sessions",
    "connection",
)


class FlowClock:
    """The world's time is that of the flows; nothing happens by itself."""

    def __init__(self, clock):
        self.now = clock.now

    def call_later(self, delay, callback, *args):
        raise AssertionError("nothing in these tests happens later by itself")


class NodeSystems:
    """Keeps the promise of the Host port over simulated systems, by node id."""

    def __init__(self, line, clock):
        self.line = line
        self.clock = clock
        self.world = World(clock=FlowClock(clock))
        self.systems: dict[int, System] = {}
        self.ran: list[str] = []
        self.dead: set[int] = set()
        """Nodes that do not answer."""
        self._logged_on: set[int] = set()

    def add(self, node_id, name, *, family="debian", address=""):
        """Install a system that has run for a while."""
        node = self.world.add_node(name, on=True)
        node.address = address
        node.power_changed_at -= BOOT_SECONDS
        system = System(self.world, add_os(self.world, name, password="secret").name)
        system.part("family", family)
        system.client = f"{OURS} 52311 10.0.1.1 22"
        self.systems[node_id] = system
        return system

    def shell(self, node_id):
        return NodeShell(self.systems[node_id])

    def count(self):
        """How often each command was run."""
        return Counter(self.ran)

    async def run(self, node_id, command, arguments=None, *, data=b""):
        known = CATALOGUE[command]
        values = known.checked(arguments or {})
        what = f"node {node_id}: {command}"
        changes = known.sudo and not command.endswith(_LOOKING)
        return self.line.call(
            what, lambda: self._run(node_id, known, values, data), lost=HostUnreachable, changes=changes
        )

    async def log_off(self, node_id):
        self._logged_on.discard(node_id)

    async def close(self):
        self._logged_on.clear()

    def _run(self, node_id, known, values, data):
        system = self.systems[node_id]
        if node_id in self.dead or not system.is_up:
            self._logged_on.discard(node_id)
            raise HostUnreachable(f"node {node_id} does not answer")
        pass_time(system)
        if node_id not in self._logged_on and not sshd.admits(system, OURS):
            raise HostRefused(f"node {node_id} refused the credentials")
        self._logged_on.add(node_id)
        self.ran.append(known.name)
        shell = NodeShell(system)
        family = family_of(shell.execute("cat /etc/os-release").out)
        check = known.check_words(family, values)
        if check and shell.execute(line_of(check, sudo=known.sudo, timeout=known.timeout)).status == 0:
            return Output("", changed=False)
        line = line_of(known.words(family, values), sudo=known.sudo, timeout=known.timeout)
        answer = shell.execute(line, data)
        return verdict(f"node {node_id}", "root", known, Ran(answer.status, answer.out, answer.err), took=0.0)
