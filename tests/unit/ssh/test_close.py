"""The end of a connection to a host that takes no notice of it."""

from __future__ import annotations

import asyncio
import time

import pytest
from asyncssh.packet import String

from cloudmanager.drivers.ssh import SshSettings
from cloudmanager.simulators.ssh import SshHost
from cloudmanager.simulators.world import Account, World
from cloudmanager.ssh.connection import Connection
from cloudmanager.ssh.session import Broken

IGNORE = 2  # SSH_MSG_IGNORE, RFC 4253 §11.2
MORE_THAN_SOCKETS_HOLD = 600  # messages of 30 kB


@pytest.fixture
async def host():
    world = World()
    world.add_node("n1", on=True)
    world.add_device("host", "libvirt", accounts={1: Account("root", "secret")})
    world.plug("host", "vm", "n1")
    made = SshHost(world, "host")
    made.port = await made.start()
    yield made
    world.heal("host")
    await made.stop()


@pytest.fixture
async def connection(host):
    """Logged on; whatever a test does with it, nothing of it is left at the end."""
    settings = SshSettings(
        host="127.0.0.1", port=host.port, login="root", password="secret", host_key=host.host_key
    )
    opened = Connection(settings)
    await opened.open(soon())
    yield opened
    await opened.close()


def soon():
    return asyncio.get_running_loop().time() + 5


def fall_silent(host):
    """It takes what its socket holds and reads no more."""
    host._world.set_faults("host", dead=True)


def wire_of(connection):
    return connection._connection._transport


async def test_a_host_that_never_answers_the_good_bye(host, connection):
    before, wire = asyncio.all_tasks(), wire_of(connection)
    fall_silent(host)
    started = time.monotonic()
    await connection.close()
    assert time.monotonic() - started < 2
    assert wire.get_extra_info("socket").fileno() == -1
    assert asyncio.all_tasks() <= before


async def test_a_host_that_takes_no_good_bye(host, connection):
    """What was to be said lies in our buffer and cannot leave."""
    before, wire = asyncio.all_tasks(), wire_of(connection)
    fall_silent(host)
    for _ in range(MORE_THAN_SOCKETS_HOLD):
        connection._connection.send_packet(IGNORE, String(b"x" * 30_000))
    assert wire.get_write_buffer_size() > 0
    started = time.monotonic()
    await connection.close()
    assert time.monotonic() - started < 2
    assert wire.get_extra_info("socket").fileno() == -1
    assert asyncio.all_tasks() <= before


async def test_a_command_that_is_late_ends_the_connection_at_once(host, connection):
    before, wire = asyncio.all_tasks(), wire_of(connection)
    fall_silent(host)
    with pytest.raises(Broken, match="in time") as caught:
        await connection.run("virsh list", asyncio.get_running_loop().time() + 0.3)
    assert caught.value.late
    await connection.close()
    assert wire.get_extra_info("socket").fileno() == -1
    assert asyncio.all_tasks() <= before


@pytest.mark.parametrize("cancelled", [False, True])
async def test_an_end_that_does_not_come(host, connection, monkeypatch, cancelled):
    """Whatever asyncssh may wait for: it is waited for shortly, and then the connection is cut off."""
    ended, wire = connection._connection, wire_of(connection)
    monkeypatch.setattr(ended, "close", lambda: None)  # neither a good-bye nor an end
    started = time.monotonic()
    closing = asyncio.create_task(connection.close())
    if cancelled:
        await asyncio.sleep(0.1)
        closing.cancel()
    await asyncio.wait([closing])
    assert closing.cancelled() is cancelled
    assert time.monotonic() - started < 2
    await asyncio.sleep(0.05)
    assert wire.get_extra_info("socket").fileno() == -1


async def test_close_twice_and_without_use(host, connection):
    await connection.close()
    await connection.close()
    with pytest.raises(Broken, match="not connected"):
        await connection.run("virsh list", soon())
    await Connection(SshSettings(host="127.0.0.1", port=host.port)).close()
