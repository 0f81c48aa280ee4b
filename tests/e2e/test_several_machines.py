"""The product as a site runs it past one machine: PostgreSQL, Redis, and several of each process."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING

import httpx
import pytest

from bench.power import register
from bench.rack import rack
from cloudmanager.embedded_broker import find_server
from cloudmanager.vault import create_key_file
from tests.peers.postgresql import PostgreSql

from .product import wait_until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.peer

NODES = 20


class Site:
    """The processes of a site, each started as its systemd unit would."""

    def __init__(self, directory: Path, database: str) -> None:
        self.directory = directory
        self.broker_port, self.port = free_port(), free_port()
        self.config = directory / "cloudmanager.conf"
        self.processes: dict[str, subprocess.Popen] = {}
        create_key_file(directory / "key")
        self.config.write_text(
            f"[database]\nconnection = {database}\n"
            f"[broker]\nurl = redis://127.0.0.1:{self.broker_port}/0\ntimeout = 1\n"
            f"[secrets]\nkey_file = {directory / 'key'}\n"
            f"[api]\nport = {self.port}\nprocesses = 2\n"
            "[flows]\nlease = 3\nsweep_interval = 0.5\n[monitor]\ninterval = 1\n"
        )

    def command(self, *words):
        return [sys.executable, "-m", "cloudmanager", *words, "--config", str(self.config)]

    def say(self, *words):
        said = subprocess.run(self.command(*words), capture_output=True, text=True, timeout=60, check=False)
        assert said.returncode == 0, said.stderr
        return said.stdout

    def start(self, name, *words):
        with (self.directory / f"{name}.log").open("a") as log:
            self.processes[name] = subprocess.Popen(self.command(*words), stdout=log, stderr=log)

    def start_broker(self):
        command = [str(find_server()), "--port", str(self.broker_port), "--bind", "127.0.0.1", "--save", ""]
        self.processes["broker"] = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=self.directory)

    def kill(self, name):
        process = self.processes.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def end(self):
        """Stop everything as systemd would; answers the exit codes."""
        for process in self.processes.values():
            process.terminate()
        return {name: process.wait(30) for name, process in self.processes.items()}

    def logs(self):
        return "\n".join(f"{path.name}:\n{path.read_text()[-2000:]}" for path in self.directory.glob("*.log"))


class Client:
    """Calls with the admin token, in the form that `bench.power.register` takes."""

    def __init__(self, url, token):
        self._http = httpx.Client(base_url=url, headers={"X-Auth-Token": token}, timeout=60)

    def get(self, path):
        return self._http.get(path)

    def post(self, path, json=None):
        return self._http.post(path, json=json)

    def close(self):
        self._http.close()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def site(tmp_path):
    with PostgreSql() as server:
        site = Site(tmp_path, server.create("site"))
        site.start_broker()
        try:
            yield site
        finally:
            for process in site.processes.values():
                process.kill()
                process.wait()


@pytest.fixture
def client(site):
    site.say("db", "upgrade")
    token = site.say("token", "create", "operator", "--role", "admin").split()[-1]
    site.start("api", "api")
    for number in (1, 2):
        site.start(f"worker{number}", "worker", "--name", f"w{number}")
        site.start(f"scheduler{number}", "scheduler")
        site.start(f"monitor{number}", "monitor")
    client = Client(f"http://127.0.0.1:{site.port}", token)
    wait_until(lambda: ready(client), within=40, why=site.logs)
    yield client
    client.close()


def ready(client):
    try:
        return client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


def statuses(client, tasks):
    return Counter(client.get(task).json()["status"] for task in tasks)


def power_states(client):
    return Counter(node["power_state"] for node in client.get("/v1/nodes/").json()["nodes"])


@pytest.mark.timeout(240)
def test_whatever_is_killed_the_work_is_done(site, client):
    with rack(NODES) as ports:
        nodes = register(client, ports)
        assert client.post("/v1/nodes/actions/reset", {"node_ids": nodes}).json()["failed"] == []

        tasks = [client.post(f"/v1/nodes/{node}/actions/power-off").headers["Location"] for node in nodes]
        for name in ("worker1", "scheduler1", "monitor1"):
            site.kill(name)
        wait_until(lambda: statuses(client, tasks) == {"SUCCESS": NODES}, within=30, why=site.logs)
        assert power_states(client) == {"power_off": NODES}

        site.kill("broker")
        task = client.post(f"/v1/nodes/{nodes[0]}/actions/power-on")
        assert task.status_code == 202, "without a broker the request is taken, and done later"
        not_ready = client.get("/readyz")
        assert not_ready.status_code == 503
        assert not_ready.json()["broker"]["ok"] is False
        site.start_broker()
        tasks = [task.headers["Location"]]
        wait_until(lambda: statuses(client, tasks) == {"SUCCESS": 1}, within=40, why=site.logs)

        wait_until(
            lambda: power_states(client) == {"power_off": NODES - 1, "power_on": 1}, within=20, why=site.logs
        )
        time.sleep(2)  # the monitor that is left looks at all of them
        assert client.get("/v1/events/count").json() == {"count": 0}, "our own doing is no drift"
    codes = site.end()
    assert {name: code for name, code in codes.items() if code} == {}, site.logs()
