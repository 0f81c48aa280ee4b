"""Whatever a device says, on its wire or in the right form: an answer or an error of ours comes out, in time.

The parsers of HTTP, Redfish, AMT, SNMP messages and IPMI packets have such tests beside them; these go through
whole drivers.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
import time

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloudmanager.drivers.base import Action, PowerState, Settings
from cloudmanager.drivers.ipmi import SupermicroRackDevice
from cloudmanager.drivers.modbus import ET7067, ModbusSettings
from cloudmanager.drivers.redfish import RedfishDevice
from cloudmanager.drivers.snmp import AcpiSettings, DaenetIP2, DaenetIP2_ACPI
from cloudmanager.drivers.ssh import SshDevice, SshSettings, virsh
from cloudmanager.drivers.tls import TlsSettings
from cloudmanager.errors import DeviceError
from cloudmanager.simulators.listener import Connections, Listener
from cloudmanager.simulators.snmp import packets
from cloudmanager.ssh.session import Ran
from tests.unit.drivers import test_redfish

HOST = "127.0.0.1"
SECRET = "hunter2"
SECONDS = 0.05  # that a driver waits; noise is silence to most protocols

fuzz = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


async def only_our_errors(driver, *wanted):
    """Everything that a driver does; what goes wrong is a `DeviceError` without the secret."""
    started, said = time.monotonic(), []
    for ask in wanted:
        try:
            await ask()
        except DeviceError as problem:
            said.append(problem.message)
    await driver.close()
    assert SECRET not in "".join(said)
    assert time.monotonic() - started < len(wanted) * (SECONDS + 2)
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert [task for task in left if task.get_coro().__qualname__ != "Listener._accept"] == []


@contextlib.asynccontextmanager
async def stream(speak):
    """A port where `speak(reader, writer)` serves each connection."""
    listener = Listener(speak, Connections())
    port = await listener.start(HOST, 0)
    try:
        yield port
    finally:
        await listener.stop()


async def reading(driver, *outlets):
    states = await driver.read_states(outlets)
    assert set(states) == set(outlets)
    assert all(isinstance(state, PowerState) for state in states.values())


PDU = st.one_of(
    st.binary(min_size=1, max_size=40),
    st.builds(
        lambda code, rest: bytes([code]) + rest, st.sampled_from([1, 5, 0x81, 0x85]), st.binary(max_size=6)
    ),
    st.builds(lambda bits: bytes([1, len(bits)]) + bits, st.binary(max_size=5)),
)


@fuzz
@given(pdus=st.lists(PDU, min_size=1, max_size=4), unit=st.sampled_from([1, 1, 1, 0, 255]))
async def test_modbus_answers_in_the_right_frame(pdus, unit):
    answers = iter(pdus * 20)

    async def speak(reader, writer):
        while True:
            tid, _, length, _ = struct.unpack(">HHHB", await reader.readexactly(7))
            await reader.readexactly(length - 1)
            pdu = next(answers)
            writer.write(struct.pack(">HHHB", tid, 0, len(pdu) + 1, unit) + pdu)

    async with stream(speak) as port:
        driver = ET7067(ModbusSettings(host=HOST, port=port, timeout=SECONDS))
        await only_our_errors(driver, lambda: reading(driver, "1", "8"), lambda: driver.apply("3", Action.ON))


@fuzz
@given(noise=st.binary(min_size=1, max_size=300))
async def test_noise_on_connections(noise):
    """To those that wait for a greeting it comes at once, to the others after their first word."""

    async def speak(reader, writer):
        writer.write(noise)
        while await reader.read(1000):
            writer.write(noise)

    async with stream(speak) as port:
        reach = {"host": HOST, "port": port, "timeout": SECONDS}
        board = ET7067(ModbusSettings(**reach))
        await only_our_errors(board, lambda: reading(board, "1"))
        host = SshDevice(SshSettings(**reach, login="root", password=SECRET, host_key=""))
        await only_our_errors(host, lambda: reading(host, "vm"))


@fuzz
@given(
    greeting=st.sampled_from([b"SSH-2.0-x\r\n", b"SSH-1.99-\r\n", b"SSH-2.0-" + b"x" * 300 + b"\r\n"]),
    noise=st.binary(max_size=200),
    length=st.sampled_from([None, 0, 12, 2**18, 2**31]),
)
async def test_noise_in_the_key_exchange_of_ssh(greeting, noise, length):
    packet = noise if length is None else length.to_bytes(4, "big") + b"\x04\x14" + noise

    async def speak(reader, writer):
        writer.write(greeting + packet)
        while await reader.read(4000):
            pass

    async with stream(speak) as port:
        host = SshDevice(SshSettings(host=HOST, port=port, timeout=SECONDS, login="root", password=SECRET))
        await only_our_errors(host, lambda: reading(host, "vm"), lambda: host.apply("vm", Action.RESET))


class Agent(asyncio.DatagramProtocol):
    """Answers each request with what `values` yields, under the object that was asked for or another."""

    def __init__(self, values):
        self._values = values

    def connection_made(self, transport):
        self._transport = transport

    def datagram_received(self, data, peer):
        said = next(self._values)
        if isinstance(said, bytes):
            self._transport.sendto(said, peer)
            return
        value, status, other = said
        request = packets.decode(data)
        name = (1, 3, 6, 1) if other else request.bindings[0][0]
        answer = request._replace(kind=packets.RESPONSE, bindings=[(name, value)], error_status=status)
        self._transport.sendto(packets.encode(answer), peer)


SAID = st.one_of(
    st.binary(min_size=1, max_size=60),
    st.tuples(
        st.one_of(st.integers(-(2**31), 2**31 - 1), st.integers(-1, 300)),
        st.sampled_from([0, 0, 0, 1, 2, 5, 77]),
        st.booleans(),
    ),
)


@fuzz
@given(
    said=st.lists(SAID, min_size=1, max_size=5),
    kind=st.sampled_from([DaenetIP2, DaenetIP2_ACPI]),
    action=st.sampled_from([Action.ON, Action.OFF]),
)
async def test_snmp_answers_in_the_right_form(said, kind, action):
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: Agent(iter(said * 200)), local_addr=(HOST, 0))
    reach = {"host": HOST, "port": transport.get_extra_info("sockname")[1], "timeout": SECONDS}
    settings_type = AcpiSettings if kind is DaenetIP2_ACPI else Settings
    board = kind(settings_type(**reach, login="public", password=SECRET))
    await only_our_errors(board, lambda: reading(board, "1", "8"), lambda: board.apply("2", action))
    transport.close()
    await asyncio.sleep(0)


@fuzz
@given(data=st.lists(st.binary(max_size=40), min_size=1, max_size=6))
async def test_ipmi_answers_of_any_length(data):
    """What a BMC says in a sound session, with the completion code of success."""
    answers = iter(data * 300)
    driver = SupermicroRackDevice(Settings(host=HOST, port=9, login="ADMIN", password=SECRET))

    async def ask(*_):
        return next(answers)

    driver._ask_at = ask
    driver._bmc_at = lambda _: None
    await only_our_errors(
        driver,
        lambda: reading(driver, "1"),
        lambda: driver.apply("1", Action.ON),
        lambda: driver.set_next_boot_from_network("1"),
        lambda: driver._own_number(ask),
    )


@fuzz
@given(good=st.integers(0, 2), hostile=st.lists(test_redfish.ANSWER, min_size=1, max_size=4))
async def test_redfish_accounts(good, hostile):
    device = RedfishDevice(TlsSettings(host="bmc", port=443, tls="off", timeout=0.01, password=SECRET))
    root = test_redfish.Answer(
        200, {}, b'{"AccountService": {"@odata.id": "/a"}, "Links": {"Sessions": {"@odata.id": "/l"}}}'
    )
    answers, count = iter([root, test_redfish.GOOD_LOG_ON][:good]), 0

    async def ask(*_, **__):
        nonlocal count
        count += 1
        assert count < 60, "it asks without end"
        return next(answers, hostile[count % len(hostile)])

    device._connected()._http.ask = ask
    await only_our_errors(device, lambda: device.set_password("another one"))


@fuzz
@given(
    status=st.integers(-1, 2**31),
    out=st.text(max_size=80),
    err=st.text(max_size=300)
    | st.lists(st.sampled_from([w for w, _ in virsh._ERRORS]), max_size=3).map(" ".join),
    action=st.sampled_from(Action),
)
def test_what_virsh_complains_of(status, out, err, action):
    ran = Ran(status, out, err)
    assert virsh.meaning(ran).words
    assert virsh.said(ran).isprintable()
    assert len(virsh.said(ran)) < 1000
    assert virsh.is_done_already(action, ran) in (True, False)
