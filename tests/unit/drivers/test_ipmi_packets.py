from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudmanager.drivers.ipmi import packets
from cloudmanager.drivers.ipmi.packets import BadPacket
from tests.unit.drivers.recorded import CAPABILITIES_REQUEST, RECORDINGS, SUITE_3_LOG_ON

DECODERS = [
    packets.decode_answer,
    packets.decode_setup_answer,
    packets.decode_open_answer,
    packets.decode_rakp2,
    packets.strip_confidentiality_pad,
    lambda octets: packets.split_in_session(octets, 12),
    lambda octets: packets.split_in_session(octets, 16),
]
A_STATUS_ANSWER = bytes.fromhex("81 04 7b 20 08 01 00 21 00 00 b6".replace(" ", ""))


@pytest.mark.parametrize("recording", RECORDINGS)
def test_what_we_send_is_what_ipmitool_sends(recording):
    tag, privilege, console_id = 0, 0, bytes.fromhex("a4a3a2a0")
    opened = packets.encode_open_request(tag, privilege, console_id, recording.suite.algorithms)
    assert opened == recording.open_request

    bmc_id, random = recording.rakp1[20:24], recording.rakp1[24:40]
    assert packets.encode_rakp1(0, bmc_id, random, 0x14, b"ADMIN") == recording.rakp1
    assert packets.encode_rakp3(0, 0, bmc_id, recording.rakp3[24:]) == recording.rakp3


def test_the_knock_is_what_ipmitool_sends_first():
    assert packets.encode_auth_capabilities_request(4) == CAPABILITIES_REQUEST


@pytest.mark.parametrize("recording", RECORDINGS)
def test_answers_of_the_log_on(recording):
    opened = packets.decode_setup_answer(recording.open_answer)
    assert opened[:3] == (0, 0, bytes.fromhex("a4a3a2a0"))
    bmc_id, algorithms = packets.decode_open_answer(opened.rest)
    assert bmc_id == recording.rakp1[20:24]
    assert algorithms == recording.suite.algorithms

    random, guid, code = packets.decode_rakp2(packets.decode_setup_answer(recording.rakp2).rest)
    assert random == recording.rakp2[24:40]
    assert guid == recording.rakp2[40:56]
    assert code == recording.rakp2[56:]


@pytest.mark.parametrize("recording", RECORDINGS)
def test_in_session_packets_come_out_of_the_encoder_as_ipmitool_sent_them(recording):
    size = recording.suite.code_size
    sequence, covered, code, ciphertext = packets.split_in_session(recording.request, size)
    again = packets.encode_in_session(recording.request[6:10], sequence, ciphertext)
    assert again + code == recording.request
    assert again[4:] == covered
    assert (sequence, len(ciphertext)) == (3, 32)


def test_request():
    # Chassis Control: power up; both checksums make their part add up to 0 modulo 256.
    assert packets.encode_request(0x00, 0x02, 5, b"\x01") == bytes.fromhex(
        "2000e0811402 0168".replace(" ", "")
    )


def test_answer():
    answer = packets.decode_answer(A_STATUS_ANSWER)
    assert answer == packets.Answer(netfn=1, command=1, rq_seq=2, code=0, data=b"\x21\x00\x00")


@pytest.mark.parametrize("place", range(len(A_STATUS_ANSWER)))
def test_an_answer_with_one_wrong_octet_is_bad(place):
    wrong = bytearray(A_STATUS_ANSWER)
    wrong[place] ^= 0x10
    with pytest.raises(BadPacket, match="checksum"):
        packets.decode_answer(bytes(wrong))


@pytest.mark.parametrize("size", range(100))
def test_padding_fills_blocks_and_comes_off_again(size):
    padded = packets.add_confidentiality_pad(bytes(size))
    assert len(padded) % 16 == 0
    assert len(padded) - size <= 16
    assert packets.strip_confidentiality_pad(padded) == bytes(size)


@pytest.mark.parametrize("padded", [b"", b"\x01", b"\x02\x02", bytes(15) + b"\x10", b"a" * 14 + b"\x02\x01"])
def test_wrong_padding_is_bad(padded):
    with pytest.raises(BadPacket, match="padding"):
        packets.strip_confidentiality_pad(padded)


def test_an_unprotected_packet_is_not_taken_for_a_protected_one():
    for flags in (0x00, 0x40, 0x80):
        packet = bytearray(SUITE_3_LOG_ON.answer)
        packet[5] = flags
        with pytest.raises(BadPacket, match="unprotected"):
            packets.split_in_session(bytes(packet), 12)


@pytest.mark.parametrize("pad_length", [0, 1, 3, 255])
def test_lengths_that_do_not_add_up(pad_length):
    packet = bytearray(SUITE_3_LOG_ON.answer)
    assert packet[-14] == 2
    packet[-14] = pad_length
    with pytest.raises(BadPacket, match="truncated"):
        packets.split_in_session(bytes(packet), 12)


@pytest.mark.parametrize("decode", DECODERS)
@given(octets=st.binary(max_size=200))
def test_no_decoder_raises_anything_but_bad_packet(decode, octets):
    with contextlib.suppress(BadPacket):
        decode(octets)


@pytest.mark.parametrize("decode", DECODERS)
@pytest.mark.parametrize("recording", RECORDINGS)
@given(cut=st.integers(0, 90), place=st.integers(0, 90), octet=st.integers(0, 255))
def test_no_decoder_dies_of_damaged_packets(decode, recording, cut, place, octet):
    for whole in recording[2:]:
        damaged = bytearray(whole[:cut])
        if place < len(damaged):
            damaged[place] = octet
        with contextlib.suppress(BadPacket):
            decode(bytes(damaged))
