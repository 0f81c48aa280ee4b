"""The state machine of one BMC, at every point where a packet can be lost, doubled, damaged or forged."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudmanager.drivers.ipmi import bmc as bmc_module
from cloudmanager.drivers.ipmi import commands, logon, packets
from cloudmanager.drivers.ipmi.ciphers import SUITE_3, SUITE_17
from cloudmanager.drivers.ipmi.commands import CHASSIS_STATUS, DEVICE_ID, HARD_RESET, POWER_OFF, POWER_ON
from cloudmanager.errors import CredentialsRefused, DeviceRefused, DeviceUnreachable
from cloudmanager.simulators import ipmi as simulated
from tests.unit.drivers.line import TITLE, Line, arrives, cut, doubled, flipped, lost


@pytest.fixture
def line():
    return Line()


def is_on(result):
    return commands.power_is_on(result)


class TestWithoutFaults:
    def test_a_status_takes_the_fewest_packets_possible(self, line):
        assert is_on(line.ask(CHASSIS_STATUS)) is True
        assert len(line.sent) == 4  # open session, RAKP 1, RAKP 3, the command
        assert line.sessions == 1

    def test_a_kept_session_takes_one_packet_each_way(self, line):
        line.ask(CHASSIS_STATUS)
        line.ask(CHASSIS_STATUS)
        assert len(line.sent) == 5
        assert line.device.counters.sessions_opened == 1

    def test_privilege_is_raised_only_when_it_is_needed(self, line):
        line.ask(CHASSIS_STATUS)
        assert line.device.counters.commands[6, 0x3B] == 0
        assert line.ask(POWER_OFF) == b""
        line.ask(POWER_OFF)
        assert line.device.counters.commands[6, 0x3B] == 1
        assert not line.node.on

    @pytest.mark.parametrize("suite", [SUITE_3, SUITE_17])
    def test_both_suites(self, suite):
        line = Line(suites=(suite,))
        assert is_on(line.ask(CHASSIS_STATUS)) is True
        line.close()
        assert line.sessions == 0

    def test_requests_are_served_one_after_another(self, line):
        results = []
        for command in (POWER_OFF, CHASSIS_STATUS, POWER_ON, CHASSIS_STATUS):
            line.bmc.request(command, line.now() + 5, results.append)
        line.run(1)
        assert [result and is_on(result) for result in results] == [b"", False, b"", True]

    def test_a_callback_may_ask_again(self, line):
        results = []

        def again(result):
            results.append(result)
            if len(results) < 5:
                line.bmc.request(CHASSIS_STATUS, line.now() + 5, again)

        again(b"")
        line.run(1)
        assert len(results) == 5
        assert line.device.counters.sessions_opened == 1

    def test_close_logs_out(self, line):
        line.ask(CHASSIS_STATUS)
        line.close()
        assert line.sessions == 0
        assert line.at_rest

    def test_close_of_a_bmc_that_was_never_used(self, line):
        line.close()
        assert not line.sent

    def test_close_fails_what_waits(self, line):
        results = []
        for _ in range(2):
            line.bmc.request(CHASSIS_STATUS, line.now() + 5, results.append)
        line.close()
        assert [type(result) for result in results] == [DeviceUnreachable] * 2
        assert line.at_rest

    def test_it_can_be_used_after_close(self, line):
        line.ask(CHASSIS_STATUS)
        line.bmc.close(lambda: None)
        assert is_on(line.ask(CHASSIS_STATUS)) is True
        line.close()
        assert line.sessions == 0

    def test_an_idle_session_is_closed_before_the_bmc_drops_it(self, line):
        line.ask(CHASSIS_STATUS)
        line.run(19)
        assert line.sessions == 1
        line.run(3)
        assert line.sessions == 0
        assert line.at_rest
        assert is_on(line.ask(CHASSIS_STATUS)) is True

    def test_use_keeps_the_session(self, line):
        for _ in range(10):
            line.ask(CHASSIS_STATUS)
            line.run(15)
        assert line.device.counters.sessions_opened == 1

    def test_many_requests_wrap_the_request_number(self, line):
        for _ in range(200):
            assert is_on(line.ask(CHASSIS_STATUS)) is True
        assert line.ignored == []


class TestOneBadPacket:
    @pytest.mark.parametrize("number", range(14))
    @pytest.mark.parametrize("fate", [lost, doubled, cut, flipped])
    def test_reading_succeeds_all_the_same(self, number, fate):
        line = Line()
        line.fate = lambda n, packet: fate(packet) if n == number else arrives(packet)
        assert is_on(line.ask(CHASSIS_STATUS)) is True
        line.close()
        assert line.at_rest

    @pytest.mark.parametrize("number", range(14))
    @pytest.mark.parametrize("fate", [lost, doubled, cut, flipped])
    def test_power_on_succeeds_all_the_same(self, number, fate):
        line = Line(on=False)
        line.fate = lambda n, packet: fate(packet) if n == number else arrives(packet)
        assert line.ask(POWER_ON) == b""
        assert line.node.on
        line.close()
        assert line.at_rest

    @pytest.mark.parametrize("number", range(14))
    @pytest.mark.parametrize("fate", [lost, doubled, cut, flipped])
    def test_a_reset_is_never_done_twice(self, number, fate):
        line = Line()
        line.fate = lambda n, packet: fate(packet) if n == number else arrives(packet)
        result = line.ask(HARD_RESET)
        harmed = (
            number in (8, 9) and fate is not doubled
        )  # the reset itself or its answer: it is not sent again
        assert isinstance(result, DeviceUnreachable) == harmed
        if harmed:
            assert result.maybe_applied
            assert line.node.resets == (number == 9)
        else:
            assert line.node.resets == 1
        line.close()
        assert line.at_rest

    @pytest.mark.parametrize("number", range(1, 10))
    def test_an_answer_that_comes_late(self, number):
        line = Line()
        line.fate = lambda n, packet: [(0.4, packet)] if n == number else [packet]
        assert line.ask(POWER_ON) == b""
        line.close()
        assert line.at_rest

    def test_answers_that_overtake_each_other(self, line):
        line.fate = lambda n, packet: [(0.3, packet), packet] if n % 2 else [packet]
        for _ in range(10):
            assert is_on(line.ask(CHASSIS_STATUS)) is True
        line.run(1)
        assert "sequence" in line.ignored


class TestManyBadPackets:
    @settings(max_examples=300, deadline=None)
    @given(
        fates=st.lists(
            st.sampled_from([arrives, arrives, arrives, lost, doubled, cut, flipped, lambda p: [(0.3, p)]]),
            min_size=60,
            max_size=60,
        ),
        command=st.sampled_from([CHASSIS_STATUS, POWER_ON, HARD_RESET, DEVICE_ID]),
    )
    def test_whatever_happens(self, fates, command):
        line = Line()
        line.fate = lambda n, packet: fates[n](packet) if n < len(fates) else arrives(packet)
        started = line.now()
        result = line.ask(command)
        assert line.now() - started <= 5.05
        resets = line.node.resets
        assert resets <= 1
        if isinstance(result, DeviceUnreachable):
            assert command is HARD_RESET or not (command is CHASSIS_STATUS and result.maybe_applied)
            assert resets == 0 or result.maybe_applied
        else:
            assert isinstance(result, bytes)
            assert resets == (command is HARD_RESET)
        line.close()
        assert line.at_rest

    def test_ten_percent_of_loss(self):
        line = Line()
        random = iter(os.urandom(1 << 16))
        line.fate = lambda n, packet: lost(packet) if next(random) < 26 else arrives(packet)
        results = [line.ask(CHASSIS_STATUS) for _ in range(200)]
        assert sum(isinstance(result, bytes) for result in results) >= 198


class TestSilence:
    def test_a_dead_bmc_costs_few_packets(self, line):
        line.answer = lambda packet: None
        started = line.now()
        result = line.ask(CHASSIS_STATUS)
        assert isinstance(result, DeviceUnreachable)
        assert result.message == f"{TITLE} did not answer in time"
        assert not result.maybe_applied
        assert 4.99 < line.now() - started < 5.05
        assert 3 <= len(line.sent) <= 6
        assert line.at_rest

    def test_silence_in_a_session_then_back(self, line):
        line.ask(CHASSIS_STATUS)
        line.fate = lambda n, packet: []
        result = line.ask(CHASSIS_STATUS)
        assert isinstance(result, DeviceUnreachable)
        line.fate = lambda n, packet: [packet]
        assert is_on(line.ask(CHASSIS_STATUS)) is True

    def test_a_forgotten_session_is_opened_again(self, line):
        line.ask(CHASSIS_STATUS)
        line.device._sessions.clear()
        assert is_on(line.ask(CHASSIS_STATUS)) is True
        assert line.device.counters.sessions_opened == 2
        assert len(line.ids) == 1

    def test_an_action_does_not_meet_a_forgotten_session(self, line):
        line.ask(POWER_ON)
        line.run(5)
        line.device._sessions.clear()
        assert line.ask(HARD_RESET) == b""
        assert line.node.resets == 1

    def test_an_action_whose_session_is_lost_under_it_is_not_sent_again(self, line):
        line.ask(POWER_ON)
        line.device._sessions.clear()
        result = line.ask(POWER_OFF, timeout=30.0)
        assert isinstance(result, DeviceUnreachable)
        assert result.maybe_applied
        assert line.node.on

    def test_requests_that_waited_behind_are_told_apart(self, line):
        line.ask(POWER_ON)
        line.fate = lambda n, packet: []
        results = []
        for command in (POWER_OFF, POWER_OFF):
            line.bmc.request(command, line.now() + 2, results.append)
        line.run(3)
        assert [result.maybe_applied for result in results] == [True, False]

    def test_a_waiting_request_that_is_late_does_not_disturb_the_first(self, line):
        line.ask(POWER_ON)
        line.fate = lambda n, packet: []
        before = len(line.sent)
        results = []
        line.bmc.request(POWER_OFF, line.now() + 5, results.append)
        line.bmc.request(POWER_OFF, line.now() + 0.5, results.append)
        line.run(0.9)
        assert [type(result) for result in results] == [DeviceUnreachable]
        assert len(line.sent) - before == 1

    def test_a_late_request_does_not_end_the_next(self, line):
        line.fate = lambda n, packet: [packet] if line.now() > 1001.5 else []
        results = []
        line.bmc.request(CHASSIS_STATUS, line.now() + 1, lambda result: results.append(("first", result)))
        line.bmc.request(CHASSIS_STATUS, line.now() + 5, lambda result: results.append(("second", result)))
        line.run(6)
        assert [name for name, _ in results] == ["first", "second"]
        assert isinstance(results[0][1], DeviceUnreachable)
        assert is_on(results[1][1]) is True

    def test_one_that_was_silent_hears_one_knock_a_look(self, line):
        healthy, line.answer = line.answer, lambda packet: None
        line.ask(CHASSIS_STATUS)
        for _ in range(3):
            sent = len(line.sent)
            line.ask(CHASSIS_STATUS)
            assert len(line.sent) == sent + 1
        line.answer = healthy
        assert is_on(line.ask(CHASSIS_STATUS)) is True
        assert line.sessions == 1

    def test_who_wants_to_act_tries_hard_with_one_that_was_silent(self, line):
        healthy, line.answer = line.answer, lambda packet: None
        line.ask(CHASSIS_STATUS)
        sent = len(line.sent)
        line.ask(POWER_ON)
        assert len(line.sent) >= sent + 4
        line.ask(CHASSIS_STATUS)
        line.answer = healthy
        sent = len(line.sent)
        line.fate = lambda n, packet: [packet] if len(line.sent) > sent + 1 else []
        assert line.ask(POWER_ON) == b""

    def test_silence_during_the_log_on_is_named(self, line):
        line.fate = lambda n, packet: [packet] if n < 3 else []
        assert "login" in line.ask(CHASSIS_STATUS).message

    def test_the_network_says_unreachable(self, line):
        line.answer = lambda packet: None
        results = []
        line.bmc.request(CHASSIS_STATUS, line.now() + 5, results.append)
        line.run(0.1)
        line.bmc.unreachable("Connection refused")
        assert results[0].message == f"{TITLE} is not reachable: Connection refused"
        assert line.at_rest

    def test_the_network_says_so_of_an_idle_session(self, line):
        line.ask(CHASSIS_STATUS)
        line.bmc.unreachable("Connection refused")
        assert is_on(line.ask(CHASSIS_STATUS)) is True

    def test_an_action_under_way_when_the_network_says_so(self, line):
        line.ask(POWER_ON)
        line.fate = lambda n, packet: []
        results = []
        line.bmc.request(POWER_OFF, line.now() + 5, results.append)
        line.run(0.1)
        line.bmc.request(POWER_ON, line.now() + 5, results.append)
        line.bmc.unreachable("No route to host")
        assert [result.maybe_applied for result in results] == [True, False]

    def test_a_bmc_that_remembers_our_address_is_knocked_at(self, line):
        """As pyghmi's: it answers nothing to an open request until it saw Get Channel Authentication Capabilities."""
        healthy, knocked = line.answer, []

        def answer(packet):
            if packet[4] != 6:
                knocked.append(packet)
            return healthy(packet) if knocked else None

        line.answer = answer
        started = line.now()
        assert is_on(line.ask(CHASSIS_STATUS)) is True
        assert line.now() - started < 0.5


