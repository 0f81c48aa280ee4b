"""The key exchange against log-ons that programs of other people did with each other."""

from __future__ import annotations

import contextlib
import hmac

import pytest
from pyghmi.ipmi.private import session as pyghmi_session

from cloudmanager.drivers.ipmi import packets
from cloudmanager.drivers.ipmi.ciphers import SUITE_3, SUITE_17, KeyExchange, SessionKeys
from cloudmanager.drivers.ipmi.logon import Account
from cloudmanager.drivers.ipmi.packets import BadPacket
from cloudmanager.drivers.ipmi.session import SequenceWindow, Session
from tests.unit.drivers.recorded import RECORDINGS


def exchange_of(recording, password=None):
    return KeyExchange(
        suite=recording.suite,
        password=password or recording.password,
        name=b"ADMIN",
        role=0x14,
        console_id=recording.rakp2[20:24],
        bmc_id=recording.rakp1[20:24],
        console_random=recording.rakp1[24:40],
        bmc_random=recording.rakp2[24:40],
        bmc_guid=recording.rakp2[40:56],
    )


def keys_of(recording):
    return SessionKeys(recording.suite, exchange_of(recording).session_integrity_key())


@pytest.mark.parametrize("recording", RECORDINGS)
def test_codes_of_the_key_exchange(recording):
    exchange = exchange_of(recording)
    assert exchange.rakp2_code() == recording.rakp2[56:]
    assert exchange.rakp3_code() == recording.rakp3[24:]
    assert exchange.rakp4_code(exchange.session_integrity_key()) == recording.rakp4[24:]


@pytest.mark.parametrize("recording", RECORDINGS)
def test_another_password_gives_other_codes(recording):
    exchange = exchange_of(recording, password=b"another")
    assert exchange.rakp2_code() != recording.rakp2[56:]
    assert exchange.rakp3_code() != recording.rakp3[24:]


@pytest.mark.parametrize("recording", RECORDINGS)
@pytest.mark.parametrize("which", ["request", "answer"])
def test_integrity_and_confidentiality(recording, which):
    keys = keys_of(recording)
    _, covered, code, ciphertext = packets.split_in_session(getattr(recording, which), keys.code_size)
    assert keys.code(covered) == code
    message = keys.decrypt(ciphertext)
    assert message[5] == 0x3B  # Set Session Privilege Level
    assert message[-2] == 0x04  # to Administrator


@pytest.mark.parametrize("recording", RECORDINGS)
def test_a_session_opens_what_the_bmc_sent_and_only_once(recording):
    session = Session(recording.rakp2[20:24], recording.rakp1[20:24], keys_of(recording))
    request = session.next_request(0x06, 0x3B, b"\x04")
    while request[4] >> 2 != packets.decode_answer(_plain(recording)).rq_seq:
        request = session.next_request(0x06, 0x3B, b"\x04")
    assert session.open(recording.answer) == (0x07, 0x3B, request[4] >> 2, 0x00, b"\x04")
    with pytest.raises(BadPacket, match="sequence"):
        session.open(recording.answer)


def _plain(recording):
    keys = keys_of(recording)
    return keys.decrypt(packets.split_in_session(recording.answer, keys.code_size)[3])


@pytest.mark.parametrize("recording", RECORDINGS)
def test_any_changed_bit_is_noticed(recording):
    for place in range(4, len(recording.answer)):
        for bit in range(8):
            wrong = bytearray(recording.answer)
            wrong[place] ^= 1 << bit
            with pytest.raises(BadPacket):
                Session(b"", b"", keys_of(recording)).open(bytes(wrong))


@pytest.mark.parametrize("suite", [SUITE_3, SUITE_17])
def test_keys_against_pyghmi(suite):
    """pyghmi's own encoder makes a packet; ours must open it."""
    sik = bytes(range(32))
    keys = SessionKeys(suite, sik)
    peer = object.__new__(pyghmi_session.Session)
    name = suite.digest
    peer.k1 = hmac.digest(sik, b"\x01" * 20, name)
    peer.aeskey = hmac.digest(sik, b"\x02" * 20, name)[:16]
    peer.currhashlib, peer.currhashlen = name, suite.code_size
    peer.integrityalgo, peer.confalgo, peer.authtype, peer.ipmiversion = name, "aes", 6, 2.0
    peer.sessionid, peer.sequencenumber, peer.lastpayload = 0x04030201, 7, None
    peer._customkeepalives = None
    sent = []
    peer._xmit_packet = lambda *_, **__: sent.append(bytes(peer.netpacket))
    message = packets.encode_request(0x00, 0x01, 3, b"")
    peer.send_payload(message, payload_type=0, retry=False)

    sequence, covered, code, ciphertext = packets.split_in_session(sent[0], keys.code_size)
    assert sequence == 7
    assert keys.code(covered) == code
    assert keys.decrypt(ciphertext) == message


def test_no_two_packets_look_alike():
    keys = SessionKeys(SUITE_3, bytes(20))
    assert len({keys.encrypt(b"the same") for _ in range(100)}) == 100
    assert SessionKeys(SUITE_3, bytes(20)).encrypt(b"") != SessionKeys(SUITE_3, bytes(20)).encrypt(b"")


@pytest.mark.parametrize("ciphertext", [b"", bytes(16), bytes(31), bytes(33)])
def test_ciphertext_that_is_not_whole_blocks(ciphertext):
    with pytest.raises(BadPacket, match="padding"):
        SessionKeys(SUITE_3, bytes(20)).decrypt(ciphertext)


def test_damage_does_not_spoil_the_next_packet():
    ours, theirs = SessionKeys(SUITE_3, bytes(20)), SessionKeys(SUITE_3, bytes(20))
    with contextlib.suppress(BadPacket):
        ours.decrypt(theirs.encrypt(b"first")[:-16] + bytes(16))
    assert ours.decrypt(theirs.encrypt(b"second")) == b"second"


def test_secrets_are_not_shown():
    account = Account(b"ADMIN", b"the password")
    exchange = exchange_of(RECORDINGS[0])
    for each in (account, exchange, keys_of(RECORDINGS[0])):
        assert b"the password" not in repr(each).encode()
        assert "secret-of-rack" not in repr(each)


class TestSequenceWindow:
    def admitted(self, *numbers):
        window = SequenceWindow()
        return [number for number in numbers if window.admit(number)]

    def test_in_order(self):
        assert self.admitted(1, 2, 3, 100) == [1, 2, 3]

    def test_each_number_once(self):
        assert self.admitted(1, 1, 2, 1, 2, 3, 3) == [1, 2, 3]

    def test_fifteen_ahead(self):
        assert self.admitted(1, 16) == [1, 16]
        assert self.admitted(1, 17) == [1]

    def test_sixteen_behind(self):
        assert self.admitted(10, 25, 35, 19) == [10, 25, 35, 19]
        assert self.admitted(10, 25, 35, 18) == [10, 25, 35]

    def test_overtaken_numbers_are_taken_once(self):
        assert self.admitted(1, 5, 3, 2, 4, 3, 2, 4, 5) == [1, 5, 3, 2, 4]

    def test_zero_belongs_to_no_session(self):
        assert self.admitted(0, 0, 1) == [1]

    def test_begins_wherever_the_bmc_begins(self):
        assert self.admitted(1_000_000, 1_000_001, 999_999) == [1_000_000, 1_000_001, 999_999]
