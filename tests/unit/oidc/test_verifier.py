"""Tokens made by another implementation of JOSE count; whatever is forged does not."""

from __future__ import annotations

import hashlib
import hmac
import json
import time

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwcrypto import jwk

from cloudmanager import config
from cloudmanager.config import oidc
from cloudmanager.errors import Misconfigured, Unauthenticated
from cloudmanager.oidc import Verifier
from cloudmanager.oidc.verifier import LONGEST
from tests.issuer import AUDIENCE, ISSUER, Issuer, encode, good_claims, raw


@pytest.fixture(scope="module")
def issuer():
    made = Issuer()
    made.add("ec", kty="EC", crv="P-256")
    made.add("ec384", kty="EC", crv="P-384")
    made.add("ec521", kty="EC", crv="P-521")
    made.add("ed", kty="OKP", crv="Ed25519")
    made.add("ed448", kty="OKP", crv="Ed448")
    made.add("short", kty="RSA", size=1024)
    made.add("secret", kty="oct", size=256)
    made.add("encryption", kty="RSA", size=2048, use="enc")
    made.add("signing", kty="EC", crv="P-256", key_ops=["sign"])
    made.add("for ps", kty="RSA", size=2048, alg="PS256")
    return made


def verifier(issuer, **options):
    defaults = {"issuer": ISSUER, "audiences": [AUDIENCE], "algorithms": list(oidc.ALGORITHMS)}
    overrides = {("oidc", name): value for name, value in (defaults | options).items()}
    return Verifier(config.load(overrides=overrides).oidc, issuer)


@pytest.mark.parametrize(
    ("alg", "key"),
    [
        *((alg, "rsa") for alg in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")),
        ("ES256", "ec"),
        ("ES384", "ec384"),
        ("ES512", "ec521"),
        ("EdDSA", "ed"),
        ("EdDSA", "ed448"),
        ("PS256", "for ps"),
    ],
)
def test_tokens_of_another_implementation_count(issuer, alg, key):
    claims = verifier(issuer).verify(issuer.token(key=key, header={"alg": alg}))
    assert claims["preferred_username"] == "alice"


@pytest.mark.parametrize("typ", [None, "jwt", "at+jwt", "application/at+jwt"])
def test_types_of_access_tokens(issuer, typ):
    assert verifier(issuer).verify(issuer.token(header={"typ": typ}))["project_id"] == "red"


def test_one_audience_may_be_a_text(issuer):
    assert verifier(issuer).verify(issuer.token(aud=AUDIENCE))["aud"] == AUDIENCE


def refused(issuer, token, **options):
    with pytest.raises(Unauthenticated) as caught:
        verifier(issuer, **options).verify(token)
    assert token not in caught.value.message
    return caught.value.message


def test_another_key_under_the_same_id(issuer):
    forger = jwk.JWK.generate(kty="RSA", size=2048, kid="rsa")
    assert "Signature verification failed" in refused(issuer, issuer.token(key=forger))


def test_a_key_that_comes_with_the_token(issuer):
    forger = jwk.JWK.generate(kty="RSA", size=2048, kid="rsa")
    header = {"jwk": forger.export_public(as_dict=True), "jku": "https://forger.example/keys"}
    assert "Signature verification failed" in refused(issuer, issuer.token(key=forger, header=header))


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"exp": -60}, "expired"),
        ({"nbf": 60}, "not yet valid"),
        ({"iat": 60}, "not yet valid"),
    ],
    ids=["expired", "not before", "issued in the future"],
)
def test_times(issuer, claims, said):
    moved = {name: int(time.time()) + seconds for name, seconds in claims.items()}
    assert said in refused(issuer, issuer.token(**moved), leeway=10)
    assert verifier(issuer, leeway=120).verify(issuer.token(**moved))


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"iss": "https://keycloak.example/realms/other"}, "issuer"),
        ({"iss": ISSUER + "/"}, "issuer"),
        ({"aud": "account"}, "udience"),
        ({"aud": []}, "aud"),
        ({"aud": None}, "aud"),
        ({"exp": None}, "exp"),
        ({"iat": None}, "iat"),
        ({"iss": None}, "iss"),
        ({"sub": None}, "sub"),
        ({"sub": 1}, "ubject"),
        ({"exp": "soon"}, "integer"),
        ({"typ": "ID"}, "no access token"),
        ({"typ": "Refresh"}, "no access token"),
        ({"cnf": {"jkt": "x"}}, "bound to a key"),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else None,
)
def test_claims(issuer, claims, said):
    assert said in refused(issuer, issuer.token(**claims))


def test_authorized_parties(issuer):
    options = {"audiences": [], "authorized_parties": ["portal-web"]}
    assert verifier(issuer, **options).verify(issuer.token(aud="account"))
    assert verifier(issuer, **options).verify(issuer.token(aud=None))
    for other in ("shop", None):
        assert "another client" in refused(issuer, issuer.token(azp=other), **options)


