"""Cipher suites 3 and 17 of RMCP+: key exchange, session keys, integrity and confidentiality.

Sections are those of the IPMI v2.0 specification, revision 1.1. Both suites encrypt with AES-CBC-128.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from .packets import BadPacket, add_confidentiality_pad, strip_confidentiality_pad

_BLOCK: Final = 16
_KEY_CONSTANT_SIZE: Final = 20
_HASHES: Final = {"sha1": SHA1(), "sha256": SHA256()}  # noqa: S303 - cipher suite 3 demands it


@dataclass(frozen=True, eq=False)
class Suite:
    """A row of table 22-20: algorithm numbers (tables 13-17 to 13-19), hash, size of an integrity code.

    There is one object of each; comparing and hashing them is frequent.
    """

    number: int
    algorithms: tuple[int, int, int]
    digest: str
    code_size: int

    def mac(self, key: bytes, octets: bytes) -> bytes:
        """The whole HMAC, as the key exchange and the derivation of keys use it."""
        return hmac.digest(key, octets, self.digest)


SUITE_3: Final = Suite(3, (1, 1, 1), "sha1", 12)
SUITE_17: Final = Suite(17, (3, 4, 1), "sha256", 16)
SUITES: Final = {suite.algorithms: suite for suite in (SUITE_3, SUITE_17)}
"""The suite by the algorithms that an Open Session Response names."""


@dataclass(frozen=True, repr=False)
class KeyExchange:
    """What both ends know after RAKP 2 (§13.31), with the names of its formulas. Never printed."""

    suite: Suite
    password: bytes  # Kuid, and Kg, because we do not use a separate BMC key
    name: bytes  # UNAMEm
    role: int  # ROLEm
    console_id: bytes  # SIDm
    bmc_id: bytes  # SIDc
    console_random: bytes  # Rm
    bmc_random: bytes  # Rc
    bmc_guid: bytes  # GUIDc

    def rakp2_code(self) -> bytes:
        """The key exchange code that proves that the BMC knows the password."""
        ids = self.console_id + self.bmc_id
        return self._by_password(ids + self.console_random + self.bmc_random + self.bmc_guid + self._who())

    def rakp3_code(self) -> bytes:
        """The key exchange code that proves that we know the password."""
        return self._by_password(self.bmc_random + self.console_id + self._who())

    def session_integrity_key(self) -> bytes:
        """SIK (§13.31)."""
        return self._by_password(self.console_random + self.bmc_random + self._who())

    def rakp4_code(self, sik: bytes) -> bytes:
        """The integrity check value of RAKP 4, cut to the size of the integrity algorithm (§13.28)."""
        octets = self.console_random + self.bmc_id + self.bmc_guid
        return self.suite.mac(sik, octets)[: self.suite.code_size]

    def _who(self) -> bytes:
        return bytes((self.role, len(self.name))) + self.name

    def _by_password(self, octets: bytes) -> bytes:
        return self.suite.mac(self.password, octets)


class SessionKeys:
    """K1 and K2 of a session (§13.32): signs, verifies, encrypts and decrypts.

    One CBC chain in each direction lasts as long as the session, because to begin a chain costs more than to
    use it. The first block that leaves a chain serves as the initialisation vector of what follows.
    """

    __slots__ = ("_decrypt", "_encrypt", "_keyed", "code_size")

    def __init__(self, suite: Suite, sik: bytes) -> None:
        self.code_size = suite.code_size
        k1 = suite.mac(sik, b"\x01" * _KEY_CONSTANT_SIZE)
        self._keyed = HMAC(k1, _HASHES[suite.digest])
        cipher = Cipher(AES(suite.mac(sik, b"\x02" * _KEY_CONSTANT_SIZE)[:_BLOCK]), CBC(bytes(_BLOCK)))
        self._encrypt = cipher.encryptor().update
        self._decrypt = cipher.decryptor().update

    def code(self, octets: bytes) -> bytes:
        """The integrity code of a packet (§13.28.4)."""
        code = self._keyed.copy()
        code.update(octets)
        return code.finalize()[: self.code_size]

    def encrypt(self, message: bytes) -> bytes:
        """An unpredictable initialisation vector and the padded message in AES-CBC-128 (§13.29)."""
        return self._encrypt(secrets.token_bytes(_BLOCK) + add_confidentiality_pad(message))

    def decrypt(self, ciphertext: bytes) -> bytes:
        """Undo `encrypt`; `BadPacket` when it is not whole blocks or the padding is wrong."""
        if len(ciphertext) < 2 * _BLOCK or len(ciphertext) % _BLOCK:
            raise BadPacket("padding")
        return strip_confidentiality_pad(self._decrypt(ciphertext)[_BLOCK:])
