"""The codec of SNMP v1, by bytes worked out from the standards, and by whatever else may arrive."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudmanager.drivers.snmp.message import Kind, Request, Response, Unsound, decode, object_id

CALM = settings(max_examples=500, deadline=None, derandomize=True)
RELAY_2 = "1.3.6.1.4.1.19865.1.2.2.2.0"
OID = bytes.fromhex("2b06010401819b190102020200")


def response(*, oid=OID, value=b"\x02\x01\x01", request_id=b"\x02\x01\x07", status=0, kind=0xA2, version=0):
    def tlv(tag, content):
        return bytes([tag, len(content)]) + content

    binding = tlv(0x30, tlv(0x06, oid) + value)
    pdu = tlv(kind, request_id + bytes([2, 1, status, 2, 1, 0]) + tlv(0x30, binding))
    return tlv(0x30, bytes([2, 1, version]) + tlv(0x04, b"private") + pdu)


def test_object_id():
    """X.690 §8.19.5's example, and the enterprise 19865 = 1·128² + 27·128 + 25."""
    assert object_id("2.999.3") == bytes.fromhex("883703")
    assert object_id(RELAY_2) == OID


@pytest.mark.parametrize(
    ("request_", "packet"),
    [
        (
            Request(Kind.GET, b"public", 1, object_id("1.3.6.1.2.1.1.1.0")),
            "30260201000406 7075626c6963 a019 020101 020100 020100 300e 300c 0608 2b06010201010100 0500",
        ),
        (
            Request(Kind.SET, b"private", 0x7FFFFFFF, OID, 1),
            "30300201000407 70726976617465 a322 02047fffffff 020100 020100 3014 3012 060d 2b06010401819b190102020200 020101",
        ),
        (
            Request(Kind.SET, b"p", 128, OID, 255),
            "30290201000401 70 a321 02020080 020100 020100 3015 3013 060d 2b06010401819b190102020200 020200ff",
        ),
    ],
    ids=["get", "set", "sign"],
)
def test_requests(request_, packet):
    assert request_.encode().hex() == packet.replace(" ", "")


def test_a_long_community():
    packet = Request(Kind.GET, b"c" * 200, 1, OID).encode()
    assert packet[:2] == bytes([0x30, 0x81])
    assert packet[2] == len(packet) - 3
    assert b"\x04\x81\xc8" + b"c" * 200 in packet


def test_a_request_does_not_show_its_community():
    assert "secret" not in repr(Request(Kind.GET, b"secret", 1, OID))


@pytest.mark.parametrize(
    ("packet", "expected"),
    [
        (response(), Response(7, 0, OID, 1)),
        (response(value=b"\x02\x02\x03\xff"), Response(7, 0, OID, 1023)),
        (response(value=b"\x02\x01\xff"), Response(7, 0, OID, -1)),
        (response(value=b"\x05\x00", status=2), Response(7, 2, OID, None)),
        (response(value=b"\x04\x01a"), Response(7, 0, OID, None)),
        (response(request_id=b"\x02\x04\x7f\xff\xff\xff"), Response(0x7FFFFFFF, 0, OID, 1)),
    ],
)
def test_responses(packet, expected):
    assert decode(packet) == expected


def test_the_long_form_of_lengths():
    packet = response()
    assert decode(b"\x30\x81" + packet[1:]) == decode(packet)
    assert decode(b"\x30\x82\x00" + packet[1:]) == decode(packet)


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"\x30\x80" + response()[2:] + b"\0\0",
        b"\x30\x83\0\0" + response()[1:],
        response() + b"\0",
        response()[:-1],
        response(kind=0xA0),
        response(version=1),
        response(value=b""),
        response(value=b"\x02\x00"),
        response(value=b"\x02\x05\0\0\0\0\0"),
        response(value=b"\x02\x01\x01\x05\x00"),
        response(request_id=b"\x04\x01\x07"),
    ],
)
def test_unsound(packet):
    with pytest.raises(Unsound):
        decode(packet)


@CALM
@given(st.binary(max_size=80))
def test_noise(noise):
    with pytest.raises(Unsound):
        decode(noise)


@CALM
@given(place=st.integers(0, 200), value=st.integers(0, 255), cut=st.booleans())
def test_a_damaged_response_is_unsound_or_whole(place, value, cut):
    packet = bytearray(response())
    place %= len(packet)
    packet = packet[:place] if cut else packet[:place] + bytes([value]) + packet[place + 1 :]
    try:
        found = decode(bytes(packet))
    except Unsound:
        return
    assert isinstance(found.request_id, int)
    assert found.value is None or isinstance(found.value, int)


@CALM
@given(request_id=st.integers(1, 2**31 - 1), value=st.integers(-(2**31), 2**31 - 1))
def test_numbers_come_back(request_id, value):
    """What `Request` writes differs from a response by the tag of the PDU alone."""
    packet = bytearray(Request(Kind.SET, b"private", request_id, OID, value).encode())
    assert packet[14] == 0xA3
    packet[14] = 0xA2
    assert decode(bytes(packet)) == Response(request_id, 0, OID, value)
