import pytest

STATUS, CONTROL = (0x00, 0x01), (0x00, 0x02)
RESET, CYCLE = b"\x03", b"\x02"


class TestReplay:
    @pytest.fixture
    def client(self, console):
        return console().login()

    def test_a_recorded_packet_is_ignored(self, client, world, clock):
        packet = client.wrap(client.message(*CONTROL, RESET))
        assert client.send(packet)
        assert client.send(packet) is None
        clock.advance(60)
        assert client.send(packet) is None
        assert world.node("n1").resets == 1

    def test_window(self, client):
        """15 ahead, 16 behind, each number once; the login took number 1."""

        def accepted(sequence):
            return client.send(client.wrap(client.message(*STATUS), sequence=sequence)) is not None

        assert not accepted(1 + 16)
        assert accepted(1 + 15)
        assert [n for n in range(17) if accepted(n)] == list(range(2, 16))
        assert accepted(16 + 15)
        assert accepted(31 + 15)
        assert not accepted(46 - 17)
        assert accepted(46 - 16)
        assert not accepted(46 - 16)

    def test_a_retry_is_answered_but_not_executed_again(self, client, world, bmc, clock):
        first = client.request(*CONTROL, RESET, rq_seq=9)
        second = client.request(*CONTROL, RESET, rq_seq=9)
        clock.advance(1)
        assert first == second == (0, b"")
        assert (world.node("n1").resets, bmc.counters.resets_accepted) == (1, 1)

    def test_another_request_is_executed(self, client, world, clock):
        client.request(*CONTROL, RESET, rq_seq=9)
        client.request(*CONTROL, RESET, rq_seq=10)
        client.request(*CONTROL, CYCLE, rq_seq=9)
        clock.advance(10)
        client.request(*CONTROL, RESET, rq_seq=9)
        clock.advance(10)
        assert world.node("n1").resets == 4

    def test_rq_seq_may_start_again_after_64(self, client, world, clock):
        for number in range(128):
            world.reset("n1") if number == 63 else None
            clock.advance(0.01)
            if number == 64:
                world.power_off("n1")
            code, data = client.request(*STATUS, rq_seq=number % 64)
            assert (code, data[0] & 1) == (0, number < 64)


class TestTampering:
    @pytest.fixture
    def client(self, console):
        return console().login()

    def test_every_bit_counts(self, client, world, clock):
        packet = client.wrap(client.message(*CONTROL, RESET))
        for bit in range(8 * 4, 8 * len(packet)):  # the RMCP header is not protected
            forged = bytearray(packet)
            forged[bit // 8] ^= 1 << bit % 8
            assert client.send(bytes(forged)) is None
        clock.advance(1)
        assert world.node("n1").resets == 0
        assert client.send(packet) is not None

    def test_protection_is_not_optional(self, client):
        for kind in (0x00, 0x40, 0x80, 0x01, 0xC1):
            assert client.send(client.wrap(client.message(*STATUS), kind=kind)) is None

    @pytest.mark.parametrize(
        "trailer", [b"\xff\xff\x02\x06", b"\xff\xff\x01\x07", b"\xff\x01\x07", b"\x00\x07", b"", b"\x07"]
    )
    def test_the_trailer_is_checked(self, client, trailer):
        assert client.send(client.wrap(client.message(*STATUS), trailer=b"\xff\xff\x02\x07")) is not None
        assert client.send(client.wrap(client.message(*STATUS), trailer=trailer)) is None

    def test_padding_is_checked(self, client):
        message = client.message(*STATUS)
        assert client.send(client.wrap(message, pad=bytes(-(len(message) + 1) % 16))) is None

    def test_message_checksums_are_checked(self, client):
        message = client.message(*STATUS)
        for place in range(len(message)):
            broken = message[:place] + bytes([message[place] ^ 0x10]) + message[place + 1 :]
            assert client.send(client.wrap(broken)) is None

    def test_answers_count_up_and_never_repeat_an_iv(self, client):
        packets = [client.send(client.wrap(client.message(*STATUS))) for _ in range(50)]
        sequences = [client.unwrap(packet)[0] for packet in packets]
        assert sequences == list(range(sequences[0], sequences[0] + 50))
        assert len({packet[16:32] for packet in packets}) == 50
