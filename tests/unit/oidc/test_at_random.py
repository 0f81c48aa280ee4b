"""Whatever is sent, and whatever keys the issuer lists: a token is refused, and nothing else happens."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudmanager import config
from cloudmanager.config import oidc
from cloudmanager.errors import Forbidden, Unauthenticated
from cloudmanager.oidc import Verifier, tenant_of
from tests.issuer import AUDIENCE, ISSUER, Issuer, good_claims, raw

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.="
HEADERS = st.dictionaries(
    st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk", "jku", "x5c", "zip"]), VALUES, max_size=4
)

KIDS = {"rsa": "RS256", "ec": "ES256", "ed": "EdDSA"}
OPTIONS = config.load(
    overrides={
        ("oidc", "issuer"): ISSUER,
        ("oidc", "audiences"): [AUDIENCE],
        ("oidc", "algorithms"): list(oidc.ALGORITHMS),
    }
).oidc


@pytest.fixture(scope="module")
def issuer():
    made = Issuer()
    made.add("ec", kty="EC", crv="P-256")
    made.add("ed", kty="OKP", crv="Ed25519")
    return made


@pytest.fixture(scope="module")
def tokens(issuer):
    return {kid: issuer.token(key=kid, header={"alg": alg}) for kid, alg in KIDS.items()}


def refused(issuer, token):
    with pytest.raises(Unauthenticated):
        Verifier(OPTIONS, issuer).verify(token)


@pytest.mark.parametrize("kid", KIDS)
def test_what_is_changed_below_is_accepted_unchanged(issuer, tokens, kid):
    assert Verifier(OPTIONS, issuer).verify(tokens[kid])["sub"] == good_claims()["sub"]


@pytest.mark.parametrize("kid", KIDS)
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_one_other_character(issuer, tokens, kid, data):
    token = tokens[kid]
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.sampled_from(LETTERS.replace(token[place], "")))
    refused(issuer, token[:place] + other + token[place + 1 :])


@given(token=st.text(alphabet=LETTERS, max_size=60) | st.text(max_size=20))
@settings(max_examples=200, deadline=None)
def test_any_text(issuer, token):
    refused(issuer, token)


@given(header=HEADERS, kid=st.sampled_from(sorted(KIDS)), alg=st.sampled_from(oidc.ALGORITHMS))
@settings(max_examples=200, deadline=None)
def test_any_header(issuer, header, kid, alg):
    refused(issuer, raw({"alg": alg, "kid": kid, **header}, good_claims(), b"x" * 64))


class Listed:
    """An issuer that lists one key, whatever it is."""

    def __init__(self, key):
        self.key = key

    def find(self, _kid):
        return self.key


@given(data=st.data(), kid=st.sampled_from(sorted(KIDS)))
@settings(max_examples=300, deadline=None)
def test_any_key_of_the_issuer(issuer, tokens, data, kid):
    """Only what says nothing about the key, or what it may say, can change without harm."""
    key = dict(issuer.find(kid))
    name = data.draw(st.sampled_from([*key, "alg", "use", "key_ops"]))
    key[name] = data.draw(VALUES)
    if data.draw(st.booleans()):
        del key[name]
    with contextlib.suppress(Unauthenticated):
        assert Verifier(OPTIONS, Listed(json.loads(json.dumps(key)))).verify(tokens[kid])["azp"]


@given(claims=st.dictionaries(st.sampled_from([*good_claims(), "groups.x"]), VALUES, max_size=4))
@settings(max_examples=200, deadline=None)
def test_any_claims_of_the_issuer(issuer, claims):
    """They are signed, so that they are believed as far as they can be understood."""
    token = issuer.token(key="ed", header={"alg": "EdDSA"}, **claims)
    with contextlib.suppress(Unauthenticated, Forbidden):
        found = tenant_of(Verifier(OPTIONS, issuer).verify(token), OPTIONS)
        assert found.project_id
        assert found.subject == claims.get("sub", good_claims()["sub"])
