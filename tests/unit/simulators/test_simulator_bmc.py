import struct

import pytest

from cloudmanager.simulators.ipmi import Bmc
from cloudmanager.simulators.world import Account

STATUS, CONTROL = (0x00, 0x01), (0x00, 0x02)
RESET, CYCLE, OFF, ON, SOFT = b"\x03", b"\x02", b"\x00", b"\x01", b"\x05"


def cks(data):
    return bytes([-sum(data) & 0xFF])


def sessionless(message):
    return b"\x06\0\xff\x07" + bytes(9) + bytes([len(message)]) + message


@pytest.mark.parametrize("suite", [3, 17])
def test_login_and_status(console, suite):
    client = console(suite=suite).login()
    assert client.trusts
    assert client.request(*STATUS) == (0, b"\x21\x00\x00\x00")


def test_power_as_the_standard_says(console, world, clock):
    client = console().login()
    for data, on in ((OFF, False), (ON, True), (CYCLE, True), (RESET, True), (SOFT, False)):
        assert client.request(*CONTROL, data) == (0, b"")
        clock.advance(2)
        assert world.is_on("n1") is on
        assert client.request(*STATUS)[1][0] & 1 == on
    for data in (RESET, CYCLE, SOFT):
        assert client.request(*CONTROL, data) == (0xD5, b"")
    for data in (b"\x04", b"\x06", b"\x0f"):
        assert client.request(*CONTROL, data) == (0xCC, b"")
    assert client.request(*CONTROL, b"\x01\x01") == (0xC7, b"")
    clock.advance(2)
    assert not world.is_on("n1")
    assert (world.node("n1").resets, client.bmc.counters.resets_accepted) == (2, 2)


@pytest.mark.parametrize("code", [0xC0, 0xD4, 0xD5])
def test_refusal_is_passed_on(console, world, code):
    world.set_faults("bmc-n1", refuse=code)
    assert console().login().request(*CONTROL, OFF) == (code, b"")


def test_last_start_by_command(console, world, clock):
    client = console().login()
    assert client.request(0x00, 0x07) == (0, b"\x00\x01")
    client.request(*CONTROL, RESET)
    clock.advance(1)
    assert client.request(*STATUS)[1][1] == 0x10
    assert client.request(0x00, 0x07) == (0, b"\x01\x01")


def test_a_bmc_that_lies(console, world, clock):
    world.set_faults("bmc-n1", lie_state="off", ignore_commands=True)
    client = console().login()
    assert client.request(*STATUS)[1][0] & 1 == 0
    assert client.request(*CONTROL, RESET) == (0, b"")
    clock.advance(1)
    assert (world.node("n1").on, world.node("n1").resets) == (True, 0)


def test_unknown_commands(console):
    client = console().login()
    assert client.request(0x2C, 0x00) == (0xC1, b"")
    assert client.request(0x00, 0x7F) == (0xC1, b"")


class TestPrivilege:
    def test_a_session_starts_as_user(self, console, world, clock):
        client = console().login(privilege=2)
        assert client.request(*STATUS)[0] == 0
        assert client.request(*CONTROL, OFF) == (0xD4, b"")
        clock.advance(1)
        assert world.is_on("n1")

    def test_no_more_than_was_asked_for(self, console):
        client = console(role=3).login(privilege=2)
        assert client.request(0x06, 0x3B, b"\x04") == (0x81, b"")
        assert client.request(0x06, 0x3B, b"\x03") == (0, b"\x03")
        assert client.request(0x06, 0x3B, b"\x00") == (0, b"\x03")
        assert client.request(*CONTROL, ON)[0] == 0

    def test_no_more_than_the_account_has(self, console, world):
        world.device("bmc-n1").accounts[3] = Account("guest", "secret", privilege=2)
        client = console(name=b"guest")
        assert (client.open(), client.rakp_1()) == (0, 0x0A)
        client = console(name=b"guest", role=0).login(privilege=2)
        assert client.request(0x06, 0x3B, b"\x03") == (0x81, b"")


