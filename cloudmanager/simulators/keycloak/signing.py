"""Keys of a realm: their public side as a JSON Web Key (RFC 7517), tokens in compact form (RFC 7515)."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

_BITS = 2048
_EXPONENT = 65537
SIGNING, ENCRYPTION = "sig", "enc"
_ALGORITHMS = {SIGNING: "RS256", ENCRYPTION: "RSA-OAEP"}


@dataclass(slots=True)
class Key:
    """A key pair. `use` is `sig` or `enc`: Keycloak lists both kinds, and signs with one."""

    pem: str = field(repr=False)
    use: str = SIGNING

    @classmethod
    def generate(cls, use: str = SIGNING) -> Key:
        """Make a fresh one."""
        private = rsa.generate_private_key(_EXPONENT, _BITS)
        pem = private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return cls(pem.decode(), use)

    @property
    def kid(self) -> str:
        """Its id: the digest of its public side, as Keycloak makes it."""
        public = _loaded(self.pem).public_key()
        der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        return base64url(hashlib.sha256(der).digest())

    def public(self) -> dict[str, Any]:
        """Its public side."""
        numbers = _loaded(self.pem).public_key().public_numbers()
        return {
            "kid": self.kid,
            "kty": "RSA",
            "alg": _ALGORITHMS[self.use],
            "use": self.use,
            "n": _number(numbers.n),
            "e": _number(numbers.e),
        }

    def sign(self, claims: dict[str, Any]) -> str:
        """A token with these claims."""
        header = {"alg": _ALGORITHMS[self.use], "typ": "JWT", "kid": self.kid}
        said = f"{_part(header)}.{_part(claims)}"
        signature = _loaded(self.pem).sign(said.encode(), padding.PKCS1v15(), SHA256())
        return f"{said}.{base64url(signature)}"


@lru_cache(maxsize=8)
def _loaded(pem: str) -> rsa.RSAPrivateKey:
    """Loading takes a hundred times as long as signing."""
    found = serialization.load_pem_private_key(pem.encode(), password=None)
    if not isinstance(found, rsa.RSAPrivateKey):
        raise TypeError("this is no RSA key")
    return found


def base64url(raw: bytes) -> str:
    """As RFC 7515 writes bytes."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _part(document: dict[str, Any]) -> str:
    return base64url(json.dumps(document, separators=(",", ":")).encode())


def _number(value: int) -> str:
    return base64url(value.to_bytes((value.bit_length() + 7) // 8, "big"))
