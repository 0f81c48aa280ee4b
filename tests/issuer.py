"""An issuer of tokens made of jwcrypto, which shares no code with what checks them."""

from __future__ import annotations

import base64
import json
import time

from jwcrypto import jwk, jws

ISSUER = "https://keycloak.example/realms/cloud"
AUDIENCE = "portal"


class Issuer:
    """Keys and tokens. `published` is what its address of keys answers."""

    def __init__(self):
        self.keys = {"rsa": jwk.JWK.generate(kty="RSA", size=2048, kid="rsa")}

    def add(self, kid, **kind):
        """One more key."""
        self.keys[kid] = jwk.JWK.generate(kid=kid, **kind)
        return self.keys[kid]

    @property
    def published(self):
        return {
            "keys": [
                key.export(private_key=False, as_dict=True) if key.has_public else key.export(as_dict=True)
                for key in self.keys.values()
            ]
        }

    def find(self, kid):
        """As `IssuerKeys.find`, without a network."""
        return next((key for key in self.published["keys"] if key["kid"] == kid), None)

    def token(self, *, key="rsa", header=None, **claims):
        """A good token, or one with other claims or headers; a value of None leaves it out."""
        signer = self.keys[key] if isinstance(key, str) else key
        protected = {"alg": "RS256", "typ": "JWT", "kid": signer.get("kid"), **(header or {})}
        return sign(signer, without_none(protected), without_none(good_claims() | claims))


def good_claims():
    """What Keycloak says of a user who has logged in."""
    now = int(time.time())
    return {
        "iss": ISSUER,
        "aud": [AUDIENCE, "account"],
        "azp": "portal-web",
        "sub": "5c1f0d2e-0000-4000-8000-000000000001",
        "typ": "Bearer",
        "iat": now,
        "exp": now + 300,
        "preferred_username": "alice",
        "project_id": "red",
        "groups": ["/tenants/red"],
        "realm_access": {"roles": ["member"]},
    }


def without_none(values):
    return {name: value for name, value in values.items() if value is not None}


def sign(key, header, claims):
    """A compact JWS over the claims."""
    made = jws.JWS(json.dumps(claims).encode())
    made.allowed_algs = [header["alg"]]
    made.add_signature(key, protected=json.dumps(header))
    return made.serialize(compact=True)


def raw(header, claims, signature=b""):
    """A token whose parts are whatever is given: objects as JSON, bytes as they are."""
    parts = (part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, claims))
    return ".".join(encode(part) for part in (*parts, signature))


def encode(part):
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()
