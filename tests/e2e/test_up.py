"""`cloudmanager up`: real processes, real sockets."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import stat
import time

import httpx
import pytest
from sqlalchemy import create_engine, text

from .product import Product, alive, command_line, wait_until

ORPHANS_GONE_WITHIN = 5.0


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """One `up` for the tests that do not stop it."""
    with Product(tmp_path_factory.mktemp("up")) as product:
        yield product


def test_first_start_makes_a_private_state_directory(running):
    files = {path.name: path for path in running.state_dir.iterdir()}

    assert {"admin-token", "cloudmanager.conf", "cloudmanager.db", "secret.key"} <= files.keys()
    for name in ("admin-token", "cloudmanager.conf", "cloudmanager.db", "secret.key", "lock"):
        assert stat.S_IMODE(files[name].stat().st_mode) == 0o600, name
    with create_engine(f"sqlite:///{files['cloudmanager.db']}").connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        connection.engine.dispose()


def test_the_token_works_and_none_does_not(running):
    assert running.get("/v1/info").status_code == 200
    assert httpx.get(f"{running.url}/v1/info").status_code == 401
    assert running.get("/readyz").status_code == 200
    assert running.get("/healthz").status_code == 200


def test_nothing_that_it_writes_shows_a_secret(running):
    password = running.directory.config_file.read_text().partition("redis+socket://:")[2].partition("@")[0]
    command_lines = [" ".join(command_line(pid)) for pid in running.pids()]

    assert len(password) > 20
    for place in (running.log(), *command_lines):
        assert password not in place
        assert running.token not in place


def test_a_second_up_names_the_first(running):
    other = Product(running.state_dir)
    result = other.cli("up", "--port", "0")

    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert f"in use by process {running.pid}" in result.stderr
    assert running.get("/healthz").status_code == 200


def test_a_taken_port_is_one_line_before_anything_starts(running, tmp_path):
    other = Product(tmp_path / "other")
    result = other.cli("up", "--port", str(running.port))

    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert f"port {running.port} of 127.0.0.1 is taken" in result.stderr
    assert not other.directory.database_file.exists()


REFUSED = {
    "no HTTP": (400, b"NONSENSE\r\n\r\n"),
    "TLS": (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 40 + b"\r\n\r\n"),
    "version": (400, b"GET / HTTP/9.9\r\n\r\n"),
    "long line": (414, b"GET /v1/" + b"x" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"),
    "long line, by us": (414, b"GET /v1/" + b"x" * 8100 + b" HTTP/1.1\r\nConnection: close\r\n\r\n"),
    "large header": (431, b"GET / HTTP/1.1\r\nX-Big: " + b"x" * 10000 + b"\r\n\r\n"),
    "many headers": (431, b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(200)) + b"\r\n"),
    "coding": (501, b"POST /v1/nodes HTTP/1.1\r\nTransfer-Encoding: unheard-of, chunked\r\n\r\n"),
    "header name": (400, b"GET / HTTP/1.1\r\nBad Name: 1\r\n\r\n"),
    "length": (400, b"GET / HTTP/1.1\r\nContent-Length: nine\r\n\r\n"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_server_itself_refuses_has_the_form_of_all_errors(running, case):
    status, raw = REFUSED[case]
    with socket.create_connection(("127.0.0.1", running.port), timeout=10) as client:
        client.sendall(raw)
        answer = b"".join(iter(lambda: client.recv(65536), b""))

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status), answer[:300]
    assert b"Content-Type: application/json" in head
    error = json.loads(body)["error"]
    assert error["code"] == status
    assert error["title"]
    assert error["message"]
    assert error["request_id"].startswith("req-")


def test_silent_clients_do_not_keep_others_waiting_for_long(running):
    with contextlib.ExitStack() as stack:
        for _ in range(16):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", running.port)))
            client.sendall(b"GET")  # and nothing more: each takes a thread
        wait_until(lambda: not _answers(running.url), within=5)

        wait_until(lambda: _answers(running.url), within=40)


@pytest.mark.parametrize("words", [("api",), ("worker",), ("scheduler",)], ids=["api", "worker", "scheduler"])
def test_a_child_that_dies_is_started_again(running, words):
    before = running.pids_of(*words)
    assert before
    for pid in before:
        os.kill(pid, signal.SIGKILL)

    wait_until(lambda: running.pids_of(*words) - before, within=10, why=running.log_end)
    wait_until(lambda: running.get("/readyz").status_code == 200, within=20, why=running.log_end)
    assert "died; it will be started again" in running.log()


def test_a_broker_that_dies_is_started_again(running):
    (broker,) = _brokers(running)
    os.kill(broker, signal.SIGKILL)

    wait_until(lambda: _brokers(running) - {broker}, within=10, why=running.log_end)
    wait_until(lambda: running.get("/readyz").status_code == 200, within=30, why=running.log_end)


def test_in_json_every_line_is_an_object_that_names_its_process(tmp_path):
    with Product(tmp_path / "state", config={"log": {"format": "json"}}) as product:
        product.get("/v1/info")
    lines = [json.loads(line) for line in product.errors().splitlines()]

    assert {line["process"] for line in lines} >= {"up", "api", "worker", "scheduler"}
    assert all(line["message"] for line in lines)


def test_sigterm_leaves_nothing(product):
    product.start()
    children = product.pids()
    assert len(children) >= 5

    started = time.monotonic()
    assert product.stop() == 0
    assert time.monotonic() - started < 15
    assert not alive(children)
    assert "is killed" not in product.log()


def test_a_second_signal_stops_at_once(product):
    product.start()
    children = product.pids()
    os.kill(product.pid, signal.SIGINT)
    time.sleep(0.05)
    os.kill(product.pid, signal.SIGINT)

    product.wait(5)
    wait_until(lambda: not alive(children), within=2)


def test_kill_9_of_the_parent_leaves_no_child_and_the_next_start_is_clean(product):
    product.start()
    token = product.token
    made = product.post("/v1/nodes", {"node": {"name": "survivor"}})
    assert made.status_code in (200, 201), made.text
    children = product.pids()

    product.kill()
    wait_until(lambda: not alive(children), within=ORPHANS_GONE_WITHIN)

    product.start()
    assert product.token == token
    assert "survivor" in product.get("/v1/nodes").text
    assert product.stop() == 0


def test_a_lost_token_is_replaced(product):
    product.start()
    former = product.token
    product.stop()
    product.directory.token_file.unlink()

    product.start()
    assert product.token != former
    assert product.get("/v1/nodes").status_code == 200
    assert product.get("/v1/nodes", headers={"X-Auth-Token": former}).status_code == 401


def test_sigterm_while_starting_leaves_nothing(product):
    product.launch()
    wait_until(product.pids, within=10)
    children = product.pids()

    assert product.stop() == 0
    assert not alive(children)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", timeout=1).status_code == 200
    except httpx.HTTPError:
        return False


def _brokers(product: Product) -> set[int]:
    return {
        pid for pid in product.pids() if re.search("(valkey|redis)-server", "".join(command_line(pid)[:1]))
    }
