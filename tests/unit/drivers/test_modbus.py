"""What `ET7067` believes of what comes over the connection, and what it does when that ends."""

from __future__ import annotations

import asyncio
import contextlib
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudmanager.drivers.base import Action, PowerState, Settings
from cloudmanager.drivers.modbus import ET7067, ModbusSettings, _is_sound
from cloudmanager.errors import DeviceRefused, DeviceUnreachable


def frame(pdu, tid, unit=1, protocol=0, length=None):
    return struct.pack(">HHHB", tid, protocol, len(pdu) + 1 if length is None else length, unit) + pdu


class Board:
    """Keeps what it got and answers with the bytes that `answer(tid, pdu)` makes of it; None hangs up."""

    def __init__(self):
        self.requests, self.connections = [], 0
        self.answer = lambda tid, pdu: frame(b"\x01\x01\x02" if pdu[0] == 1 else pdu, tid)

    async def serve(self, reader, writer):
        self.connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                tid, _, length, unit = struct.unpack(">HHHB", await reader.readexactly(7))
                pdu = await reader.readexactly(length - 1)
                self.requests.append((unit, pdu))
                if (answer := self.answer(tid, pdu)) is None:
                    break
                writer.write(answer)
        writer.close()


@pytest.fixture
async def board():
    board = Board()
    server = await asyncio.start_server(board.serve, "127.0.0.1", 0)
    board.port = server.sockets[0].getsockname()[1]
    yield board
    server.close()
    await asyncio.sleep(0.02)


@pytest.fixture
async def driver(board):
    opened = ET7067(ModbusSettings(host="127.0.0.1", port=board.port, timeout=0.4))
    yield opened
    await opened.close()


async def test_the_frames_of_the_manual(board, driver):
    """devices: relay 3 on is `05 0002 FF00`, all relays are `01 0000 0008`."""
    await driver.apply("3", Action.ON)
    await driver.apply("8", Action.OFF)
    await driver.read_states(["1"])
    assert [(unit, pdu.hex()) for unit, pdu in board.requests] == [
        (1, "050002ff00"),
        (1, "0500070000"),
        (1, "0100000008"),
    ]
    assert board.connections == 1


async def test_the_lowest_bit_is_the_first_relay(board, driver):
    board.answer = lambda tid, pdu: frame(b"\x01\x01\x81", tid)
    states = await driver.read_states(driver.valid_outlets())
    assert [states[outlet] is PowerState.ON for outlet in "12345678"] == [True, *[False] * 6, True]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda tid: frame(b"\x01\x01\xff", tid ^ 1),
        lambda tid: frame(b"\x01\x01\xff", 0),
        lambda tid: frame(b"\x01\x01\xff", tid, protocol=1),
        lambda tid: frame(b"\x01\x01\xff", tid, unit=2),
        lambda tid: frame(b"\x01\x01\xff", tid, length=0),
        lambda tid: frame(b"\x01\x01\xff", tid, length=9999),
        lambda tid: frame(b"\x01\x02\xff", tid),
        lambda tid: frame(b"\x01\x02\xff\xff", tid),
        lambda tid: frame(b"\x01\x00", tid),
        lambda tid: frame(b"\x02\x01\xff", tid),
        lambda tid: frame(b"\x05\x00\x00\xff\x00", tid),
        lambda tid: frame(b"\x81", tid),
        lambda tid: frame(b"\x2b\x0e\x01", tid),
        lambda tid: b"HTTP/1.1 400 Bad Request\r\n\r\n",
        lambda tid: b"\0",
    ],
)
async def test_what_is_not_the_answer_is_never_believed(board, driver, wrong, caplog):
    board.answer = lambda tid, pdu: wrong(tid)
    with pytest.raises((DeviceUnreachable, DeviceRefused)):
        await driver.read_states(["1"])
    board.answer = lambda tid, pdu: frame(b"\x01\x01\x00", tid)
    assert await driver.read_states(["1"]) == {"1": PowerState.OFF}
    assert caplog.text == ""


async def test_a_strange_answer_before_the_right_one(board, driver):
    board.answer = lambda tid, pdu: frame(b"\x01\x01\xff", tid + 1) + frame(b"\x01\x01\x00", tid)
    assert await driver.read_states(["1"]) == {"1": PowerState.OFF}


@pytest.mark.parametrize("echo", [b"\x05\x00\x01\xff\x00", b"\x05\x00\x00\x00\x00"])
async def test_an_echo_of_another_order(board, driver, echo):
    board.answer = lambda tid, pdu: frame(echo, tid)
    with pytest.raises(DeviceRefused, match="with another one"):
        await driver.apply("1", Action.ON)


async def test_a_kept_connection_that_ended_is_opened_again_once(board, driver):
    await driver.read_states(["1"])
    good, board.answer = board.answer, lambda tid, pdu: None
    with pytest.raises(DeviceUnreachable, match="ended the connection") as caught:
        await driver.apply("1", Action.ON)
    assert caught.value.maybe_applied
    assert board.connections == 2
    board.answer = lambda tid, pdu: good(tid, pdu) if board.connections > 3 else None
    with pytest.raises(DeviceUnreachable):
        await driver.read_states(["1"])
    await driver.read_states(["1"])


async def test_an_order_that_may_have_been_obeyed_before_the_device_went(board, driver):
    """The second attempt finds nobody, but the first may have been heard."""
    await driver.read_states(["1"])
    driver.settings.__dict__["port"] = 1
    board.answer = lambda tid, pdu: None
    with pytest.raises(DeviceUnreachable, match="connected to") as caught:
        await driver.apply("1", Action.ON)
    assert caught.value.maybe_applied


async def test_a_late_answer_is_not_that_of_the_next_request(board, driver):
    board.answer = lambda tid, pdu: b""
    reading = asyncio.create_task(driver.read_states(["1"]))
    while not board.requests:
        await asyncio.sleep(0.001)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    board.answer = lambda tid, pdu: frame(b"\x01\x01\x00", tid)
    assert await driver.read_states(["1"]) == {"1": PowerState.OFF}
    assert board.connections == 2


def test_the_unit():
    assert ET7067(ModbusSettings(host="h", port=1, unit_id=7))._unit == 7
    assert ET7067(Settings(host="h", port=1))._unit == 1


@settings(max_examples=500, deadline=None, derandomize=True)
@given(st.binary(max_size=300))
def test_noise_is_judged(noise):
    assert _is_sound(noise) in (True, False)


@given(st.integers(0, 15))
def test_a_part_of_a_good_answer_may_become_one(length):
    assert _is_sound(frame(b"\x05\x00\x00\xff\x00", 1)[:length])