def test_no_algorithm(issuer):
    header = {"alg": "none", "typ": "JWT", "kid": "rsa"}
    for signature in (b"", b"x"):
        assert refused(issuer, raw(header, good_claims(), signature))
    for alg in ("None", "NONE", "", None, 1, ["RS256"]):
        assert "not allowed" in refused(issuer, raw(header | {"alg": alg}, good_claims(), b"x"))


@pytest.mark.parametrize("encoding", ["PEM", "DER", "JWK"])
def test_the_public_key_as_a_shared_secret(issuer, encoding):
    public = issuer.keys["rsa"].get_op_key("verify")
    secret = {
        "PEM": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "DER": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "JWK": json.dumps(issuer.find("rsa")).encode(),
    }[encoding]
    head = raw({"alg": "HS256", "typ": "JWT", "kid": "rsa"}, good_claims()).rpartition(".")[0]
    signature = hmac.new(secret, head.encode(), hashlib.sha256).digest()
    assert "not allowed" in refused(issuer, f"{head}.{encode(signature)}")


def test_a_shared_secret_that_the_issuer_lists(issuer):
    assert "not allowed" in refused(issuer, issuer.token(key="secret", header={"alg": "HS256"}))
    for name in ("HS256", "none"):
        with pytest.raises(Misconfigured, match="Valid values"):
            verifier(issuer, algorithms=[name])


def test_an_algorithm_that_is_switched_off(issuer):
    token = issuer.token(header={"alg": "RS512"})
    assert "not allowed" in refused(issuer, token, algorithms=["RS256", "ES256"])


@pytest.mark.parametrize(
    ("kid", "alg"),
    [
        ("ec", "RS256"),
        ("ed", "ES256"),
        ("rsa", "EdDSA"),
        ("rsa", "ES256"),
        ("ec384", "ES256"),
        ("secret", "RS256"),
        ("for ps", "RS256"),
        ("encryption", "RS256"),
        ("signing", "ES256"),
    ],
)
def test_the_key_of_another_type(issuer, kid, alg):
    forged = raw({"alg": alg, "typ": "JWT", "kid": kid}, good_claims(), b"x" * 256)
    assert "not for the algorithm" in refused(issuer, forged)


def test_keys_that_are_too_short(issuer):
    assert "too short" in refused(issuer, issuer.token(key="short"))


def test_unknown_keys(issuer):
    stranger = jwk.JWK.generate(kty="RSA", size=2048, kid="stranger")
    assert "none of the issuer's" in refused(issuer, issuer.token(key=stranger))
    assert "does not name its key" in refused(issuer, issuer.token(header={"kid": None}))
    for kid in (1, ["rsa"], {"rsa": 1}):
        forged = raw({"alg": "RS256", "kid": kid}, good_claims(), b"x")
        assert refused(issuer, forged)


def test_a_tampered_payload(issuer):
    head, payload, signature = issuer.token().split(".")
    other = raw({}, good_claims() | {"project_id": "blue"}).split(".")[1]
    assert "Signature verification failed" in refused(issuer, f"{head}.{other}.{signature}")
    changed = ("A" if signature[10] != "A" else "B").join((signature[:10], signature[11:]))
    assert "Signature verification failed" in refused(issuer, f"{head}.{payload}.{changed}")


@pytest.mark.parametrize(
    "header",
    [{"crit": ["exp"], "exp": 1}, {"crit": ["b64"], "b64": True}, {"crit": []}, {"b64": False}],
    ids=lambda header: "-".join(header) + str(len(header.get("crit", "b"))),
)
def test_critical_extensions(issuer, header):
    said = raw({"alg": "RS256", "kid": "rsa", **header}, good_claims()).rpartition(".")[0]
    signature = issuer.keys["rsa"].get_op_key("sign").sign(said.encode(), PKCS1v15(), SHA256())
    refused(issuer, f"{said}.{encode(signature)}")


@pytest.mark.parametrize("typ", ["JWE", "logout+jwt", "dpop+jwt", 1, ["JWT"]])
def test_types_that_are_no_access_token(issuer, typ):
    forged = raw({"alg": "RS256", "typ": typ, "kid": "rsa"}, good_claims(), b"x")
    assert "type" in refused(issuer, forged)


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "a.b",
        "a.b.c",
        "a.b.c.d.e",
        "a.b.c\n",
        "é.b.c",
        raw(b"[" * 9000, {}, b"x"),
        raw(b'{"a":' * 2000, {}, b"x"),
        raw(b"\xff", {}, b"x"),
        raw(b"[]", {}, b"x"),
        raw(b"null", {}, b"x"),
        raw({"alg": "RS256", "kid": "rsa"}, b"\xff", b"x"),
    ],
    ids=range(12),
)
def test_what_is_no_token(issuer, token):
    refused(issuer, token)


def test_tokens_that_are_too_long(issuer):
    token = issuer.token(padding="x" * LONGEST)
    assert str(LONGEST) in refused(issuer, token)
    assert verifier(issuer).verify(issuer.token(padding="x" * (LONGEST // 2)))
