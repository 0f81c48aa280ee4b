"""What the SNMP client believes, repeats and leaves behind, against an agent that does as it is told."""

from __future__ import annotations

import asyncio

import pytest

from cloudmanager.drivers.base import Action, PowerState, Settings
from cloudmanager.drivers.snmp import AcpiSettings, DaenetIP2, DaenetIP2_ACPI
from cloudmanager.errors import DeviceRefused, DeviceUnreachable
from cloudmanager.simulators.snmp import packets


class Agent(asyncio.DatagramProtocol):
    """Keeps what it got and answers with what `answer(request)` makes of it: messages or bytes."""

    def __init__(self):
        self.requests = []
        self.answer = lambda request: []

    def connection_made(self, transport):
        self.transport = transport
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data, peer):
        request = packets.decode(data)
        self.requests.append(request)
        for each in self.answer(request):
            self.transport.sendto(each if isinstance(each, bytes) else packets.encode(each), peer)


def says(request, value, **changes):
    bindings = [(request.bindings[0][0], value)]
    return request._replace(kind=packets.RESPONSE, bindings=bindings, **changes)


@pytest.fixture
async def agent():
    loop = asyncio.get_running_loop()
    transport, agent = await loop.create_datagram_endpoint(Agent, local_addr=("127.0.0.1", 0))
    yield agent
    transport.close()
    await asyncio.sleep(0)


@pytest.fixture
async def open_board(agent):
    opened = []

    def open_board(kind=DaenetIP2, settings=Settings, **changes):
        mine = {"host": "127.0.0.1", "port": agent.port, "password": "write", "timeout": 0.3, **changes}
        opened.append(kind(settings(**mine)))
        return opened[-1]

    yield open_board
    for board in opened:
        await board.close()


async def test_the_objects_and_communities(agent, open_board):
    board = open_board(login="read")
    agent.answer = lambda request: [says(request, request.bindings[0][1] or 0)]
    await board.read_states(["1"])
    await board.apply("3", Action.ON)
    await board.apply("8", Action.OFF)
    relays = (1, 3, 6, 1, 4, 1, 19865, 1, 2, 2)
    assert [(each.community, each.kind, each.bindings) for each in agent.requests] == [
        (b"read", packets.GET, [((*relays, 33, 0), None)]),
        (b"write", packets.SET, [((*relays, 3, 0), 1)]),
        (b"write", packets.SET, [((*relays, 8, 0), 0)]),
    ]
    assert len({each.request_id for each in agent.requests}) == 3


async def test_one_community_for_both(agent, open_board):
    agent.answer = lambda request: [says(request, 0)]
    await open_board().read_states(["1"])
    assert agent.requests[0].community == b"write"


@pytest.mark.parametrize(
    "wrong",
    [
        lambda request: says(request, 255, request_id=request.request_id ^ 1),
        lambda request: says(request, 255)._replace(bindings=[((1, 3, 6, 1), 255)]),
        lambda request: request,
        lambda request: b"\x30\x00",
        lambda request: b"",
    ],
    ids=["another id", "another object", "our request", "nonsense", "nothing"],
)
async def test_what_is_not_the_answer_is_dropped(agent, open_board, wrong):
    agent.answer = lambda request: [wrong(request), says(request, 0b10)]
    assert await open_board().read_states(["1", "2"]) == {"1": PowerState.OFF, "2": PowerState.ON}


async def test_an_answer_from_another_address_is_dropped(agent, open_board):
    loop = asyncio.get_running_loop()
    stranger, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0))
    board = open_board()

    def answer(request):
        port = board._client._line._transport.get_extra_info("sockname")[1]
        stranger.sendto(packets.encode(says(request, 255)), ("127.0.0.1", port))
        return []

    agent.answer = answer
    try:
        with pytest.raises(DeviceUnreachable):
            await board.read_states(["1"])
    finally:
        stranger.close()


async def test_an_answer_that_comes_late_is_not_that_of_the_next_request(agent, open_board):
    board = open_board(timeout=5.0)
    agent.answer = lambda request: []
    reading = asyncio.create_task(board.read_states(["1"]))
    while not agent.requests:
        await asyncio.sleep(0.001)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    agent.answer = lambda request: [says(agent.requests[0], 1), says(request, 0)]
    assert await board.read_states(["1"]) == {"1": PowerState.OFF}


