"""Simulated relay boards: what contacts do to machines, how requests are answered, and that nothing upsets them."""

from __future__ import annotations

import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloudmanager.simulators.datacentre import DataCentre
from cloudmanager.simulators.modbus import Et7067
from cloudmanager.simulators.relays import ButtonBoard, RelayBoard
from cloudmanager.simulators.snmp import AcpiBoard, MainsBoard, packets
from cloudmanager.simulators.snmp.packets import Message
from cloudmanager.simulators.world import Account, Refused, World

FUZZ = settings(
    max_examples=400,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
RELAYS = (1, 3, 6, 1, 4, 1, 19865, 1, 2, 2)
LINES = (1, 3, 6, 1, 4, 1, 19865, 1, 2, 1)
CHANNELS = (1, 3, 6, 1, 4, 1, 19865, 1, 2, 3)


@pytest.fixture
def world(clock):
    world = World(clock=clock)
    for name in ("n1", "n2"):
        world.add_node(name)
    for name, kind in (("board", "et7067"), ("mains", "daenet"), ("buttons", "daenet-acpi")):
        world.add_device(name, kind, accounts={1: Account("read", "write")})
        world.plug(name, "1", "n1")
        world.plug(name, "2", "n2")
    return world


class TestMains:
    def test_a_closed_contact_starts_the_machine(self, world, clock):
        relays = RelayBoard(world, "board")
        relays.switch(2, True)
        assert (relays.byte, world.is_on("n2")) == (0b10, False)
        clock.advance(0.2)
        assert world.is_on("n2")
        assert not world.is_on("n1")
        relays.switch(2, False)
        clock.advance(0.2)
        assert not world.is_on("n2")

    def test_a_free_contact_and_one_that_does_not_move(self, world, clock):
        relays = RelayBoard(world, "board")
        relays.switch(8, True)
        relays.switch(1, False)
        clock.advance(1)
        assert relays.byte == 0b1000_0000
        assert not world.is_on("n1")

    def test_all_at_once(self, world, clock):
        relays = RelayBoard(world, "board")
        relays.switch_all(0b1000_0001)
        clock.advance(1)
        assert (relays.byte, world.is_on("n1"), world.is_on("n2")) == (0b1000_0001, True, False)

    def test_faults(self, world):
        relays = RelayBoard(world, "board")
        world.set_faults("board", ignore_commands=True)
        relays.switch(1, True)
        assert relays.byte == 0
        world.set_faults("board", refuse=4)
        with pytest.raises(Refused):
            relays.switch(1, True)
        world.set_faults("board", lie_state="on")
        assert (relays.byte, relays.told) == (0, 0xFF)

    def test_contacts_outlive_the_process(self, world, clock):
        RelayBoard(world, "board").switch(5, True)
        again = World.from_dict(world.to_dict(), clock=clock)
        assert RelayBoard(again, "board").byte == 0b10000

    def test_the_contacts_of_running_machines_are_closed(self):
        centre = DataCentre()
        for name, on in (("n1", True), ("n2", False)):
            centre.world.add_node(name, on=on)
        device = centre.add_board("board", "et7067", {"3": "n1", "4": "n2"})
        assert RelayBoard(centre.world, device.name).byte == 0b100
        assert centre.world.is_on("n1")


class TestButtons:
    @pytest.fixture
    def press(self, world, clock):
        relays = ButtonBoard(world, "buttons")

        def press(seconds, outlet=1):
            relays.switch(outlet, True)
            clock.advance(seconds)
            relays.switch(outlet, False)
            clock.advance(2)

        return press

    def test_a_short_press_starts(self, world, press):
        press(0.7)
        assert world.is_on("n1")
        assert world.node("n1").boots == 1

    def test_a_short_press_shuts_down(self, world, press):
        world.power_on("n1")
        press(0.7)
        assert not world.is_on("n1")
        assert world.history[-1].what == "shutdown"

    def test_a_long_press_takes_the_power(self, world, press):
        world.power_on("n1")
        press(4.5)
        assert not world.is_on("n1")
        assert any(event.what == "power off" for event in world.history)

    def test_a_long_press_is_no_request_to_shut_down(self, world, press):
        world.power_on("n1")
        press(4.1)
        assert not any(event.what == "power button" for event in world.history)

    def test_a_press_of_almost_four_seconds_is_short(self, world, press):
        world.power_on("n1")
        world.set_faults("buttons", soft_off_ignored=True)
        press(3.9)
        assert world.is_on("n1")

    def test_a_long_press_on_a_machine_that_was_off_leaves_it_off(self, world, press):
        press(5)
        assert not world.is_on("n1")
        assert world.node("n1").boots == 1

    def test_a_bouncing_contact_is_no_press(self, world, press):
        press(0.01)
        assert not world.is_on("n1")
        world.power_on("n1")
        press(0.01)
        assert world.is_on("n1")

    def test_a_free_contact_presses_nothing(self, world, press):
        press(5, outlet=7)
        assert not world.is_on("n1")

    def test_two_presses_in_a_row_are_not_a_long_one(self, world, clock, press):
        world.power_on("n1")
        world.set_faults("buttons", soft_off_ignored=True)
        for _ in range(4):
            press(2)
        assert world.is_on("n1")

    def test_sense_lines(self, world):
        relays = ButtonBoard(world, "buttons")
        world.power_on("n1")
        assert [relays.senses(number) for number in (1, 2, 3)] == [True, False, False]
        world.set_faults("buttons", lie_state="on")
        assert [relays.senses(number) for number in (1, 2, 3)] == [True, True, False]
        assert relays.told == 0


class TestModbus:
    @pytest.fixture
    def ask(self, world):
        board = Et7067(world, "board")

        def ask(pdu, unit=1):
            answer = board.answer(struct.pack(">HHHB", 9, 0, len(pdu) + 1, unit) + pdu)
            if answer is None:
                return None
            assert struct.unpack_from(">HHHB", answer) == (9, 0, len(answer) - 6, unit)
            return answer[7:]

        return ask

    @pytest.mark.parametrize(
        ("request_", "answer"),
        [
            ("01 0000 0008", "01 01 00"),
            ("01 0000 0000", "81 03"),
            ("01 0000 07d1", "81 03"),
            ("01 0000 0009", "81 02"),
            ("01 01b3 0008", "01 01 00"),
            ("01 01af 0002", "01 01 00"),
            ("01 0203 0008", "01 01 00"),
            ("01 00", "81 03"),
            ("02 0000 0001", "82 02"),
            ("03 010f 0001", "03 02 0001"),
            ("03 0000 0001", "83 02"),
            ("04 0136 0003", "04 06 0008 0008 0008"),
            ("04 0000 0001", "84 02"),
            ("04 0136 007e", "84 03"),
            ("05 0002 ff00", "05 0002 ff00"),
            ("05 0002 ff01", "85 03"),
            ("05 0008 ff00", "85 02"),
            ("05 01af ff00", "05 01af ff00"),
            ("06 010f 0000", "86 03"),
            ("06 0001 0001", "86 02"),
            ("0f 0000 0008 01 05", "0f 0000 0008"),
            ("0f 0000 0008 02 05", "8f 03"),
            ("0f 0001 0008 01 05", "8f 02"),
            ("10 010f 0001 02 0007", "10 010f 0001"),
            ("10 010f 0002 04 0007 0007", "90 02"),
            ("07", "87 01"),
            ("2b 0e", "ab 01"),
        ],
    )
    def test_answers(self, ask, request_, answer):
        assert ask(bytes.fromhex(request_)).hex() == answer.replace(" ", "")

    def test_coils(self, ask, world, clock):
        ask(bytes.fromhex("0500 01ff 00"))
        ask(bytes.fromhex("0f 0004 0004 01 0a"))
        assert ask(bytes.fromhex("01 0000 0008")).hex() == "0101a2"
        assert ask(bytes.fromhex("01 0004 0004")).hex() == "01010a"
        clock.advance(1)
        assert world.is_on("n2")

    def test_an_order_beyond_the_last_relay_moves_none(self, ask):
        assert ask(bytes.fromhex("0f 0001 0008 01 05")).hex() == "8f02"
        assert ask(bytes.fromhex("01 0000 0008")).hex() == "010100"

    def test_stored_values_are_kept_and_move_no_relay(self, ask):
        ask(bytes.fromhex("05 01b5 ff00"))
        assert ask(bytes.fromhex("01 01b3 0008")).hex() == "010104"
        assert ask(bytes.fromhex("01 0000 0008")).hex() == "010100"

    def test_units(self, ask):
        read = bytes.fromhex("01 0000 0008")
        assert [ask(read, unit) is None for unit in (0, 1, 2, 255)] == [False, False, True, False]
        ask(bytes.fromhex("06 010f 0002"))
        assert [ask(read, unit) is None for unit in (0, 1, 2, 255)] == [False, True, False, False]

    def test_a_refused_command_moves_nothing(self, ask, world):
        world.set_faults("board", refuse=6)
        assert ask(bytes.fromhex("05 0000 ff00")).hex() == "8506"
        assert ask(bytes.fromhex("01 0000 0008")).hex() == "010100"

    @FUZZ
    @given(pdu=st.binary(min_size=1, max_size=60))
    def test_any_request_gets_an_answer(self, ask, pdu):
        answer = ask(pdu)
        assert answer[0] & 0x7F == pdu[0] & 0x7F


class TestSnmp:
    @pytest.fixture
    def ask(self, world):
        boards = {"mains": MainsBoard(world, "mains"), "buttons": AcpiBoard(world, "buttons")}

        def ask(kind, *bindings, board="mains", community=b"write"):
            answer = boards[board].answer(packets.encode(Message(community, kind, 7, 0, 0, list(bindings))))
            if answer is None:
                return None
            message = packets.decode(answer)
            assert (message.kind, message.request_id, message.community) == (packets.RESPONSE, 7, community)
            return message.error, message.error_index, message.bindings

        return ask

    def test_reads_and_writes(self, ask, world, clock):
        relay = (*RELAYS, 2, 0)
        assert ask(packets.GET, (relay, None)) == (0, 0, [(relay, 0)])
        assert ask(packets.SET, (relay, 1)) == (0, 0, [(relay, 1)])
        assert ask(packets.GET, ((*RELAYS, 33, 0), None)) == (0, 0, [((*RELAYS, 33, 0), 2)])
        ask(packets.SET, ((*RELAYS, 33, 0), 0b1000_0001))
        clock.advance(1)
        assert (world.is_on("n1"), world.is_on("n2")) == (True, False)
        ask(packets.SET, ((*LINES, 33, 0), 0b101))
        ask(packets.SET, ((*LINES, 3, 0), 0))
        assert ask(packets.GET, ((*LINES, 1, 0), None), ((*LINES, 33, 0), None))[2] == [
            ((*LINES, 1, 0), 1),
            ((*LINES, 33, 0), 1),
        ]

    @pytest.mark.parametrize(
        ("kind", "bindings", "error", "place"),
        [
            (packets.GET, [((1, 3, 6, 9), None)], 2, 1),
            (packets.GET, [((*RELAYS, 1, 0), None), ((*RELAYS, 9, 0), None)], 2, 2),
            (packets.GET_NEXT, [((1, 3, 7), None)], 2, 1),
            (packets.SET, [((*RELAYS, 9, 0), 1)], 2, 1),
            (packets.SET, [((*RELAYS, 1, 0), 2)], 3, 1),
            (packets.SET, [((*RELAYS, 1, 0), b"1")], 3, 1),
            (packets.SET, [((*RELAYS, 33, 0), 256)], 3, 1),
            (packets.SET, [((*CHANNELS, 1, 0), 1)], 4, 1),
            (packets.SET, [((*RELAYS, 1, 0), 1), ((*RELAYS, 2, 0), 1)], 5, 0),
        ],
    )
    def test_errors(self, ask, kind, bindings, error, place):
        """RFC 1157 §4.1: an error, which binding it is about, and the bindings as they were."""
        assert ask(kind, *bindings) == (error, place, bindings)

    def test_a_walk_meets_every_object_once_in_order(self, ask):
        name, seen = (1, 3), []
        while (found := ask(packets.GET_NEXT, (name, None)))[0] == 0:
            name = found[2][0][0]
            seen.append(name)
        assert seen == sorted(set(seen))
        assert len(seen) == 1 + 9 + 9 + 8

    def test_communities(self, ask, world):
        relay = ((*RELAYS, 1, 0), 1)
        assert ask(packets.GET, relay, community=b"other") is None
        assert ask(packets.SET, relay, community=b"") is None
        assert ask(packets.GET, relay, community=b"read")[0] == 0
        assert ask(packets.SET, relay, community=b"read")[0] == 2
        world.set_faults("mains", reject_credentials=True)
        assert ask(packets.GET, relay) is None

    def test_sense_lines(self, ask, world):
        world.power_on("n2")
        channel, line = ((*CHANNELS, 2, 0), None), ((*LINES, 33, 0), None)
        assert ask(packets.GET, channel, line, board="buttons")[2] == [(channel[0], 676), (line[0], 2)]
        assert ask(packets.GET, channel, board="mains")[2][0][1] < 20
        assert ask(packets.SET, ((*LINES, 1, 0), 1), board="buttons")[0] == 4

    @FUZZ
    @given(noise=st.binary(max_size=90))
    def test_noise_is_silence(self, world, noise):
        board = MainsBoard(world, "mains")
        assert board.answer(noise) is None
        assert board.answer(b"\x30" + bytes([len(noise)]) + noise) is None

    @FUZZ
    @given(place=st.integers(0, 80), value=st.integers(0, 255), cut=st.booleans())
    def test_a_damaged_packet_never_crashes(self, world, place, value, cut):
        packet = packets.encode(Message(b"read", packets.GET, 7, 0, 0, [((*RELAYS, 1, 0), None)]))
        place %= len(packet)
        packet = packet[:place] + (b"" if cut else bytes([value]) + packet[place + 1 :])
        answer = MainsBoard(world, "mains").answer(packet)
        assert answer is None or packets.decode(answer).kind == packets.RESPONSE
        assert world.device("mains").memory == {}
