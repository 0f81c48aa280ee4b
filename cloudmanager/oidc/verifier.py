"""Whether a token is one of the issuer's, meant for us, and counts now (RFC 7519, 8725)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Protocol

import jwt

from cloudmanager.errors import Unauthenticated

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST = 16 << 10
"""Characters of a token; servers take no longer headers anyway."""

_FORM = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)
_TYPES = ("jwt", "at+jwt")
_LEAST_BITS = 2048
_FITTING: dict[str, tuple[str, tuple[str, ...]]] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), ("RSA", ())),
    "ES256": ("EC", ("P-256",)),
    "ES384": ("EC", ("P-384",)),
    "ES512": ("EC", ("P-521",)),
    "EdDSA": ("OKP", ("Ed25519", "Ed448")),
}
"""Which type of key, on which curves, an algorithm works with (RFC 7518 §3.1, RFC 8037 §3.1)."""


class Keys(Protocol):
    """Where public keys come from."""

    def find(self, kid: str) -> Mapping[str, Any] | None:
        """The key (RFC 7517) with this id; raises `Unavailable`."""


class Verifier:
    """Checks tokens as [oidc] of a configuration says."""

    def __init__(self, options: Any, keys: Keys) -> None:
        self._options = options
        self._keys = keys

    def verify(self, token: str) -> Mapping[str, Any]:
        """What the token claims; raises `Unauthenticated`, or `Unavailable` when the keys cannot be had."""
        if len(token) > LONGEST or not _FORM.fullmatch(token):
            raise Unauthenticated(f"a token is three parts of base64url, of at most {LONGEST} characters")
        try:
            header = jwt.get_unverified_header(token)
            key = self._key(header)
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[header["alg"]],
                issuer=self._options.issuer,
                audience=self._options.audiences or None,
                leeway=self._options.leeway,
                options={
                    "require": ["exp", "iat", "iss", "sub", *(["aud"] if self._options.audiences else [])],
                    "verify_aud": bool(self._options.audiences),
                },
            )
        except jwt.PyJWTError as error:
            raise Unauthenticated(f"the token does not count: {error}") from None
        self._check_use(claims)
        return claims

    def _key(self, header: Mapping[str, Any]) -> jwt.PyJWK:
        """The issuer's key that the token names, if it fits the algorithm. Keys within tokens never count."""
        algorithm = str(header.get("alg"))
        if algorithm not in self._options.algorithms:
            raise Unauthenticated("the token is signed in a way that is not allowed: [oidc] algorithms")
        if "crit" in header or "b64" in header:
            raise Unauthenticated("the token has critical extensions, and none is known here")
        if str(header.get("typ", "JWT")).lower().removeprefix("application/") not in _TYPES:
            raise Unauthenticated("the token is of a type that is no access token's")
        kid = header.get("kid")
        if not isinstance(kid, str):
            raise Unauthenticated("the token does not name its key")
        key = self._keys.find(kid)
        if key is None:
            raise Unauthenticated("the token's key is none of the issuer's")
        if not _fits(key, algorithm):
            raise Unauthenticated("the token's key is not for the algorithm that it names")
        made = jwt.PyJWK(dict(key), algorithm)
        if getattr(made.key, "key_size", _LEAST_BITS) < _LEAST_BITS and key["kty"] == "RSA":
            raise Unauthenticated("the token's key is too short")
        return made

    def _check_use(self, claims: Mapping[str, Any]) -> None:
        """Whether the token is for calling us by whoever holds it."""
        if claims.get("typ", "Bearer") != "Bearer":  # Keycloak's: ID, Refresh, Logout, DPoP, …
            raise Unauthenticated("the token is no access token: send the access token of the answer")
        if "cnf" in claims:
            raise Unauthenticated("the token is bound to a key of its holder, which is not checked here")
        parties = self._options.authorized_parties
        if parties and claims.get("azp") not in parties:
            raise Unauthenticated("the token was given to another client: [oidc] authorized_parties")


def _fits(key: Mapping[str, Any], algorithm: str) -> bool:
    """Whether the issuer means the key for signatures with this algorithm."""
    kind, curves = _FITTING[algorithm]
    operations = key.get("key_ops", ["verify"])
    return (
        key.get("kty") == kind
        and (not curves or key.get("crv") in curves)
        and key.get("alg", algorithm) == algorithm
        and key.get("use", "sig") == "sig"
        and isinstance(operations, list)
        and "verify" in operations
    )
