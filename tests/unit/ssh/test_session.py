"""One command on a connection: its input, its end by a signal, and what is left of it when nobody waits."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import asyncssh
import pytest

from cloudmanager.ssh.connection import Connection
from cloudmanager.ssh.session import Broken, Killed

HOST = "127.0.0.1"


@pytest.fixture
async def server():
    """Runs `echo` (says its input), `killed`, `wait` and `flood`; `signals` are those that commands got."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    state = SimpleNamespace(signals=[], begun=asyncio.Event(), told=asyncio.Event())

    async def run(process):
        match process.command:
            case "echo":
                process.stdout.write(await process.stdin.read())
                process.exit(3)
            case "killed":
                process.channel.exit_with_signal("KILL", msg="out of memory")
            case "flood":
                process.stdout.write(b"x" * 100)
                process.stderr.write(b"y" * 10)
                process.exit(0)
            case "wait":
                state.begun.set()
                try:
                    while True:
                        await process.stdin.read(1)  # raises what the client signals
                        await asyncio.sleep(0.01)
                except asyncssh.SignalReceived as problem:
                    state.signals.append(problem.signal)
                    state.told.set()

    async def begin(process):
        state.task = asyncio.create_task(run(process))

    class Everybody(asyncssh.SSHServer):
        def begin_auth(self, username):
            return False

    options = {"server_factory": Everybody, "process_factory": begin, "encoding": None, "line_editor": False}
    async with await asyncssh.listen(HOST, 0, server_host_keys=[key], **options) as listener:
        state.way = SimpleNamespace(
            host=HOST,
            port=listener.get_port(),
            login="x",
            password="",
            ssh_key="",
            host_key=key.export_public_key().decode(),
            known_hosts="",
            log_ons=0,
        )
        yield state


@pytest.fixture
async def connection(server):
    connection = Connection(server.way)
    await connection.open(soon())
    yield connection
    await connection.close()


def soon():
    return asyncio.get_running_loop().time() + 20


async def test_input_becomes_output(connection):
    data = bytes(range(256)) * 4000
    ran = await connection.run("echo", soon(), data=data, keep=2_000_000)
    assert (ran.status, ran.out, ran.left_out) == (3, data.decode(errors="replace"), 0)
    assert (await connection.run("echo", soon())).out == ""


async def test_a_signal_leaves_the_connection_good(connection):
    with pytest.raises(Killed, match="signal KILL") as caught:
        await connection.run("killed", soon())
    assert (caught.value.signal, caught.value.sent) == ("KILL", True)
    assert connection.is_open
    assert (await connection.run("echo", soon())).status == 3


async def test_too_much_is_cut_or_refused(connection):
    ran = await connection.run("flood", soon(), keep=20, cuts=True)
    assert (ran.status, ran.left_out, ran.err) == (0, 80, "y" * 10)
    assert ran.out == "x" * 10 + "\n[80 bytes are left out here]\n" + "x" * 10
    with pytest.raises(Broken, match="says more than 20 bytes"):
        await connection.run("flood", soon(), keep=20)
    assert connection.is_open


async def test_who_is_cancelled_asks_the_host_to_end_it(connection, server):
    running = asyncio.create_task(connection.run("wait", soon(), data=b"x"))
    await server.begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    async with asyncio.timeout(10):
        await server.told.wait()
    assert server.signals == ["TERM"]
    assert (await connection.run("echo", soon())).status == 3


async def test_silence_ends_the_connection(connection, server):
    with pytest.raises(Broken) as caught:
        await connection.run("wait", asyncio.get_running_loop().time() + 0.3, data=b"x")
    assert (caught.value.sent, caught.value.late) == (True, True)
    async with asyncio.timeout(10):
        while connection.is_open:
            await asyncio.sleep(0.01)
    server.task.cancel()