class TestLogin:
    def test_wrong_password(self, console, bmc):
        client = console(password=b"wrong")
        assert (client.open(), client.rakp_1()) == (0, 0)
        assert not client.trusts
        assert client.rakp_3() == 0x0F
        assert client.rakp_3() == 0x02
        assert bmc.counters.sessions_opened == 0

    def test_a_client_that_gives_up_frees_the_entry(self, console, world):
        world.set_faults("bmc-n1", session_limit=1)
        client = console(password=b"wrong")
        client.open()
        client.rakp_1()
        assert client.rakp_3(status=0x0F) is None
        console().login()

    @pytest.mark.parametrize(
        ("name", "status"),
        [(b"root", 0x0D), (b"ADMINS", 0x0D), (b"ADMIN\0", 0x0D), (b"", 0x0D), (b"A" * 17, 0x0C)],
    )
    def test_wrong_name(self, console, name, status):
        client = console(name=name)
        assert (client.open(), client.rakp_1()) == (0, status)

    def test_disabled_account(self, console, world):
        world.enable_account("bmc-n1", 2, enabled=False)
        client = console()
        assert (client.open(), client.rakp_1()) == (0, 0x0D)

    def test_rejected_credentials(self, console, world):
        world.set_faults("bmc-n1", reject_credentials=True)
        client = console()
        assert (client.open(), client.rakp_1()) == (0, 0)
        assert not client.trusts
        assert client.rakp_3() == 0x0F

    @pytest.mark.parametrize("algorithms", [(0, 0, 0), (1, 0, 0), (1, 1, 0), (1, 4, 1), (2, 2, 1), (3, 4, 2)])
    def test_only_two_suites(self, console, algorithms):
        client = console()
        client.algorithms = algorithms
        assert client.open() == 0x11

    def test_invalid_role(self, console):
        assert console(role=5).open() == 0x09

    def test_commands_need_the_end_of_the_handshake(self, console, bmc):
        client = console().login()
        other = console()
        other.open()
        other.rakp_1()
        other.k1, other.k2 = client.k1, client.k2
        assert other.request(*STATUS) is None

    def test_no_step_can_be_left_out(self, console):
        client = console(password=b"")
        client.open()
        client.identity, client.bmc_random = b"\0\0", bytes(16)
        assert client.rakp_3() == 0x02

    def test_every_step_can_be_repeated(self, console, bmc, world):
        """Answers get lost: the same question again must not take another entry or change the keys."""
        world.set_faults("bmc-n1", session_limit=1)
        client = console()
        assert client.open() == 0
        first = client.bmc_id
        assert client.open() == 0
        assert client.bmc_id == first
        assert (client.rakp_1(), client.rakp_1(), client.rakp_3(), client.rakp_3()) == (0, 0, 0, 0)
        assert client.request(*STATUS)[0] == 0
        assert (bmc.counters.sessions_opened, bmc.counters.sessions_open) == (1, 1)

    def test_two_clients_with_the_same_console_id(self, console):
        first, second = console(), console(peer=("127.0.0.1", 40001))
        first.console_id = second.console_id = 0xA0A2A3A4
        for step in ("open", "rakp_1", "rakp_3"):
            assert (getattr(first, step)(), getattr(second, step)()) == (0, 0)
        assert first.request(*STATUS)[0] == second.request(*STATUS)[0] == 0


class TestSessions:
    def test_table_is_bounded(self, console, bmc):
        clients = [console().login() for _ in range(16)]
        assert console().open() == 0x01
        assert clients[3].request(0x06, 0x3C, struct.pack("<I", clients[3].bmc_id)) == (0, b"")
        assert clients[3].request(*STATUS) is None
        assert bmc.counters.sessions_open == 15
        assert console().open() == 0

    def test_closing_an_unknown_session(self, console):
        assert console().login().request(0x06, 0x3C, b"\1\2\3\4") == (0x87, b"")

    def test_silence_ends_a_session(self, console, bmc, clock):
        used, idle = console().login(), console().login()
        for _ in range(3):
            clock.advance(40)
            assert used.request(*STATUS)[0] == 0
        assert idle.request(*STATUS) is None
        assert bmc.counters.sessions_open == 1

    def test_half_open_sessions_do_not_stay(self, console, world, clock):
        world.set_faults("bmc-n1", session_limit=1)
        assert console().open() == 0
        assert console().open() == 0x01
        clock.advance(11)
        assert console().open() == 0

    def test_timeouts_are_configurable(self, world, console, clock):
        client = console()
        client.bmc = Bmc(world, "bmc-n1", session_timeout=5)
        client.login()
        clock.advance(6)
        assert client.request(*STATUS) is None


class TestOutsideASession:
    def test_ping(self, bmc):
        ping = b"\x06\x00\xff\x06\x00\x00\x11\xbe\x80\x2a\x00\x00"
        pong = bmc.answer(ping, ("127.0.0.1", 1))
        assert (
            pong == b"\x06\x00\xff\x06\x00\x00\x11\xbe\x40\x2a\x00\x10\x00\x00\x11\xbe\0\0\0\0\x81" + bytes(7)
        )

    def test_authentication_capabilities(self, console):
        client = console()
        answer = client.send(sessionless(client.message(0x06, 0x38, b"\x8e\x04")))
        assert answer[14 + 6 :][:10] == b"\x00\x01\x80\x04\x02" + bytes(4) + answer[-1:]
        assert client.send(sessionless(client.message(0x06, 0x38, b"\x8e\x07")))[14 + 6] == 0xCC

    def test_cipher_suites(self, console):
        client = console()
        answer = client.send(sessionless(client.message(0x06, 0x54, b"\x0e\x00\x80")))
        assert answer[14 + 7 : -1] == bytes.fromhex("01 c0 03 01 41 81 c0 11 03 44 81")
        answer = client.send(sessionless(client.message(0x06, 0x54, b"\x0e\x00\x81")))
        assert answer[14 + 7 : -1] == b"\x01"

    def test_nothing_else_is_allowed(self, console, world, clock):
        client = console()
        assert client.send(sessionless(client.message(*CONTROL, OFF)))[14 + 6] == 0xD4
        assert client.outside(0x00, client.message(*CONTROL, OFF))[6] == 0xD4
        clock.advance(1)
        assert world.is_on("n1")

    def test_what_is_not_for_the_bmc(self, console):
        """Another slave address, a response, a session that IPMI v1.5 would have: silence."""
        client = console()
        sound = client.message(0x06, 0x38, b"\x8e\x04")
        assert client.send(sessionless(sound)) is not None
        for head in (b"\x22\x18", b"\x20\x1c"):
            assert client.send(sessionless(head + cks(head) + sound[3:])) is None
        in_session = bytearray(sessionless(sound))
        in_session[9] = 1
        assert client.send(bytes(in_session)) is None
        for place in range(len(sound)):
            broken = sound[:place] + bytes([sound[place] ^ 0x10]) + sound[place + 1 :]
            assert client.send(sessionless(broken)) is None

    def test_logical_units_are_swapped(self, console):
        head, tail = b"\x20\x1a", b"\x81\x25\x38\x8e\x04"  # to unit 2, from unit 1
        answer = console().send(sessionless(head + cks(head) + tail + cks(tail)))[14:]
        assert (answer[1], answer[4]) == (0x1D, 0x26)


