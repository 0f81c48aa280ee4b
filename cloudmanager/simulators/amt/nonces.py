"""HTTP Digest authentication at the server (RFC 7616), as Intel AMT does it: MD5, qop auth."""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING
from urllib.request import parse_http_list, parse_keqv_list

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cloudmanager.simulators.http import Request

MOST_NONCES = 64


class Nonces:
    """Nonces that were given out, and how often each was used: a count that comes twice is a replay."""

    def __init__(self, realm: str, lifetime: float) -> None:
        self.challenges = 0
        self._realm = realm
        self._lifetime = lifetime
        self._given: dict[str, tuple[float, int]] = {}

    def challenge(self, now: float, *, stale: bool) -> str:
        """A `WWW-Authenticate` with a fresh nonce."""
        self.challenges += 1
        nonce = secrets.token_hex(16)
        self._given[nonce] = (now, 0)
        while len(self._given) > MOST_NONCES:
            del self._given[next(iter(self._given))]
        stale_said = "true" if stale else "false"
        return f'Digest realm="{self._realm}", nonce="{nonce}", stale="{stale_said}", qop="auth"'

    def verify(
        self, request: Request, password_of: Callable[[str], str | None], now: float
    ) -> tuple[bool, bool]:
        """Whether the proof is right, and whether only its nonce is too old."""
        kind, _, rest = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "digest":
            return False, False
        try:
            said = parse_keqv_list(parse_http_list(rest))
            count = int(said["nc"], 16)
            password = password_of(said["username"])
            right = password is not None and secrets.compare_digest(
                self._response(said, password, request.method).encode(), said["response"].encode()
            )
        except (KeyError, ValueError, IndexError):
            return False, False
        given = self._given.get(said["nonce"])
        if not right or said["uri"] != request.path:
            return False, False
        if given is None or given[0] + self._lifetime < now or count <= given[1]:
            return False, True
        self._given[said["nonce"]] = (given[0], count)
        return True, False

    def clear(self) -> None:
        """Forget all, as firmware that restarts."""
        self._given.clear()

    def _response(self, said: Mapping[str, str], password: str, method: str) -> str:
        secret = _md5(f"{said['username']}:{self._realm}:{password}")
        asked = _md5(f"{method}:{said['uri']}")
        return _md5(f"{secret}:{said['nonce']}:{said['nc']}:{said['cnonce']}:{said['qop']}:{asked}")


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
