"""HTTP Digest authentication (RFC 7616) of a client that uses a nonce as long as the server takes it."""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import Final

_PARAMETER: Final = re.compile(r'([a-z]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))', re.IGNORECASE)
_ALGORITHMS: Final = {"MD5": "md5", "SHA-256": "sha256"}


class Digest:
    """Answers challenges. `ready` tells whether there is a nonce to answer with."""

    def __init__(self, login: str, password: str) -> None:
        self._account = (login, password)
        self._challenge: dict[str, str] = {}
        self._algorithm = ""
        self._count = 0

    @property
    def ready(self) -> bool:
        """Whether there is a nonce."""
        return bool(self._challenge)

    @property
    def was_stale(self) -> bool:
        """Whether the last challenge said that the proof was right and its nonce used up (§3.3)."""
        return self._challenge.get("stale", "").lower() == "true"

    def forget(self) -> None:
        """Have no nonce."""
        self._challenge = {}

    def learn(self, challenge: str) -> bool:
        """Take a `WWW-Authenticate`; false if it is none that can be answered (Digest, qop auth or none)."""
        kind, _, rest = challenge.partition(" ")
        found = {name.lower(): quoted or plain for name, quoted, plain in _PARAMETER.findall(rest)}
        self._challenge, self._count = {}, 0
        self._algorithm = _ALGORITHMS.get(found.get("algorithm", "MD5").upper(), "")
        qops = [each.strip() for each in found.get("qop", "auth").split(",")]
        if kind.lower() != "digest" or not self._algorithm or not found.get("nonce") or "auth" not in qops:
            return False
        self._challenge = found
        return True

    def authorization(self, method: str, path: str) -> str:
        """The `Authorization` of the next request (§3.4)."""
        challenge, (login, password) = self._challenge, self._account
        self._count += 1
        realm, nonce = challenge.get("realm", ""), challenge["nonce"]
        count, ours = f"{self._count:08x}", secrets.token_hex(8)
        secret, asked = self._hash(f"{login}:{realm}:{password}"), self._hash(f"{method}:{path}")
        with_qop = "qop" in challenge
        proof = f"{secret}:{nonce}:{count}:{ours}:auth:{asked}" if with_qop else f"{secret}:{nonce}:{asked}"
        said = {"username": login, "realm": realm, "nonce": nonce, "uri": path, "response": self._hash(proof)}
        if "opaque" in challenge:
            said["opaque"] = challenge["opaque"]
        parts = [f'{name}="{_quotable(value)}"' for name, value in said.items()]
        if "algorithm" in challenge:
            parts.append(f"algorithm={challenge['algorithm']}")
        if with_qop:
            parts += ["qop=auth", f"nc={count}", f'cnonce="{ours}"']
        return "Digest " + ", ".join(parts)

    def _hash(self, text: str) -> str:
        return hashlib.new(self._algorithm, text.encode(), usedforsecurity=False).hexdigest()


def _quotable(text: str) -> str:
    return text if "\\" in text else text.replace('"', r"\"")