class TestCancelling:
    @pytest.mark.parametrize("packets_before", range(11))
    def test_nothing_is_left(self, packets_before):
        line = Line()
        called = []
        request = line.bmc.request(POWER_ON, line.now() + 5, called.append)
        line.run(5, until=lambda: line._count > packets_before)
        line.bmc.cancel(request)
        line.bmc.cancel(request)
        line.run(25)
        assert called in ([], [b""])
        assert line.at_rest
        assert line.sessions == 0

    def test_a_dead_bmc_is_left_alone_at_once(self, line):
        line.answer = lambda packet: None
        request = line.bmc.request(POWER_ON, line.now() + 5, pytest.fail)
        line.run(0.3)
        line.bmc.cancel(request)
        assert line.at_rest

    def test_others_go_on(self, line):
        results = []
        first = line.bmc.request(CHASSIS_STATUS, line.now() + 5, results.append)
        line.bmc.request(CHASSIS_STATUS, line.now() + 5, results.append)
        line.run(0.002)
        line.bmc.cancel(first)
        line.run(1)
        assert [is_on(result) for result in results] == [True]

    def test_a_late_answer_is_not_taken_for_that_of_the_same_command(self, line):
        line.ask(CHASSIS_STATUS)
        line.fate = lambda n, packet: [(0.05, packet)]
        request = line.bmc.request(CHASSIS_STATUS, line.now() + 5, pytest.fail)
        line.run(0.06)
        line.bmc.cancel(request)
        line.node.on = False
        line.fate = lambda n, packet: [(0.1, packet)]
        assert is_on(line.ask(CHASSIS_STATUS)) is False
        assert line.ignored == ["stale"]

    def test_the_late_answer_is_not_taken_for_the_next(self, line):
        line.ask(CHASSIS_STATUS)
        line.fate = lambda n, packet: [(0.1, packet)]
        request = line.bmc.request(CHASSIS_STATUS, line.now() + 5, pytest.fail)
        line.bmc.cancel(request)
        assert line.ask(DEVICE_ID)[0] == 0x20
        assert "stale" in line.ignored