class TestBootOptions:
    PXE = b"\x05\x80\x04\x00\x00\x00"
    PXE_ALWAYS = b"\x05\xc0\x04\x00\x00\x00"

    def test_for_one_start(self, console, world):
        client = console().login()
        assert client.request(0x00, 0x08, self.PXE) == (0, b"")
        assert client.request(0x00, 0x09, b"\x05\x00\x00") == (0, b"\x01" + self.PXE)
        world.reset("n1")
        assert client.request(0x00, 0x09, b"\x05\x00\x00") == (0, b"\x01\x05\x00\x04\x00\x00\x00")

    def test_for_all_starts(self, console, world):
        client = console().login()
        client.request(0x00, 0x08, self.PXE_ALWAYS)
        world.reset("n1")
        assert client.request(0x00, 0x09, b"\x05\x00\x00") == (0, b"\x01" + self.PXE_ALWAYS)

    @pytest.mark.parametrize(("clearing", "lasts"), [(b"", False), (b"\x03\x00", False), (b"\x03\x08", True)])
    def test_after_a_minute_only_what_is_to_stay(self, console, clock, clearing, lasts):
        client = console().login()
        client.request(0x00, 0x08, clearing or b"\x00\x00")
        client.request(0x00, 0x08, self.PXE)
        clock.advance(59)
        assert console().login().request(0x00, 0x09, b"\x05\x00\x00")[1][2] == 0x80
        clock.advance(2)
        assert console().login().request(0x00, 0x09, b"\x05\x00\x00")[1][2] == 0x80 * lasts

    def test_wrong_requests(self, console):
        client = console().login()
        assert client.request(0x00, 0x08, b"\x05\x80\x04") == (0xC7, b"")
        assert client.request(0x00, 0x08, b"\x60\x80") == (0x80, b"")
        assert client.request(0x00, 0x09, b"\x60\x00\x00") == (0x80, b"")
        assert client.request(0x00, 0x09, b"\x05") == (0xC7, b"")
        assert client.request(0x00, 0x08) == (0xC7, b"")


class TestUsers:
    def test_password_change(self, console, world):
        client = console().login()
        assert client.request(0x06, 0x47, b"\x02\x02" + b"better".ljust(16, b"\0")) == (0, b"")
        assert client.request(0x06, 0x47, b"\x02\x03" + b"better".ljust(16, b"\0")) == (0, b"")
        assert client.request(0x06, 0x47, b"\x02\x03" + b"other".ljust(16, b"\0")) == (0x80, b"")
        assert client.request(0x06, 0x47, b"\x82\x02" + b"t" * 20) == (0, b"")
        console(password=b"t" * 20).login()
        assert console(password=b"better").open() == 0
        assert world.device("bmc-n1").accounts[2].password == "t" * 20

    def test_disable(self, console):
        client = console().login()
        assert client.request(0x06, 0x47, b"\x02\x00") == (0, b"")
        assert client.request(0x06, 0x44, b"\x01\x02") == (0, b"\x10\x80\x00\x14")
        assert client.request(0x06, 0x47, b"\x02\x01") == (0, b"")
        assert client.request(0x06, 0x44, b"\x01\x02") == (0, b"\x10\x41\x00\x14")

    def test_names(self, console):
        client = console().login()
        assert client.request(0x06, 0x46, b"\x02") == (0, b"ADMIN".ljust(16, b"\0"))
        assert client.request(0x06, 0x46, b"\x03") == (0, bytes(16))
        assert client.request(0x06, 0x44, b"\x01\x03") == (0, b"\x10\x01\x00\x0f")
        assert client.request(0x06, 0x46, b"\x11") == (0xCC, b"")
        assert client.request(0x06, 0x47, b"\x03\x02" + bytes(16)) == (0xCC, b"")
        assert client.request(0x06, 0x47, b"\x02\x02short") == (0xC7, b"")
        assert client.request(0x06, 0x47, b"\x02") == (0xC7, b"")