async def test_questions_are_repeated_and_stay_the_same(agent, open_board):
    agent.answer = lambda request: [says(request, 1)] if len(agent.requests) == 3 else []
    assert await open_board(timeout=3.0).read_states(["1"]) == {"1": PowerState.ON}
    assert agent.requests[0] == agent.requests[1] == agent.requests[2]


@pytest.mark.parametrize("value", [256, -1, None, b"1"])
async def test_a_byte_that_is_none(agent, open_board, value):
    agent.answer = lambda request: [says(request, value)]
    with pytest.raises(DeviceRefused, match="answered"):
        await open_board().read_states(["1"])


async def test_an_order_that_is_answered_with_another_value(agent, open_board):
    agent.answer = lambda request: [says(request, 0)]
    with pytest.raises(DeviceRefused, match="told to set 1 and answered 0"):
        await open_board().apply("1", Action.ON)


class TestPresses:
    """The orders that a board of power buttons gets, and when."""

    @pytest.fixture
    def board(self, open_board):
        return lambda **changes: open_board(DaenetIP2_ACPI, AcpiSettings, **{"short_press": 0.05, **changes})

    def orders(self, agent):
        return [each.bindings[0][1] for each in agent.requests if each.kind == packets.SET]

    def answering(self, request, *, lost=()):
        if request.kind == packets.GET:
            return [says(request, 0)]
        value = request.bindings[0][1]
        return [] if value in lost else [says(request, value)]

    async def test_pressed_and_let_go(self, agent, board):
        agent.answer = self.answering
        await board().apply("1", Action.ON)
        assert self.orders(agent) == [1, 0]

    async def test_a_press_is_never_repeated(self, agent, board):
        agent.answer = lambda request: self.answering(request, lost=(1,))
        with pytest.raises(DeviceUnreachable) as caught:
            await board(timeout=1.2).apply("1", Action.ON)
        assert caught.value.maybe_applied
        assert self.orders(agent) == [1, 0]

    async def test_letting_go_is_repeated_until_the_time_is_over(self, agent, board):
        agent.answer = lambda request: self.answering(request, lost=(0,))
        with pytest.raises(DeviceUnreachable, match="may still be pressed") as caught:
            await board(timeout=1.2).apply("1", Action.ON)
        assert caught.value.maybe_applied
        assert self.orders(agent) == [1, 0, 0]

    async def test_a_press_with_a_strange_answer_is_let_go(self, agent, board):
        def answer(request):
            return [says(request, 7)] if request.bindings[0][1] == 1 else self.answering(request)

        agent.answer = answer
        with pytest.raises(DeviceRefused, match="answered 7"):
            await board().apply("1", Action.ON)
        assert self.orders(agent) == [1, 0]

    async def test_no_press_without_a_look(self, agent, board):
        with pytest.raises(DeviceUnreachable) as caught:
            await board().apply("1", Action.ON)
        assert not caught.value.maybe_applied
        assert self.orders(agent) == []

    async def test_a_short_press_stays_short_when_its_answer_is_late(self, agent, board):
        """Held for four seconds, the button would take the power away."""
        loop = asyncio.get_running_loop()
        times = []

        def answer(request):
            times.append(loop.time())
            return self.answering(request, lost=(1,))

        agent.answer = answer
        with pytest.raises(DeviceUnreachable):
            await board(timeout=30.0).apply("1", Action.ON)
        assert times[2] - times[1] < 3.0

    async def test_cancelled_and_not_confirmed(self, agent, board, caplog):
        agent.answer = lambda request: self.answering(request, lost=(0,))
        pressing = asyncio.create_task(board(short_press=30.0).apply("1", Action.ON))
        while self.orders(agent) != [1]:
            await asyncio.sleep(0.001)
        pressing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await pressing
        assert self.orders(agent) == [1, 0]
        assert "port 1 may still be pressed" in caplog.text

    async def test_plain_settings_will_do(self, open_board):
        options = open_board(DaenetIP2_ACPI)._options
        assert (options.short_press, options.long_press, options.sense) == (0.7, 5.0, "analog")