def setup_answer(kind, line, status, rest=b""):
    """What a BMC with another opinion answers: the head of tables 13-10, 13-12, 13-14 and more."""
    sent = line.sent[-1]
    if kind == 0x11:
        console_id = sent[20:24]
    else:
        (console_id,) = line.ids
    body = bytes([sent[16], status, 0, 0]) + console_id + rest
    return b"\x06\x00\xff\x07\x06" + bytes([kind]) + bytes(8) + len(body).to_bytes(2, "little") + body


class TestRefusals:
    def test_wrong_password(self):
        line = Line(password=b"wrong")
        result = line.ask(CHASSIS_STATUS)
        assert isinstance(result, DeviceRefused)
        assert "refused the credentials" in result.message
        assert line.at_rest
        assert line.sent[-1][5] == 0x14  # the BMC is told, so that it frees the slot
        assert line.sent[-1][17] == 0x0F
        line.run(1)
        assert line.device._sessions._by_id == {}

    def test_an_account_with_too_little_privilege(self):
        line = Line(privilege=2)
        result = line.ask(POWER_ON)
        assert isinstance(result, DeviceRefused)
        line.run(25)
        assert line.sessions == 0
        assert line.at_rest

    @pytest.mark.parametrize("status", sorted(logon.STATUS))
    @pytest.mark.parametrize("kind", [0x11, 0x13, 0x15])
    def test_every_status_code_in_every_answer(self, line, kind, status):
        healthy = line.answer

        def answer(packet):
            return setup_answer(kind, line, status) if packet[5] == kind - 1 else healthy(packet)

        line.answer = answer
        result = line.ask(CHASSIS_STATUS)
        why, words = logon.STATUS[status]
        again = why in (logon.Why.AGAIN, logon.Why.LATER)
        refused = CredentialsRefused if why is logon.Why.CREDENTIALS else DeviceRefused
        assert type(result) is (DeviceUnreachable if again else refused)
        assert result.message == f"{TITLE} {words.format(level='Operator')}"
        assert line.at_rest

    def test_the_codes_are_those_of_the_standard(self):
        assert set(logon.STATUS) == set(range(0x01, 0x13))

    def test_an_unknown_status_code(self, line):
        line.answer = lambda packet: setup_answer(0x11, line, 0x77)
        assert line.ask(CHASSIS_STATUS).message == f"{TITLE} refused the log-on with status 0x77"

    @pytest.mark.parametrize("status", [0x04, 0x05, 0x10, 0x11])
    def test_the_other_suite_is_tried_and_remembered(self, line, status):
        healthy = line.answer
        refused = []

        def answer(packet):
            if packet[5] == 0x10 and packet[28] == 1:
                refused.append(packet)
                return setup_answer(0x11, line, status)
            return healthy(packet)

        line.answer = answer
        assert is_on(line.ask(CHASSIS_STATUS)) is True
        line.run(30)
        assert is_on(line.ask(CHASSIS_STATUS)) is True
        assert len(refused) == 1

    def test_a_bmc_that_refused_every_suite_is_asked_anew(self, line):
        healthy = line.answer
        line.answer = lambda packet: setup_answer(0x11, line, 0x11)
        assert isinstance(line.ask(CHASSIS_STATUS), DeviceRefused)
        line.answer = healthy
        assert is_on(line.ask(CHASSIS_STATUS)) is True
        assert line.sent[-4][28] == 1  # suite 3 was proposed again

    def test_a_suite_that_was_not_allowed_is_not_taken(self):
        line = Line(suites=(SUITE_17,))
        rest = b"\x01\x02\x03\x04" + b"".join(bytes([kind, 0, 0, 8, 1, 0, 0, 0]) for kind in range(3))
        line.answer = lambda packet: setup_answer(0x11, line, 0, rest)
        assert "not allowed here" in line.ask(CHASSIS_STATUS).message

    def test_a_bmc_may_choose_another_allowed_suite(self, line):
        healthy = line.answer

        def answer(packet):
            if packet[5] == 0x10:
                packet = packets.encode_open_request(packet[16], packet[17], packet[20:24], (3, 4, 1))
            return healthy(packet)

        line.answer = answer
        assert is_on(line.ask(CHASSIS_STATUS)) is True

    def test_no_free_session_now(self, line):
        line.world.set_faults("device", session_limit=0)
        results = []
        line.bmc.request(CHASSIS_STATUS, line.now() + 5, results.append)
        line.run(2)
        line.world.set_faults("device", session_limit=1)
        line.run(2)
        assert is_on(results[0]) is True

    def test_no_free_session_at_all(self, line):
        line.world.set_faults("device", session_limit=0)
        result = line.ask(CHASSIS_STATUS)
        assert isinstance(result, DeviceUnreachable)
        assert result.message == f"{TITLE} has no free session"
        assert len(line.sent) <= 12

    @pytest.mark.parametrize(("kind", "words"), [(0x13, "wrong password"), (0x15, "BMC key")])
    def test_a_bmc_that_cannot_prove_what_it_should_know(self, line, kind, words):
        healthy = line.answer

        def answer(packet):
            answer = healthy(packet)
            if answer and answer[5] == kind:
                answer = answer[:-1] + bytes([answer[-1] ^ 1])
            return answer

        line.answer = answer
        result = line.ask(CHASSIS_STATUS)
        assert isinstance(result, DeviceRefused)
        assert words in result.message
        assert line.at_rest

    def test_a_bmc_that_drew_a_new_number_for_a_repeated_rakp_1(self):
        """The answer to the first RAKP 1 comes late; meanwhile the repeat made the BMC draw another number."""
        line = Line()
        rakp2 = []

        def fate(number, packet):
            if packet[5] == 0x13:
                rakp2.append(packet)
                return [(0.6, packet)] if len(rakp2) == 1 else [packet]
            if packet[5] == 0x15 and len(rakp2) <= 2:
                refusal = bytearray(packet[:24])
                refusal[14:16] = (8).to_bytes(2, "little")
                refusal[17] = 0x0F
                return [bytes(refusal)]
            return [packet]

        line.fate = fate
        assert is_on(line.ask(CHASSIS_STATUS)) is True


