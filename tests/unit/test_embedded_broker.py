"""The broker that `up` runs, with a real server and Kombu as its client."""

from __future__ import annotations

import shutil
import stat
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from kombu import Connection
from kombu.exceptions import OperationalError
from redis.exceptions import AuthenticationError

from cloudmanager import embedded_broker
from cloudmanager.embedded_broker import EmbeddedBroker, find_server
from cloudmanager.errors import Misconfigured


@pytest.fixture
def broker(tmp_path):
    return EmbeddedBroker(tmp_path / "it's a broker")


@contextmanager
def running(broker, url):
    broker.prepare(url)
    process = subprocess.Popen(broker.command())
    try:
        end = time.monotonic() + 10
        while not broker.socket.exists():
            assert time.monotonic() < end
            time.sleep(0.01)
        yield
    finally:
        process.terminate()
        process.wait(10)


def test_messages_survive_a_restart(broker):
    url = broker.new_url()
    with running(broker, url), Connection(url) as connection:
        queue = connection.SimpleQueue("q")
        queue.put({"id": 1})
        queue.close()
    with running(broker, url), Connection(url) as connection:
        queue = connection.SimpleQueue("q")
        message = queue.get(timeout=5)
        assert message.payload == {"id": 1}
        message.ack()
        queue.close()


def test_nobody_else_can_use_it(broker):
    url = broker.new_url()
    with running(broker, url):
        assert stat.S_IMODE(broker.socket.stat().st_mode) == 0o600
        with pytest.raises((AuthenticationError, OperationalError)), Connection(broker.new_url()) as other:
            other.connect()


def test_the_password_is_in_a_private_file_only(broker):
    url = broker.new_url()
    broker.prepare(url)
    password = url.partition("//:")[2].partition("@")[0]
    program, config_file = broker.command()

    assert password in Path(config_file).read_text()
    assert stat.S_IMODE(Path(config_file).stat().st_mode) == 0o600
    assert password not in program


def test_only_its_own_url_is_its_own(broker, tmp_path):
    assert broker.serves(broker.new_url())
    assert not broker.serves("redis://localhost:6379/0")
    assert not broker.serves(EmbeddedBroker(tmp_path / "other").new_url())


def test_a_path_too_long_for_a_socket_says_so(tmp_path):
    with pytest.raises(Misconfigured, match="choose a shorter --state-dir"):
        EmbeddedBroker(tmp_path / ("x" * 100)).new_url()


def test_the_machine_s_own_server_is_preferred(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    bundled = find_server()
    assert bundled.name == "valkey-server"
    own = tmp_path / "redis-server"
    shutil.copy(bundled, own)
    assert find_server() == own


def test_no_server_at_all_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(embedded_broker.platform, "machine", lambda: "vax")
    with pytest.raises(Misconfigured, match="install valkey-server or redis-server"):
        find_server()
