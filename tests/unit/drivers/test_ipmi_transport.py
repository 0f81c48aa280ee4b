"""The shared sockets: who gets which packet, what is ignored, and that nothing stays behind."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import weakref

import pytest

from cloudmanager.drivers.ipmi.ciphers import SUITE_3
from cloudmanager.drivers.ipmi.commands import CHASSIS_STATUS, power_is_on
from cloudmanager.drivers.ipmi.logon import Account
from cloudmanager.drivers.ipmi.transport import Transport
from cloudmanager.errors import DeviceError, DeviceUnreachable
from cloudmanager.simulators import ipmi as simulated
from cloudmanager.simulators.world import Account as DeviceAccount
from cloudmanager.simulators.world import World

ACCOUNT = Account(b"ADMIN", b"secret")


class Rack:
    """So many simulated BMCs on sockets of this event loop; `copies` of every answer go out, by `answers_from`."""

    def __init__(self, stack):
        self.stack = stack
        self.world = World()
        self.packets = []
        self.answers_from = None

    def bmc(self, host="127.0.0.1"):
        name = f"n{len(self.world.nodes)}"
        self.world.add_node(name, on=True)
        self.world.add_device(name, "bmc", accounts={2: DeviceAccount("ADMIN", "secret")})
        self.world.plug(name, "1", name)
        device = simulated.Bmc(self.world, name)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        opened = self.stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
        opened.bind((host, 0))
        opened.setblocking(False)
        loop = asyncio.get_running_loop()

        def readable():
            packet, peer = opened.recvfrom(2048)
            self.packets.append((packet, peer))
            answer = device.answer(packet, peer)
            if answer is not None:
                (self.answers_from or opened).sendto(answer, peer)

        loop.add_reader(opened, readable)
        self.stack.callback(loop.remove_reader, opened)
        return opened.getsockname()


@pytest.fixture
async def rack():
    with contextlib.ExitStack() as stack:
        yield Rack(stack)


@pytest.fixture
async def transport():
    transport = Transport.current()
    yield transport
    released = [asyncio.Event() for accounts in transport._bmcs.values() for _ in accounts]
    bmcs = [bmc for accounts in transport._bmcs.values() for bmc in accounts.values()]
    for bmc, event in zip(bmcs, released, strict=True):
        transport._users[bmc] = 1
        transport.release(bmc, event.set)
    await asyncio.gather(*(event.wait() for event in released))
    assert transport._sockets == {}
    assert transport._sessions == {}
    assert len(transport._timers) == 0
    assert transport._timers._handle is None


def acquire(transport, address, account=ACCOUNT):
    return transport.acquire(f"bmc {address}", address, account, (SUITE_3,))


async def ask(bmc, within=2.0):
    loop = asyncio.get_running_loop()
    answer = loop.create_future()
    bmc.request(CHASSIS_STATUS, loop.time() + within, answer.set_result)
    result = await answer
    if isinstance(result, DeviceError):
        raise result
    return power_is_on(result)


async def test_hundreds_share_one_socket_and_one_timer(rack, transport):
    bmcs = [acquire(transport, rack.bmc()) for _ in range(300)]
    before = asyncio.all_tasks()
    loop = asyncio.get_running_loop()
    results = []
    for bmc in bmcs:
        bmc.request(CHASSIS_STATUS, loop.time() + 5, results.append)
    assert asyncio.all_tasks() == before
    async with asyncio.timeout(5):
        while len(results) < len(bmcs):
            await asyncio.sleep(0.01)
    assert [power_is_on(result) for result in results] == [True] * 300
    assert len(transport._sockets) == 1
    assert set(transport.ignored) <= {"stale"}  # answers to what a busy machine made us send twice
    assert len({peer for _, peer in rack.packets}) == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_both_families(rack, transport, host):
    address = await transport.resolve(host, rack.bmc(host)[1])
    assert await ask(acquire(transport, address)) is True


async def test_a_packet_from_another_address_is_ignored(rack, transport):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        rack.answers_from = other
        with pytest.raises(DeviceUnreachable):
            await ask(acquire(transport, rack.bmc()), within=0.4)
    assert transport.ignored == {"other_address": transport.ignored["other_address"]}
    assert transport.ignored["other_address"] >= 1


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (b"", "not_ipmi"),
        (b"\x06\x00\xff\x06" + bytes(20), "not_ipmi"),
        (b"\x06\x00\xff\x07\x06" + bytes(10), "not_ipmi"),
        (b"\x06\x00\xff\x07\x06\xc0" + b"\x01\x02\x03\x04" + bytes(30), "unknown_session"),
        (b"\x06\x00\xff\x07\x06\x11" + bytes(30), "unknown_session"),
    ],
)
async def test_what_is_not_for_us_is_ignored_and_counted(rack, transport, packet, reason):
    bmc = acquire(transport, rack.bmc())
    await ask(bmc)
    ours = rack.packets[0][1]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.sendto(packet, ours)
    await asyncio.sleep(0.05)
    assert transport.ignored == {reason: 1}
    assert await ask(bmc) is True


async def test_a_bad_packet_of_a_session_is_counted_by_its_reason(rack, transport):
    bmc = acquire(transport, rack.bmc())
    await ask(bmc)
    (session_id,) = transport._sessions
    whole = (
        b"\x06\x00\xff\x07\x06\xc0"
        + session_id
        + bytes(4)
        + b"\x20\x00"
        + bytes(32)
        + b"\xff\xff\x02\x07"
        + bytes(12)
    )
    for packet in (whole, whole[:-1], whole.replace(b"\xc0", b"\x00", 1)):
        transport._receive(packet, bmc.address)
    assert transport.ignored == {"integrity": 1, "truncated": 1, "unprotected": 1}


async def test_a_closed_port_is_told_at_once(transport, rack):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
        closed.bind(("127.0.0.1", 0))
        address = closed.getsockname()
    bmc = acquire(transport, address)
    other = acquire(transport, rack.bmc())
    async with asyncio.timeout(0.5):
        with pytest.raises(DeviceUnreachable, match="refused"):
            await ask(bmc)
        assert await ask(other) is True


async def test_the_error_of_one_does_not_hit_the_other(transport, rack):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
        closed.bind(("127.0.0.1", 0))
        address = closed.getsockname()
    good = [acquire(transport, rack.bmc()) for _ in range(50)]
    bad = acquire(transport, address)
    results = await asyncio.gather(ask(bad), *(ask(bmc) for bmc in good), ask(bad), return_exceptions=True)
    assert [result for result in results if result is True] == [True] * 50
    assert [type(result) for result in results if result is not True] == [DeviceUnreachable] * 2


async def test_a_destination_that_cannot_be_sent_to(transport):
    # A documentation address of a family without a route, or one that the kernel refuses.
    with pytest.raises(DeviceUnreachable):
        await ask(acquire(transport, ("255.255.255.255", 623)), within=0.5)


async def test_one_bmc_is_shared_and_logged_out_by_the_last(transport, rack):
    address = rack.bmc()
    first, second = acquire(transport, address), acquire(transport, address)
    assert first is second
    await ask(first)
    transport.release(first, lambda: None)
    assert await ask(second) is True
    assert len(transport._sessions) == 1
    done = asyncio.Event()
    transport.release(second, done.set)
    await done.wait()
    assert transport._sockets == {}


async def test_another_password_is_another_bmc(transport, rack):
    address = rack.bmc()
    other = Account(b"ADMIN", b"wrong")
    assert acquire(transport, address) is not acquire(transport, address, other)


async def test_acquired_again_while_it_logs_out(transport, rack):
    address = rack.bmc()
    bmc = acquire(transport, address)
    await ask(bmc)
    done = [asyncio.Event(), asyncio.Event()]
    transport.release(bmc, done[0].set)
    again = acquire(transport, address)
    assert again is bmc
    assert await ask(again) is True
    assert done[0].is_set()
    assert acquire(transport, address) is bmc
    transport.release(again, pytest.fail if done[1].is_set() else lambda: None)
    transport.release(again, done[1].set)
    for event in done:
        await event.wait()


async def test_what_was_to_be_sent_is_sent_before_the_socket_closes(transport, rack):
    """A log-on that is given up by `close` still tells the BMC."""
    bmc = acquire(transport, rack.bmc())
    await ask(bmc)
    done = asyncio.Event()
    transport.release(bmc, done.set)
    await done.wait()
    await asyncio.sleep(0.01)
    closes = [packet for packet, _ in rack.packets][-1]
    assert closes[5] == 0xC0


async def test_a_callback_that_fails_does_not_stop_the_others(transport, rack):
    loop = asyncio.get_running_loop()
    failures = []
    loop.set_exception_handler(lambda _, context: failures.append(context["exception"]))
    bmcs = [acquire(transport, rack.bmc()) for _ in range(20)]
    results = []

    def fails(result):
        raise RuntimeError("a fault of the caller")

    for number, bmc in enumerate(bmcs):
        bmc.request(CHASSIS_STATUS, loop.time() + 3, fails if number % 2 else results.append)
    async with asyncio.timeout(3):
        while len(results) + len(failures) < 20:
            await asyncio.sleep(0.01)
    assert len(failures) == 10
    assert all(power_is_on(result) for result in results)


async def test_a_callback_that_fails_while_sending_does_not_stop_the_others(transport, rack):
    loop = asyncio.get_running_loop()
    failures = []
    loop.set_exception_handler(lambda _, context: failures.append(context["exception"]))

    def fails(result):
        raise RuntimeError("a fault of the caller")

    acquire(transport, ("255.255.255.255", 623)).request(CHASSIS_STATUS, loop.time() + 3, fails)
    assert await ask(acquire(transport, rack.bmc()), within=0.2) is True
    assert len(failures) == 1


async def test_a_long_queue_leaves_the_loop_to_others(transport, rack):
    """While thousands of packets wait to be sent, other work of the loop goes on."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        accounts = [Account(b"ADMIN", str(number).encode()) for number in range(2000)]
        bmcs = [acquire(transport, silent.getsockname(), account) for account in accounts]
        for bmc in bmcs:
            bmc.request(CHASSIS_STATUS, loop.time() + 0.2, lambda result: None)
        turns = 0
        while transport._outgoing:
            turns += 1
            await asyncio.sleep(0)
        assert turns > 30
        await asyncio.sleep(0.4)
        assert transport._sessions == {}