class TestCompletionCodes:
    GENERIC = (*range(0xC0, 0xD7), 0xFF)

    def test_the_generic_codes_are_those_of_the_standard(self):
        assert sorted(commands._CODES) == list(self.GENERIC)

    @pytest.mark.parametrize("code", [0x01, 0x7E, 0x80, 0xBE, 0xBF, *GENERIC])
    def test_an_action_is_sent_once_and_the_code_is_told(self, line, code):
        line.world.set_faults("device", refuse=code)
        result = line.ask(POWER_OFF)
        verdict, words = commands.explain(POWER_OFF, code)
        assert f"0x{code:02X}" in words
        assert words in result.message
        assert TITLE in result.message
        unclear = {commands.Verdict.NOT_NOW, commands.Verdict.NOBODY_KNOWS}
        assert type(result) is (DeviceUnreachable if verdict in unclear else DeviceRefused)
        if verdict in unclear:
            assert result.maybe_applied == (code in (0xC3, 0xCE, 0xCF))
        assert line.device.counters.commands[0, 2] == 1
        assert line.sessions == 1

    @pytest.mark.parametrize("code", GENERIC)
    def test_a_read_is_tried_again_where_that_may_help(self, line, code, monkeypatch):
        refusals = self.refuse(monkeypatch, CHASSIS_STATUS, code, times=2)
        result = line.ask(CHASSIS_STATUS)
        if code in (0xC0, 0xC3, 0xC4, 0xCE, 0xCF, 0xD0, 0xD1, 0xD2, 0xD3):
            assert is_on(result) is True
            assert not refusals
        else:
            assert isinstance(result, DeviceRefused)

    def test_a_bmc_that_stays_busy(self, line, monkeypatch):
        self.refuse(monkeypatch, CHASSIS_STATUS, 0xC0, times=1000)
        result = line.ask(CHASSIS_STATUS)
        assert isinstance(result, DeviceUnreachable)
        assert "node busy" in result.message
        assert len(line.sent) < 20
        line.close()
        assert line.sessions == 0

    def test_a_read_that_needs_more_privilege_gets_it(self, line, monkeypatch):
        self.refuse(monkeypatch, CHASSIS_STATUS, 0xD4, times=1)
        assert is_on(line.ask(CHASSIS_STATUS)) is True
        assert line.device.counters.commands[6, 0x3B] == 1

    @pytest.mark.parametrize("code", [0x80, 0x81, 0x82, 0xD4])
    def test_privilege_refused_ends_the_session(self, line, monkeypatch, code):
        self.refuse(monkeypatch, commands.RAISE_PRIVILEGE, code, times=1000)
        result = line.ask(POWER_ON)
        assert isinstance(result, DeviceRefused)
        assert "Set Session Privilege Level" in result.message
        line.run(1)
        assert line.sessions == 0
        assert line.at_rest

    @pytest.mark.parametrize(
        ("command", "code", "words"),
        [
            (commands.BOOT_FROM_NETWORK_ONCE, 0x80, "not supported"),
            (commands.RAISE_PRIVILEGE, 0x81, "limited"),
            (commands.close_session(b""), 0x87, "does not exist"),
            (POWER_ON, 0x80, "this command only"),
            (POWER_ON, 0x42, "manufacturer"),
            (POWER_ON, 0xE0, "reserved"),
            (POWER_ON, 0xD5, "present state"),
        ],
    )
    def test_codes_with_a_meaning_of_their_own(self, command, code, words):
        assert words in commands.explain(command, code)[1]

    def refuse(self, monkeypatch, command, code, times):
        left = [code] * times
        execute = simulated.bmc.execute

        def refusing(target, net_fn, number, data):
            if (net_fn, number) == (command.netfn, command.number) and left:
                return left.pop(), b""
            return execute(target, net_fn, number, data)

        monkeypatch.setattr(simulated.bmc, "execute", refusing)
        return left


