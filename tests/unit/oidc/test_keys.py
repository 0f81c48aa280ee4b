"""The issuer's keys: when they are fetched, what counts while it is away, what it may answer."""

from __future__ import annotations

import threading

import pytest

from cloudmanager import config
from cloudmanager.errors import Unavailable
from cloudmanager.oidc import IssuerKeys, keys
from cloudmanager.oidc.fetching import LONGEST
from cloudmanager.simulators.http import Answer, HttpServer
from cloudmanager.simulators.http_faults import HttpFaults
from tests.background import Background

ISSUER = "https://keycloak.example/realms/cloud"
DISCOVERY = f"{ISSUER}/.well-known/openid-configuration"
CERTS = f"{ISSUER}/certs"


def options(**values):
    overrides = {("oidc", name): value for name, value in ({"issuer": ISSUER} | values).items()}
    return config.load(overrides=overrides).oidc


class Site:
    """What answers at the issuer's addresses, with a clock that tests move."""

    def __init__(self):
        self.now = 1000.0
        self.documents = {DISCOVERY: {"issuer": ISSUER, "jwks_uri": CERTS}}
        self.asked = []
        self.serve("k1")

    def serve(self, *kids):
        self.documents[CERTS] = {"keys": [{"kid": kid, "kty": "RSA"} for kid in kids]}

    def fetch(self, url, **_):
        self.asked.append(url)
        if url not in self.documents:
            raise Unavailable(f"{url} cannot be reached: refused")
        return self.documents[url]


@pytest.fixture
def site(monkeypatch):
    made = Site()
    monkeypatch.setattr(keys, "fetch", made.fetch)
    monkeypatch.setattr(keys, "monotonic", lambda: made.now)
    return made


def test_keys_are_fetched_once(site):
    known = IssuerKeys(options())
    assert not site.asked
    for _ in range(100):
        assert known.find("k1") == {"kid": "k1", "kty": "RSA"}
    assert site.asked == [DISCOVERY, CERTS]


def test_a_rotated_key_is_found_and_the_old_one_forgotten(site):
    known = IssuerKeys(options())
    known.find("k1")
    site.serve("k2")
    site.now += 10
    assert known.find("k2")
    assert known.find("k1") is None


def test_a_withdrawn_key_is_forgotten_in_time(site):
    known = IssuerKeys(options(keys_seconds=300))
    known.find("k1")
    site.serve("k2")
    site.now += 299
    assert known.find("k1")
    site.now += 2
    assert known.find("k1") is None


def test_unknown_keys_do_not_make_us_ask_again_and_again(site):
    known = IssuerKeys(options(refresh_interval=10))
    for number in range(1000):
        site.now += 0.1
        assert known.find(f"made up {number}") is None
    assert 9 <= site.asked.count(CERTS) <= 11


def test_a_flood_of_unknown_keys_does_not_hide_a_rotation(site):
    known = IssuerKeys(options(refresh_interval=10))
    known.find("made up")
    site.serve("k2")
    for _ in range(11):
        site.now += 1
        known.find("made up")
    assert known.find("k2")


def test_the_issuer_is_away_from_the_start(site):
    del site.documents[DISCOVERY]
    known = IssuerKeys(options(refresh_interval=10))
    for _ in range(5):
        with pytest.raises(Unavailable, match="refused") as caught:
            known.find("k1")
    assert caught.value.retry_after == 10
    assert len(site.asked) == 1
    site.documents[DISCOVERY] = {"issuer": ISSUER, "jwks_uri": CERTS}
    site.now += 10
    assert known.find("k1")


def test_known_keys_count_while_the_issuer_is_away(site):
    known = IssuerKeys(options(keys_seconds=300, keys_stale_seconds=3600))
    known.find("k1")
    del site.documents[CERTS]
    site.now += 3599
    assert known.find("k1")
    with pytest.raises(Unavailable):
        known.find("k2")  # it may be a new one
    site.now += 2
    with pytest.raises(Unavailable):
        known.find("k1")


