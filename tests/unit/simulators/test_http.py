"""The HTTP server of simulated services, asked by httpx and by hand."""

from __future__ import annotations

import asyncio
import socket
import ssl

import httpx
import pytest

from cloudmanager.simulators.certificates import self_signed
from cloudmanager.simulators.http import MAX_BODY, REMEMBERED, Answer, HttpServer
from cloudmanager.simulators.http_faults import HttpFaults

HOST = "127.0.0.1"


class Service:
    """A server that answers with what `says` makes of a request, which it keeps."""

    def __init__(self):
        self.faults = HttpFaults()
        self.says = lambda _: Answer(200, {"a": 1})
        self.heard = []
        self.server = HttpServer(self.answer, lambda: self.faults)

    def answer(self, request):
        self.heard.append(request)
        return self.says(request)


@pytest.fixture
async def service():
    made = Service()
    made.port = await made.server.start(HOST, 0)
    yield made
    await made.server.stop()


@pytest.fixture
async def client(service):
    async with httpx.AsyncClient(base_url=f"http://{HOST}:{service.port}") as opened:
        yield opened


async def talk(service, *said):
    """Everything that the server says until it ends the connection."""
    reader, writer = await asyncio.open_connection(HOST, service.port)
    for part in said:
        writer.write(part)
        await writer.drain()
    try:
        return await asyncio.wait_for(reader.read(), 5)
    finally:
        writer.close()


async def test_a_connection_serves_many_requests(service, client):
    for _ in range(3):
        assert (await client.get("/")).json() == {"a": 1}
    counters = service.server.counters
    assert (counters.connections, counters.connections_open) == (1, 1)
    assert (counters.requests, counters.answers) == (3, 3)


async def test_what_was_asked(service, client):
    await client.request("PUT", "/a%20b/c?x=1&y=&x=2", content=b'{"b": 2}', headers=[("A", "1"), ("A", "2")])
    [request] = service.heard
    assert (request.method, request.path, request.json()) == ("PUT", "/a b/c", {"b": 2})
    assert (request.query, request.values("x"), request.values("z")) == ({"x": "2", "y": ""}, ["1", "2"], [])
    assert request.headers["a"] == "1, 2"


async def test_a_body_in_chunks(service, client):
    async def parts():
        for _ in range(40):
            yield b"0123456789" * 5000

    service.says = lambda request: Answer(201, {"length": len(request.body)})
    assert (await client.post("/", content=parts())).json() == {"length": 2_000_000}
    assert (await client.get("/")).json() == {"length": 0}
    assert service.server.counters.connections == 1


async def test_a_body_that_is_too_large(service, client):
    answer = await client.post("/", content=b"x" * (MAX_BODY + 1))
    assert (answer.status_code, service.heard) == (413, [])
    assert (await client.post("/", content=b"x" * MAX_BODY)).status_code == 200


async def test_bytes_go_as_they_are(service, client):
    service.says = lambda _: Answer(200, b"\0\xff" * 4, {"Content-Type": "application/octet-stream"})
    answer = await client.get("/")
    assert (answer.content, answer.headers["content-type"]) == (b"\0\xff" * 4, "application/octet-stream")


async def test_nothing_to_say(service, client):
    service.says = lambda _: Answer(202)
    answer = await client.get("/")
    assert (answer.content, answer.headers["content-length"]) == (b"", "0")
    assert "content-type" not in answer.headers
    service.says = lambda _: Answer(204, {"not": "sent"})
    answer = await client.get("/")
    assert (answer.content, "content-length" in answer.headers) == (b"", False)
    assert service.server.counters.connections == 1


async def test_head_has_the_length_and_no_body(service, client):
    answer = await client.head("/")
    assert (answer.content, answer.headers["content-length"]) == (b"", "8")
    assert (await client.get("/")).json() == {"a": 1}
    assert service.server.counters.connections == 1


async def test_a_header_with_several_values(service, client):
    service.says = lambda _: Answer(200, None, {"Link": ["<a>", "<b>"], "Content-Language": "en"})
    answer = await client.get("/")
    assert answer.headers.get_list("link") == ["<a>", "<b>"]