class TestLogOn:
    """The handshake alone."""

    @pytest.fixture
    def answers(self, line):
        """The BMC's answers to a log-on of `self`, made by hand."""
        account = logon.Account(b"ADMIN", b"wrong")
        attempt = logon.LogOn(account, SUITE_3, (SUITE_3,), b"\x01\x02\x03\x04")
        return attempt, line.answer

    def test_an_answer_with_another_tag_or_session_id_is_stale(self, answers):
        attempt, answer = answers
        right = answer(attempt.packet)
        for place in (16, 20, 23):
            wrong = bytearray(right)
            wrong[place] ^= 1
            with pytest.raises(packets.BadPacket, match="stale"):
                attempt.receive(0x11, bytes(wrong))
        assert attempt.receive(0x11, right) is None

    @pytest.mark.parametrize(("repeated", "why"), [(False, logon.Why.CREDENTIALS), (True, logon.Why.AGAIN)])
    def test_a_repeated_answer_makes_a_wrong_password_doubtful(self, answers, repeated, why):
        attempt, answer = answers
        opened = answer(attempt.packet)
        attempt.receive(0x11, opened)
        if repeated:
            with pytest.raises(packets.BadPacket):
                attempt.receive(0x11, opened)
        with pytest.raises(logon.LogOnRefused) as caught:
            attempt.receive(0x13, answer(attempt.packet))
        assert caught.value.why is why