def test_one_thread_fetches_while_the_others_go_by_old_keys(site, monkeypatch):
    known = IssuerKeys(options(keys_seconds=300))
    known.find("k1")
    site.now += 301
    inside, go_on = threading.Event(), threading.Event()

    def slow(url, **given):
        inside.set()
        assert go_on.wait(10)
        return site.fetch(url, **given)

    monkeypatch.setattr(keys, "fetch", slow)
    first = threading.Thread(target=known.find, args=("k1",))
    first.start()
    try:
        assert inside.wait(10)
        assert known.find("k1")
        monkeypatch.setattr(keys, "_PATIENCE", 0.05)
        with pytest.raises(Unavailable, match="being fetched") as caught:
            known.find("k2")  # nobody can tell yet, and nobody waits for long
        assert caught.value.retry_after == 1
    finally:
        go_on.set()
        first.join()
    assert site.asked == [DISCOVERY, CERTS, DISCOVERY, CERTS]


def test_an_address_of_keys_spares_discovery(site):
    assert IssuerKeys(options(jwks_url=CERTS)).find("k1")
    assert site.asked == [CERTS]


@pytest.mark.parametrize(
    ("url", "document", "said"),
    [
        (DISCOVERY, {"issuer": ISSUER + "/", "jwks_uri": CERTS}, "not of"),
        (DISCOVERY, {"issuer": "https://other.example", "jwks_uri": CERTS}, "other.example"),
        (DISCOVERY, {"issuer": ISSUER}, "where the keys are"),
        (DISCOVERY, {"issuer": ISSUER, "jwks_uri": 1}, "where the keys are"),
        (DISCOVERY, {"issuer": ISSUER, "jwks_uri": "http://keycloak.example/certs"}, "https to http"),
        (DISCOVERY, {"issuer": ISSUER, "jwks_uri": "file:///etc/passwd"}, "where the keys are"),
        (CERTS, {"keys": {}}, "no set of keys"),
        (CERTS, {}, "no set of keys"),
    ],
)
def test_answers_that_are_not_those_of_the_issuer(site, url, document, said):
    site.documents[url] = document
    with pytest.raises(Unavailable, match=said):
        IssuerKeys(options()).find("k1")


def test_what_is_no_key_is_left_out(site):
    site.documents[CERTS] = {"keys": [1, None, {}, {"kid": 1}, {"kid": "k1", "kty": "EC"}]}
    assert IssuerKeys(options()).find("k1") == {"kid": "k1", "kty": "EC"}


# --- over a socket ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server():
    loop = Background()
    answers = {}
    faults = HttpFaults()
    made = HttpServer(lambda request: answers.get(request.path, Answer(404, {})), lambda: faults)
    port = loop.run(made.start("127.0.0.1", 0))
    yield f"http://127.0.0.1:{port}", answers, faults
    loop.run(made.stop())
    loop.end()


def test_fetched_over_http(server):
    url, answers, _ = server
    answers["/.well-known/openid-configuration"] = Answer(200, {"issuer": url, "jwks_uri": f"{url}/certs"})
    answers["/certs"] = Answer(200, {"keys": [{"kid": "k1"}]})
    assert IssuerKeys(options(issuer=url)).find("k1") == {"kid": "k1"}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(200, [1]), "not with a JSON object"),
        (Answer(200, b"<html>"), "not with a JSON object"),
        (Answer(200, b"[" * 50_000), "not with a JSON object"),
        (Answer(200, b" " * (LONGEST + 1)), "too much"),
        (Answer(302, {}, {"Location": "/certs"}), "answered 302"),
        (Answer(500, {"keys": []}), "answered 500"),
    ],
    ids=["list", "page", "deep", "long", "redirect", "error"],
)
def test_bad_answers(server, answer, said):
    url, answers, _ = server
    answers["/bad"] = answer
    with pytest.raises(Unavailable, match=said):
        IssuerKeys(options(jwks_url=f"{url}/bad")).find("k1")


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:x/", "http://[::1/", "http://\x7f.example/", "http://"]
)
def test_addresses_that_are_none(server, address):
    url, answers, _ = server
    answers["/.well-known/openid-configuration"] = Answer(200, {"issuer": url, "jwks_uri": address})
    with pytest.raises(Unavailable, match="reached"):
        IssuerKeys(options(issuer=url)).find("k1")


def test_slow_and_broken_servers(server):
    url, _, faults = server
    faults.lag = 5.0
    with pytest.raises(Unavailable, match="reached"):
        IssuerKeys(options(jwks_url=f"{url}/certs", timeout=0.2)).find("k1")
    faults.lag, faults.down = 0.0, True
    with pytest.raises(Unavailable, match="reached"):
        IssuerKeys(options(jwks_url=f"{url}/certs")).find("k1")
    faults.down = False
