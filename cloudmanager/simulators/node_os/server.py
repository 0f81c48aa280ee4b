"""The SSH server of a simulated node: it is there while the node runs, and lets in whom its rules admit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudmanager.simulators.node_os import sshd
from cloudmanager.simulators.node_os.shell import NodeShell
from cloudmanager.simulators.node_os.system import KIND, OUTLET, System
from cloudmanager.simulators.node_os.systemd import pass_time
from cloudmanager.simulators.ssh.host import SshServer
from cloudmanager.simulators.world import Account

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from cloudmanager.simulators.openstack.cloud import OpenStack
    from cloudmanager.simulators.ssh.answer import Answer
    from cloudmanager.simulators.world import Device, Event, World

_ENDS = ("power off", "shutdown", "reset")  # what the world says when a system stops without a word


class NodeOs(SshServer):
    """One node's operating system on the wire."""

    kind = KIND

    def __init__(self, world: World, device: str, cloud: OpenStack | None = None) -> None:
        super().__init__(world, device)
        self.system = System(world, device, cloud)
        self.shell = NodeShell(self.system)
        self._wires: set[asyncio.StreamWriter] = set()
        self._unwatch: Callable[[], None] | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen, and answer the real port."""
        real_port = await super().start(host, port)
        self._unwatch = self._world.watch(self._cut_off)
        return real_port

    async def stop(self) -> None:
        """Listen no more and cut all connections."""
        if self._unwatch:
            self._unwatch()
        await super().stop()

    def report(self) -> dict[str, Any]:
        """The counters, and what was run."""
        return {**super().report(), "ran": dict(self.shell.commands)}

    def execute(self, command: str, stdin: bytes, client: str) -> Answer:
        """Do what a command line says."""
        self.system.client = client
        return self.shell.execute(command, stdin)

    def reads_input(self, command: str) -> bool:
        """Whether a program among its words reads."""
        return self.shell.reads_input(command)

    def answers(self) -> bool:
        """Whether the node runs."""
        return self.system.is_up

    def admits(self, login: str, address: str) -> bool:  # noqa: ARG002 - the rules name addresses only
        """Whether sshd's rules let anybody in from there."""
        pass_time(self.system)
        return sshd.admits(self.system, address)

    async def _speak(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._wires.add(writer)
        try:
            await super()._speak(reader, writer)
        finally:
            self._wires.discard(writer)

    def _cut_off(self, event: Event) -> None:
        """End all connections when the node loses power or starts anew."""
        if event.what in _ENDS and event.subject == self.system.node.name:
            for wire in tuple(self._wires):
                wire.transport.abort()


def add_os(world: World, node: str, *, password: str, login: str = "cloudmanager", port: int = 0) -> Device:
    """Install an operating system on a node; its device is `os-<first label of the node's name>`.

    On the network of the data centre its address is told by where the node stands; we reach it by its port.
    """
    found = world.node(node)
    found.address = found.address or f"10.0.{found.rack}.{found.unit}"
    account = Account(login, password)
    device = world.add_device(f"os-{node.partition('.')[0]}", KIND, port=port, accounts={1: account})
    world.plug(device.name, OUTLET, node)
    return device
