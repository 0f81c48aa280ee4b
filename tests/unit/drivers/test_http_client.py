"""`HttpClient` against servers that do not behave, each a few lines on a real socket."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloudmanager.drivers.base import Settings
from cloudmanager.drivers.http_client import MAX_BODY, Effect, HttpClient
from cloudmanager.errors import DeviceError, DeviceRefused, DeviceUnreachable

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@contextlib.asynccontextmanager
async def client_of(*answers, keep=True):
    """A client of a server that gives these answers in turn, the last for ever; None breaks the connection."""
    requests = []

    async def serve(reader, writer):
        with contextlib.suppress(OSError, EOFError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                requests.append(head + await reader.readexactly(length))
                answer = answers[min(len(requests), len(answers)) - 1]
                if answer is None:
                    break
                writer.write(answer)
                await writer.drain()
                if not keep:
                    break
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = HttpClient("device", Settings(host="127.0.0.1", port=port), None)
    try:
        yield client, requests
    finally:
        await client.close()
        server.close()


async def ask(client, *, seconds=1.0, path="/p", **options):
    deadline = asyncio.get_running_loop().time() + seconds
    return await client.ask("POST", path, deadline=deadline, body=b"{}", **options)


@pytest.mark.parametrize(
    ("effect", "sent", "maybe_applied"),
    [(Effect.READ, 2, False), (Effect.STATE, 2, False), (Effect.ONCE, 1, True)],
)
async def test_a_broken_connection(effect, sent, maybe_applied):
    """What reads or asks for a state is sent again, what acts once is not."""
    async with client_of(None, OK) as (client, requests):
        if maybe_applied:
            with pytest.raises(DeviceUnreachable, match="device broke the connection") as caught:
                await ask(client, effect=effect)
            assert caught.value.maybe_applied
        else:
            assert (await ask(client, effect=effect)).body == b"ok"
        assert len(requests) == sent


@pytest.mark.parametrize("effect", Effect)
async def test_no_answer_ever(effect):
    async with client_of(b"") as (client, _):
        started = time.monotonic()
        with pytest.raises(DeviceUnreachable, match="did not answer in time") as caught:
            await ask(client, seconds=0.2, effect=effect)
        assert time.monotonic() - started < 5
        assert caught.value.maybe_applied is (effect is not Effect.READ)


async def test_an_answer_that_never_ends_in_time():
    async with client_of(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n12") as (client, _):
        with pytest.raises(DeviceUnreachable, match="in time"):
            await ask(client, seconds=0.2)


async def test_an_answer_without_end():
    body = b"1" * (MAX_BODY + 1)
    async with client_of(b"HTTP/1.1 200 OK\r\n\r\n" + body, keep=False) as (client, _):
        with pytest.raises(DeviceRefused, match=f"more than {MAX_BODY} bytes"):
            await ask(client)


async def test_a_closed_connection_is_opened_again():
    async with client_of(OK, keep=False) as (client, requests):
        for _ in range(3):
            assert (await ask(client, effect=Effect.ONCE)).status == 200
            await asyncio.sleep(0.01)
        assert len(requests) == 3


async def test_tries_of_their_own_length_wake_a_sleeping_device():
    async with client_of(b"", OK) as (client, requests):
        assert (await ask(client, seconds=1.0, attempt=0.2)).body == b"ok"
        assert len(requests) == 2


@pytest.mark.parametrize(
    "path", ["http://evil/", "", "//\n", "/a b\r\nX: y", "/" + "x" * 2000, "/\u0434", "relative"]
)
async def test_paths_that_are_none(path):
    async with client_of(OK) as (client, requests):
        with pytest.raises(DeviceRefused, match="a path of its own"):
            await ask(client, path=path)
        assert requests == []


async def test_a_header_that_would_be_two():
    async with client_of(OK) as (client, requests):
        with pytest.raises(DeviceError):
            await ask(client, seconds=0.2, headers={"X-Auth-Token": "a\r\nX-Other: b"})
        assert requests == []


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    head=st.sampled_from(
        [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", b"HTTP/1.1 "]
    ),
    noise=st.binary(max_size=60),
)
async def test_noise(head, noise):
    async with client_of(head + noise, keep=False) as (client, _):
        with contextlib.suppress(DeviceError):
            await ask(client, seconds=0.1)
