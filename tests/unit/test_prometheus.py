"""What Prometheus is asked and what is made of its answers: the real one, and one that says anything."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from urllib.parse import parse_qs, urlsplit

import pytest

from cloudmanager.config import load
from cloudmanager.errors import InvalidInput, Unavailable
from cloudmanager.prometheus import Prometheus
from tests.answering import answering
from tests.peers.prometheus import PrometheusServer
from tests.peers.sockets import free_tcp_port, silent_port

ALERTS = 'ALERTS{alertstate="firing",severity="critical"}'


def client(url, **options):
    config = load(overrides={("prometheus", name): value for name, value in {"url": url, **options}.items()})
    return Prometheus(config.prometheus)


@pytest.fixture(scope="module")
def server():
    with PrometheusServer() as running:
        yield running


async def until(prometheus, query, fits):
    """Ask until the answer fits, which takes a scrape and an evaluation."""
    end = time.monotonic() + 30
    while not fits(found := await prometheus.found_by(query)):
        assert time.monotonic() < end, found
        await asyncio.sleep(0.05)
    return found


@pytest.mark.peer
async def test_alerts_come_and_go(server):
    prometheus = client(server.url)
    assert await prometheus.found_by(ALERTS) == []
    server.trouble["h1"] = 1
    (found,) = await until(prometheus, ALERTS, bool)
    assert found.startswith('ALERTS{alertname="HostInTrouble", alertstate="firing", host="h1"')
    server.trouble["h1"] = 0
    await until(prometheus, ALERTS, lambda found: not found)


@pytest.mark.peer
async def test_a_query_that_it_does_not_understand(server):
    with pytest.raises(InvalidInput, match=r"does not understand the query: .*parse error"):
        await client(server.url).found_by("ALERTS{")


@pytest.mark.peer
@pytest.mark.parametrize(("query", "kind"), [("1 + 1", "scalar"), ('"text"', "string"), ("up[1m]", "matrix")])
async def test_a_query_that_says_nothing_of_what_is_there(server, query, kind):
    with pytest.raises(InvalidInput, match=f"it finds a {kind}"):
        await client(server.url).found_by(query)


@pytest.mark.peer
async def test_one_that_is_frozen_is_not_waited_for(server):
    server.running.freeze()
    try:
        with pytest.raises(Unavailable, match=r"did not answer within 0\.3 s"):
            await client(server.url, timeout=0.3).found_by("up")
    finally:
        server.running.thaw()
    await client(server.url).found_by("up")


def vector(*metrics):
    data = {"resultType": "vector", "result": [{"metric": each, "value": [0, "1"]} for each in metrics]}
    return json.dumps({"status": "success", "data": data}).encode()


@pytest.mark.parametrize(
    ("options", "header"),
    [
        ({}, None),
        ({"bearer_token": "t0ken"}, "Bearer t0ken"),
        ({"username": "me", "password": "sesame"}, "Basic " + base64.b64encode(b"me:sesame").decode()),
        ({"username": "me"}, "Basic " + base64.b64encode(b"me:").decode()),
    ],
)
async def test_what_it_is_asked(options, header):
    with answering(vector()) as (url, asked):
        assert await client(f"{url}/prom/", **options).found_by('up{a="b c"} > 1') == []
    ((path, headers),) = asked
    assert urlsplit(path).path == "/prom/api/v1/query"
    assert parse_qs(urlsplit(path).query) == {"query": ['up{a="b c"} > 1']}
    assert headers.get("Authorization") == header


async def test_control_characters_do_not_reach_people():
    with answering(vector({"__name__": "a", "b": "c\x1b[31m\nd" + "x" * 1000})) as (url, _):
        (found,) = await client(url).found_by("a")
    assert found.startswith('a{b="c[31mdxx')
    assert len(found) == 300


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 200),
        (b"<html>", 200),
        (b"[]", 200),
        (b'{"status": "error", "error": "too late"}', 503),
        (b'{"status": "success", "data": {"resultType": "vector", "result": []}}', 500),
        (b'{"status": "success", "data": {"resultType": "vector", "result": null}}', 200),
        (b'{"status": "success", "data": {"resultType": "vector", "result": [1]}}', 200),
        (b'{"status": "success", "data": {"resultType": "vector", "result": [{"metric": 5}]}}', 200),
        (b'{"status": "success", "data": {"resultType": "vector"}}', 200),
        (b"unauthorized", 401),
        (b"x" * (33 << 20), 200),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_what_cannot_be_believed_is_not_all_clear(body, status):
    with answering(body, status) as (url, _), pytest.raises(Unavailable):
        await client(url, bearer_token="s3cret").found_by("up")


async def test_nobody_there():
    with pytest.raises(Unavailable, match="cannot be reached") as raised:
        await client(f"http://127.0.0.1:{free_tcp_port()}", bearer_token="s3cret").found_by("up")
    assert "s3cret" not in str(raised.value)
    with silent_port() as port, pytest.raises(Unavailable, match="did not answer"):
        await client(f"http://127.0.0.1:{port}", timeout=0.2).found_by("up")
    with pytest.raises(Unavailable, match=r"\[prometheus\] url"):
        await client(None).found_by("up")


async def test_an_authority_that_is_not_there():
    with pytest.raises(Unavailable, match="cannot be reached"):
        await client("https://127.0.0.1:1", cafile="/nowhere.pem").found_by("up")