async def test_names_are_remembered_for_a_while(transport, monkeypatch):
    loop = asyncio.get_running_loop()
    asked = []

    async def getaddrinfo(host, port, **_):
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_DGRAM, 17, "", ("192.0.2.7", port))]

    monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)
    for _ in range(3):
        assert await transport.resolve("bmc.example", 623) == ("192.0.2.7", 623)
    assert asked == ["bmc.example"]
    transport.forget_name("bmc.example", 623)
    await transport.resolve("bmc.example", 623)
    assert len(asked) == 2
    now = loop.time() + 61
    monkeypatch.setattr(loop, "time", lambda: now)
    await transport.resolve("bmc.example", 623)
    assert len(asked) == 3


@pytest.mark.parametrize(
    "name", ["no-such-host.invalid", "", "a" * 70 + ".example", "b\u00e4d..example", "a\0b"]
)
async def test_a_name_that_cannot_be_resolved(transport, name):
    with pytest.raises(DeviceUnreachable, match="cannot be resolved"):
        await transport.resolve(name, 623)


def test_each_loop_has_its_own_and_it_goes_with_the_loop():
    seen = []

    async def use():
        transport = Transport.current()
        assert Transport.current() is transport
        assert all(transport is not other for other in seen)
        seen.append(transport)

    for _ in range(3):
        asyncio.run(use())
    gone = [weakref.ref(transport) for transport in seen]
    seen.clear()
    gc.collect()
    assert [reference() for reference in gone] == [None] * 3
