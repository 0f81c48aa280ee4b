"""Many SSH hosts at once: how many log-ons are under way, and who waits for whom."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest

from cloudmanager.drivers.base import PowerState
from cloudmanager.drivers.ssh import SshDevice, SshSettings
from cloudmanager.errors import DeviceUnreachable
from cloudmanager.simulators.ssh import SshHost
from cloudmanager.simulators.world import Account, World
from cloudmanager.ssh import connection as ssh_connection
from cloudmanager.ssh.arrival import greeted, turn
from tests.peers.sockets import silent_port

HOST = "127.0.0.1"


@pytest.fixture
async def rack():
    """Twelve simulated hosts with one running domain each, as settings to reach them."""
    world, hosts, settings = World(), [], []
    for number in range(12):
        world.add_node(f"n{number}", on=True)
        world.add_device(f"host{number}", "libvirt", accounts={1: Account("root", "secret")})
        world.plug(f"host{number}", "vm", f"n{number}")
        hosts.append(SshHost(world, f"host{number}"))
        port = await hosts[-1].start()
        reach = {"host": HOST, "port": port, "login": "root", "password": "secret"}
        settings.append({**reach, "host_key": hosts[-1].host_key})
    yield settings
    for host in hosts:
        await host.stop()


@pytest.fixture
def under_way(monkeypatch):
    """How many log-ons were under way when each began."""
    seen, now = [], set()
    log_on = ssh_connection._logged_on

    async def counted(*arguments):
        me = object()
        now.add(me)
        seen.append(len(now))
        try:
            return await log_on(*arguments)
        finally:
            now.discard(me)

    monkeypatch.setattr(ssh_connection, "_logged_on", counted)
    return seen


@contextlib.asynccontextmanager
async def drivers_of(settings, **changes):
    drivers = [SshDevice(SshSettings(**{**each, **changes})) for each in settings]
    try:
        yield drivers
    finally:
        await asyncio.gather(*(driver.close() for driver in drivers))


@pytest.mark.parametrize(("log_ons", "most"), [(3, 3), (1, 1), (0, 12)])
async def test_so_many_log_ons_at_once(rack, under_way, log_ons, most):
    async with drivers_of(rack, log_ons=log_ons, timeout=10) as drivers:
        states = await asyncio.gather(*(driver.read_states(["vm"]) for driver in drivers))
    assert states == [{"vm": PowerState.ON}] * 12
    assert len(under_way) == 12
    assert max(under_way) == most if log_ons else max(under_way) > 3


async def test_waiting_for_others_does_not_count_as_silence(rack):
    """The line is longer than what a host has for its answer, and nobody fails."""
    async with drivers_of(rack[:1], log_ons=1, timeout=1.0) as [driver]:
        async with turn(1):
            reading = asyncio.create_task(driver.read_states(["vm"]))
            await asyncio.sleep(1.5)
            assert not reading.done()
        assert await reading == {"vm": PowerState.ON}


async def test_silent_hosts_are_not_in_the_line(rack):
    with silent_port() as port:
        silent = [{**rack[0], "port": port}] * 5
        async with (
            drivers_of(silent, log_ons=1, timeout=5) as dead,
            drivers_of(rack[:1], log_ons=1) as [alive],
        ):
            waiting = [asyncio.create_task(driver.read_states(["vm"])) for driver in dead]
            await asyncio.sleep(0.2)
            started = time.monotonic()
            assert await alive.read_states(["vm"]) == {"vm": PowerState.ON}
            assert time.monotonic() - started < 4  # one of five alone would take longer
            assert not any(task.done() for task in waiting)
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)


async def test_who_is_cancelled_gives_the_place_back(rack):
    async with drivers_of(rack[:2], log_ons=1) as [first, second]:
        async with turn(1):
            reading = asyncio.create_task(first.read_states(["vm"]))
            await asyncio.sleep(0.3)
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
        assert await second.read_states(["vm"]) == {"vm": PowerState.ON}


async def test_a_host_that_ends_the_connection_is_unreachable(rack):
    async def hang_up(_, writer):
        writer.close()

    async with await asyncio.start_server(hang_up, HOST, 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with drivers_of([{**rack[0], "port": port}]) as [driver]:
            with pytest.raises(DeviceUnreachable):
                await driver.read_states(["vm"])


async def test_the_next_address_is_tried(rack, monkeypatch):
    loop = asyncio.get_running_loop()
    real = loop.getaddrinfo

    async def two(host, port, **options):
        [found] = await real(host, port, **options)
        return [(*found[:4], ("127.0.0.1", 1)), found]

    monkeypatch.setattr(loop, "getaddrinfo", two)
    (await greeted(HOST, rack[0]["port"])).close()
