"""Whatever arrives on the socket, the BMC neither stumbles nor obeys."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloudmanager.simulators.world import Account

PEER = ("127.0.0.1", 40000)
FUZZ = settings(
    max_examples=400,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
HEADERS = st.sampled_from(
    [
        b"",
        b"\x06\x00\xff\x07",
        b"\x06\x00\xff\x06\x00\x00\x11\xbe\x80",
        b"\x06\x00\xff\x07" + bytes(9),
        *(b"\x06\x00\xff\x07\x06" + bytes([kind]) + bytes(8) for kind in (0x00, 0x10, 0x12, 0x14, 0xC0)),
    ]
)
EDIT = st.tuples(
    st.sampled_from(["flip", "cut", "insert", "double"]), st.integers(0, 200), st.integers(0, 255)
)


def edited(packet, edits):
    for kind, place, value in edits:
        at = place % (len(packet) + 1)
        if kind == "flip" and at < len(packet):
            packet = packet[:at] + bytes([packet[at] ^ value]) + packet[at + 1 :]
        elif kind == "cut":
            packet = packet[:at]
        elif kind == "insert":
            packet = packet[:at] + bytes([value]) + packet[at:]
        elif kind == "double":
            packet += packet[:at]
    return packet


def nothing_happened(world, clock):
    clock.advance(1)
    node = world.node("n1")
    return (node.on, node.boots, node.resets) == (True, 1, 0)


@FUZZ
@given(header=HEADERS, noise=st.binary(max_size=120))
def test_noise(bmc, world, clock, header, noise):
    bmc.answer(header + noise, PEER)
    assert nothing_happened(world, clock)


@FUZZ
@given(header=HEADERS, body=st.binary(max_size=120))
def test_noise_of_the_right_length(bmc, world, clock, header, body):
    bmc.answer(header + bytes([len(body)]) + body, PEER)
    bmc.answer(header + len(body).to_bytes(2, "little") + body, PEER)
    assert nothing_happened(world, clock)


@FUZZ
@given(
    step=st.sampled_from([0x10, 0x12, 0x14, 0x00]),
    noise=st.tuples(st.binary(max_size=80), st.lists(EDIT, max_size=3)),
)
def test_handshake_with_edits(console, world, clock, step, noise):
    client, (body, edits) = console(), noise
    if client.open() == 0:
        client.outside(step, edited(bytes(4) + client.bmc_id.to_bytes(4, "little") + body, edits))
    clock.advance(20)
    assert nothing_happened(world, clock)
    assert client.bmc.counters.sessions_open == 0


@FUZZ
@given(edits=st.lists(EDIT, min_size=1, max_size=4))
def test_a_command_with_edits(console, world, clock, edits):
    client = console().login()
    packet = client.wrap(client.message(0x00, 0x02, b"\x03"))
    forged = edited(packet, edits)
    if forged[4:] != packet[4:]:  # the RMCP header in front is not protected
        assert client.send(forged) is None
        assert nothing_happened(world, clock)
    client.request(0x06, 0x3C, client.bmc_id.to_bytes(4, "little"))


@FUZZ
@given(
    command=st.tuples(st.sampled_from([0x00, 0x06]), st.integers(0, 0x60)),
    data=st.binary(max_size=24),
    rq_seq=st.integers(0, 63),
)
def test_any_command_gets_an_answer(console, world, command, data, rq_seq):
    """Authentic requests with arbitrary content: a completion code, never silence."""
    client = console().login()
    assert client.request(*command, data, rq_seq) is not None
    client.request(0x06, 0x3C, client.bmc_id.to_bytes(4, "little"), (rq_seq + 1) % 64)
    world.device("bmc-n1").accounts[2] = Account("ADMIN", "secret")  # it may have been changed