async def test_the_client_may_end_the_connection(service):
    said = await talk(service, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 200 OK\r\n")
    assert said.endswith(b'\r\n\r\n{"a": 1}')
    said = await talk(service, b"GET / HTTP/1.0\r\n\r\n")
    assert said.endswith(b'\r\n\r\n{"a": 1}')
    assert service.server.counters.answers == 2


async def test_a_client_that_waits_before_it_sends_its_body(service):
    reader, writer = await asyncio.open_connection(HOST, service.port)
    writer.write(b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
    async with asyncio.timeout(5):
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"abc")
        assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 200 OK\r\n")
    assert service.heard[0].body == b"abc"
    writer.close()


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"\x16\x03\x01\0\xa5\x01\0\0\xa1\x03\x03\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET /[ HTTP/1.1\r\nHost: x\r\nA b: c\r\n\r\n", 400),
        (b"GET //[ HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"x" * 100_000, 431),
    ],
)
async def test_what_is_not_http_is_refused_and_the_connection_ends(service, said, status):
    answer = await talk(service, said)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"Connection: close\r\n" in answer
    assert service.heard == []


async def test_a_request_that_breaks_off_is_none(service):
    with socket.create_connection((HOST, service.port)) as half:
        half.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nab")
        half.shutdown(socket.SHUT_WR)
        async with asyncio.timeout(5):
            while service.server.counters.connections == 0 or service.server.counters.connections_open:
                await asyncio.sleep(0.01)
    assert service.heard == []


async def test_faults(service, client):
    service.faults = HttpFaults(status=503)
    assert (await client.get("/")).json()["error"]["code"] == 503
    service.faults = HttpFaults(down=True)
    with pytest.raises(httpx.RemoteProtocolError):
        await client.get("/")
    assert service.heard == []


@pytest.mark.parametrize(
    ("only", "hit"),
    [
        ("*", {"GET /a", "POST /s/1/action stop", "POST /s/1/action"}),
        ("GET *", {"GET /a"}),
        ("* /s/*/action stop", {"POST /s/1/action stop"}),
        ("POST *", {"POST /s/1/action stop", "POST /s/1/action"}),
        ("GET /b", set()),
    ],
)
async def test_faults_of_some_operations_only(service, client, only, hit):
    service.faults = HttpFaults(status=503, only=only)
    answers = {
        "GET /a": await client.get("/a"),
        "POST /s/1/action stop": await client.post("/s/1/action", json={"stop": None}),
        "POST /s/1/action": await client.post("/s/1/action", content=b"{"),
    }
    assert {name for name, answer in answers.items() if answer.status_code == 503} == hit


async def test_a_service_that_stumbles_says_so(service, client, caplog):
    service.says = lambda _: {}["missing"]
    assert (await client.get("/x")).status_code == 500
    assert "KeyError: 'missing'" in caplog.text
    service.says = lambda _: Answer()
    assert (await client.get("/")).status_code == 200


async def test_the_last_requests_are_remembered(service, client):
    for number in range(REMEMBERED + 5):
        service.server.requests.append(str(number))
    await client.get("/last?a=b")
    assert len(service.server.requests) == REMEMBERED
    assert service.server.requests[-1] == "GET /last"


async def test_stopping_cuts_connections(service):
    reader, writer = await asyncio.open_connection(HOST, service.port)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    await reader.readuntil(b"}")
    await service.server.stop()
    with pytest.raises(OSError, match=r"Connect call failed|reset"):
        await asyncio.open_connection(HOST, service.port)
    assert await reader.read() == b""
    assert service.server.counters.connections_open == 0
    writer.close()


async def test_tls():
    made = Service()
    context, certificate = self_signed("cloud", HOST)
    port = await made.server.start(HOST, 0, tls=context)
    trust = ssl.create_default_context(cadata=certificate.decode())
    async with httpx.AsyncClient(verify=trust) as secure:
        assert (await secure.get(f"https://{HOST}:{port}/")).json() == {"a": 1}
        assert (
            await secure.post(f"https://{HOST}:{port}/", content=b"x" * (MAX_BODY + 1))
        ).status_code == 413
    await made.server.stop()