class TestForgeries:
    def test_the_answer_to_another_command(self, line, monkeypatch):
        line.ask(CHASSIS_STATUS)
        encode = simulated.packets.encode_answer
        monkeypatch.setattr(
            simulated.packets,
            "encode_answer",
            lambda request, code, data: encode(request._replace(command=0x7F), code, data),
        )
        line.bmc.request(CHASSIS_STATUS, line.now() + 5, lambda result: None)
        line.run(0.1)
        assert line.ignored == ["stale"]

    def test_packets_of_other_sessions(self, line):
        line.ask(CHASSIS_STATUS)
        other = Line()
        other.ask(CHASSIS_STATUS)
        other.ask(CHASSIS_STATUS)
        captured = []
        other.fate = lambda n, packet: captured.append(packet) or [packet]
        other.ask(CHASSIS_STATUS)
        (our_id,) = line.ids
        for packet in captured:
            line.reach_us(packet[:6] + our_id + packet[10:])
        assert "integrity" in line.ignored
        assert is_on(line.ask(CHASSIS_STATUS)) is True

    def test_a_replayed_answer(self, line):
        captured = []
        line.fate = lambda n, packet: captured.append(packet) or [packet]
        line.ask(CHASSIS_STATUS)
        answer = captured[-1]
        line.node.on = False
        line.fate = lambda n, packet: [packet]
        line.reach_us(answer)
        assert line.ignored == ["sequence"]
        assert is_on(line.ask(CHASSIS_STATUS)) is False

    @settings(max_examples=300, deadline=None)
    @given(
        packets_before=st.integers(0, 12),
        octets=st.binary(max_size=80),
        kind=st.sampled_from([0x00, 0xC0, 0x40, 0x11, 0x13, 0x15, 0x91]),
        head=st.integers(0, 24),
    )
    def test_noise_at_any_moment_is_ignored(self, packets_before, octets, kind, head):
        line = Line()
        results = []
        line.bmc.request(POWER_ON, line.now() + 5, results.append)
        line.run(5, until=lambda: line._count > packets_before)
        for session_id in tuple(line.ids):
            plausible = (
                b"\x06\x00\xff\x07\x06" + bytes([kind]) + session_id + bytes(6) + bytes(4) + session_id
            )
            noise = plausible[:head] + octets
            if len(noise) >= 16:
                line.reach_us(noise)
        line.run(5, until=lambda: results)
        assert results == [b""] or "session" in results[0].message or kind in (0x11, 0x13, 0x15)
        line.close()
        assert line.at_rest


def test_the_constants_keep_us_inside_what_a_bmc_allows():
    assert bmc_module.IDLE < 30  # OpenIPMI's BMC ends an idle session after that
