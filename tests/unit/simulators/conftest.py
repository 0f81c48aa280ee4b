"""A client of RMCP+ written from the standard alone: it shares nothing with the simulator that it tests."""

from __future__ import annotations

import hmac
import os
import struct

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from cloudmanager.simulators.clock import ManualClock
from cloudmanager.simulators.ipmi import Bmc
from cloudmanager.simulators.world import Account, World

PEER = ("127.0.0.1", 40000)
SUITES = {3: ("sha1", (1, 1, 1), 12), 17: ("sha256", (3, 4, 1), 16)}


def cks(data):
    return bytes([-sum(data) & 0xFF])


class Console:
    """One client of one BMC. `bmc` is anything with `answer(packet, peer)`."""

    def __init__(self, bmc, *, name=b"ADMIN", password=b"secret", suite=3, role=4, peer=PEER):
        self.bmc, self.name, self.password, self.role, self.peer = bmc, name, password, role, peer
        self.digest, self.algorithms, self.code_length = SUITES[suite]
        self.console_id, self.bmc_id = int.from_bytes(os.urandom(4), "little"), 0
        self.random = os.urandom(16)
        self.sequence = self.rq_seq = 0

    def send(self, packet):
        return self.bmc.answer(packet, self.peer)

    def outside(self, kind, body):
        answer = self.send(struct.pack("<4sBBIIH", b"\x06\0\xff\x07", 6, kind, 0, 0, len(body)) + body)
        return None if answer is None else answer[16:]

    def hash(self, key, data):
        return hmac.digest(key, data, self.digest)

    def open(self, tag=0):
        body = struct.pack("<BBxxI", tag, self.role, self.console_id)
        body += b"".join(
            bytes([kind, 0, 0, 8, number, 0, 0, 0]) for kind, number in enumerate(self.algorithms)
        )
        answer = self.outside(0x10, body)
        if answer[1] == 0:
            self.bmc_id = struct.unpack_from("<I", answer, 8)[0]
        return answer[1]

    def rakp_1(self):
        identity = bytes([self.role, len(self.name)]) + self.name
        body = struct.pack("<BxxxI", 1, self.bmc_id) + self.random
        body += bytes([self.role, 0, 0, len(self.name)]) + self.name
        answer = self.outside(0x12, body)
        if answer[1] == 0:
            self.identity, self.bmc_random, self.guid = identity, answer[8:24], answer[24:40]
            ids = struct.pack("<II", self.console_id, self.bmc_id)
            proof = self.hash(self.password, ids + self.random + self.bmc_random + self.guid + identity)
            self.trusts = proof == answer[40:]
        return answer[1]

    def rakp_3(self, status=0):
        console_id = struct.pack("<I", self.console_id)
        body = struct.pack("<BBxxI", 2, status, self.bmc_id)
        body += self.hash(self.password, self.bmc_random + console_id + self.identity)
        answer = self.outside(0x14, body)
        if answer is None or answer[1]:
            return None if answer is None else answer[1]
        sik = self.hash(self.password, self.random + self.bmc_random + self.identity)
        expected = self.hash(sik, self.random + struct.pack("<I", self.bmc_id) + self.guid)
        assert answer[8:] == expected[: self.code_length]
        self.k1, self.k2 = self.hash(sik, b"\1" * 20), self.hash(sik, b"\2" * 20)[:16]
        return 0

    def login(self, privilege=4):
        assert (self.open(), self.rakp_1(), self.rakp_3()) == (0, 0, 0)
        if privilege > 2:
            assert self.request(0x06, 0x3B, bytes([privilege])) == (0, bytes([privilege]))
        return self

    def message(self, net_fn, command, data=b"", rq_seq=None):
        if rq_seq is None:
            rq_seq = self.rq_seq = (self.rq_seq + 1) % 64
        head, tail = bytes([0x20, net_fn << 2]), bytes([0x81, rq_seq << 2, command]) + data
        return head + cks(head) + tail + cks(tail)

    def wrap(self, message, *, sequence=None, kind=0xC0, pad=None, trailer=b"\xff\xff\x02\x07"):
        if sequence is None:
            sequence = self.sequence = self.sequence + 1
        fill = -(len(message) + 1) % 16
        iv = os.urandom(16)
        pad = bytes(range(1, fill + 1)) if pad is None else pad
        cipher = Cipher(algorithms.AES(self.k2), modes.CBC(iv)).encryptor()
        body = iv + cipher.update(message + pad + bytes([fill])) + cipher.finalize()
        packet = struct.pack("<4sBBIIH", b"\x06\0\xff\x07", 6, kind, self.bmc_id, sequence, len(body)) + body
        packet += trailer  # with whole AES blocks it is always these four bytes
        return packet + self.hash(self.k1, packet[4:])[: self.code_length]

    def unwrap(self, packet):
        signed, code = packet[4 : -self.code_length], packet[-self.code_length :]
        assert self.hash(self.k1, signed)[: self.code_length] == code
        assert len(signed) % 4 == 0
        _, _, kind, session, sequence, length = struct.unpack_from("<4sBBIIH", packet)
        assert (kind, session) == (0xC0, self.console_id)
        cipher = Cipher(algorithms.AES(self.k2), modes.CBC(packet[16:32])).decryptor()
        plain = cipher.update(packet[32 : 16 + length]) + cipher.finalize()
        end = len(plain) - 1 - plain[-1]
        assert plain[end:-1] == bytes(range(1, plain[-1] + 1))
        return sequence, plain[:end]

    def request(self, net_fn, command, data=b"", rq_seq=None):
        """Completion code and data, or None when the BMC is silent."""
        message = self.message(net_fn, command, data, rq_seq)
        packet = self.send(self.wrap(message))
        if packet is None:
            return None
        _, answer = self.unwrap(packet)
        assert sum(answer[:3]) & 0xFF == sum(answer[3:]) & 0xFF == 0
        assert (answer[0], answer[1], answer[3]) == (0x81, (net_fn | 1) << 2, 0x20)
        assert (answer[4], answer[5]) == (message[4], command)
        return answer[6], answer[7:-1]


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def world(clock):
    world = World(clock=clock)
    world.add_node("n1", on=True)
    world.add_device("bmc-n1", "bmc", accounts={2: Account("ADMIN", "secret")})
    world.plug("bmc-n1", "1", "n1")
    return world


@pytest.fixture
def bmc(world):
    return Bmc(world, "bmc-n1")


@pytest.fixture
def console(bmc):
    """Make clients of the BMC."""
    return lambda **options: Console(bmc, **options)
