"""SSH servers of simulated machines: who may log on, and the wire to them."""

from __future__ import annotations

import abc
import asyncio
import contextlib
import functools
import secrets
import socket
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import asyncssh

from cloudmanager.simulators.listener import Connections, Listener, cut
from cloudmanager.simulators.ssh.shell import Shell

if TYPE_CHECKING:
    from cloudmanager.simulators.ssh.answer import Answer
    from cloudmanager.simulators.world import Device, World

HOST_KEY = "host key"  # keys in the device's memory: its private key in OpenSSH form
AUTHORIZED_KEYS = "authorized keys"  # lines of a file of that name, good for every account
_CHUNK = 65536
_LOOK_AGAIN = 0.02  # seconds until a dead host is looked at again


@dataclass(slots=True)
class Counters(Connections):
    """What the host saw."""

    log_ons: int = 0
    commands: int = 0


class SshServer(abc.ABC):
    """One machine: takes connections, lets accounts in by password or key, runs their commands."""

    def __init__(self, world: World, device: str) -> None:
        self.counters = Counters()
        self._world = world
        self._device = world.device(device)
        self._listener = Listener(self._serve, self.counters)

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen, and answer the real port; `OSError` if the wanted one is taken."""
        if HOST_KEY not in self._device.memory:
            key = asyncssh.generate_private_key("ssh-ed25519").export_private_key()
            self._world.remember(self._device.name, HOST_KEY, key.decode())
        return await self._listener.start(host, port)

    async def stop(self) -> None:
        """Listen no more and cut all connections."""
        await self._listener.stop()

    def report(self) -> dict[str, Any]:
        """The counters in values that JSON can hold."""
        return asdict(self.counters)

    @abc.abstractmethod
    def execute(self, command: str, stdin: bytes, client: str) -> Answer:
        """Do what a command line says; `client` is where it came from, as `SSH_CONNECTION` has it."""

    def reads_input(self, command: str) -> bool:  # noqa: ARG002 - most do not
        """Whether a command waits for the end of its input."""
        return False

    def answers(self) -> bool:
        """Whether anybody takes connections at all."""
        return True

    def admits(self, login: str, address: str) -> bool:  # noqa: ARG002 - everybody, from everywhere
        """Whether an account may log on from an address, once it has proved who it is."""
        return True

    @property
    def host_key(self) -> str:
        """The public key that a client should trust, as one line."""
        return public_host_key(self._device)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        faults = self._device.faults
        refuses = faults.refuse_connections or self.counters.connections_open > faults.session_limit
        if refuses or not self.answers():
            cut(writer)
            return
        with contextlib.suppress(asyncssh.Error):  # it does not speak SSH
            await self._speak(reader, writer)

    async def _speak(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Let asyncssh speak through a pair of sockets, whose other end is carried to the client."""
        inner, outer = socket.socketpair()
        inner_reader, inner_writer = await asyncio.open_connection(sock=outer)
        server = asyncio.ensure_future(
            asyncssh.run_server(
                inner,
                server_factory=functools.partial(_Guard, self, writer.get_extra_info("peername")[0]),
                process_factory=functools.partial(self._run, writer),
                server_host_keys=[asyncssh.import_private_key(self._device.memory[HOST_KEY])],
                encoding=None,
                line_editor=False,
            )
        )
        ways = [
            asyncio.ensure_future(self._carry(reader, inner_writer)),
            asyncio.ensure_future(self._carry(inner_reader, writer)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in ways:
                task.cancel()
            inner_writer.transport.abort()
            results = await asyncio.gather(server, *ways, return_exceptions=True)
            if isinstance(results[0], asyncssh.SSHServerConnection):
                await results[0].wait_closed()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry bytes; a host that is dead leaves them lying, and goes on when it lives again."""
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK):
                while self._device.faults.dead:  # noqa: ASYNC110 - faults are values
                    await asyncio.sleep(_LOOK_AGAIN)
                writer.write(data)
                await writer.drain()

    async def _run(self, wire: asyncio.StreamWriter, process: asyncssh.SSHServerProcess[bytes]) -> None:
        """Run one command; its answer may come late, damaged, or not at all and the connection ends."""
        self.counters.commands += 1
        command = process.command or ""
        stdin = await process.stdin.read() if self.reads_input(command) else b""
        answer = self.execute(command, stdin, _connection(wire))
        faults = self._device.faults
        if faults.lag:
            await asyncio.sleep(faults.lag)
        out = self._world.wire.through_stream(faults, answer.out.encode() or b"\n")
        if out is None:
            wire.transport.abort()
            return
        process.stdout.write(out if answer.out else b"")
        process.stderr.write(answer.err.encode())
        process.exit(answer.status)


class SshHost(SshServer):
    """A libvirt host: it knows nothing but virsh."""

    def __init__(self, world: World, device: str) -> None:
        super().__init__(world, device)
        self.shell = Shell(world, device)

    def report(self) -> dict[str, Any]:
        """The counters, and virsh's commands by their name."""
        return {**super().report(), "virsh": dict(self.shell.commands)}

    def execute(self, command: str, stdin: bytes, client: str) -> Answer:  # noqa: ARG002 - virsh reads none
        """Do what a command line says."""
        return self.shell.execute(command)


def _connection(wire: asyncio.StreamWriter) -> str:
    """The two ends of a connection, as `SSH_CONNECTION` tells them."""
    ends = (*wire.get_extra_info("peername")[:2], *wire.get_extra_info("sockname")[:2])
    return " ".join(str(each) for each in ends)


def public_host_key(device: Device) -> str:
    """The public key of a host that has been started once, as one line."""
    key = asyncssh.import_private_key(device.memory[HOST_KEY])
    return key.export_public_key().decode().strip()


class _Guard(asyncssh.SSHServer):
    """Who may log on to a host."""

    def __init__(self, host: SshServer, client: str) -> None:
        self._host = host
        self._client = client
        self._device: Device = host._device  # noqa: SLF001 - a part of the host
        self._connection: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """Keep it: it takes the keys that are authorized."""
        self._connection = conn

    def begin_auth(self, username: str) -> bool:
        """Nobody comes in without proof."""
        lines = self._device.memory.get(AUTHORIZED_KEYS, "")
        if self._connection is not None and lines and self._password_of(username) is not None:
            self._connection.set_authorized_keys(asyncssh.import_authorized_keys(lines))
        return True

    def auth_completed(self) -> None:
        """Count it."""
        self._host.counters.log_ons += 1

    def password_auth_supported(self) -> bool:
        """It is."""
        return True

    def validate_password(self, username: str, password: str) -> bool:
        """Whether it is the password of an account."""
        wanted = self._password_of(username)
        return wanted is not None and secrets.compare_digest(wanted.encode(), password.encode())

    def _password_of(self, login: str) -> str | None:
        if self._device.faults.reject_credentials or not self._host.admits(login, self._client):
            return None
        accounts = self._device.accounts.values()
        return next((each.password for each in accounts if each.enabled and each.name == login), None)
