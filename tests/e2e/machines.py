"""The product as a site runs it past one machine: each process started by itself, all from one configuration."""

from __future__ import annotations

import configparser
import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Self

import httpx

from cloudmanager.embedded_broker import find_server
from cloudmanager.vault import create_key_file

from .product import wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Site:
    """The processes of a site, each started as its systemd unit would; leaving it, all are killed.

    `config` is {section: {option: value}} beside what every site needs.
    """

    def __init__(
        self, directory: Path, database: str, config: Mapping[str, Mapping[str, Any]] | None = None
    ) -> None:
        self.directory = directory
        self.broker_port, self.port = free_port(), free_port()
        self.config = directory / "cloudmanager.conf"
        self.processes: dict[str, subprocess.Popen] = {}
        create_key_file(directory / "key")
        parser = configparser.RawConfigParser()
        parser.read_dict(
            {
                "database": {"connection": database},
                "broker": {"url": f"redis://127.0.0.1:{self.broker_port}/0", "timeout": 1},
                "secrets": {"key_file": directory / "key"},
                "api": {"port": self.port, "processes": 2},
                "flows": {"lease": 3, "sweep_interval": 0.5},
                "monitor": {"interval": 1},
                **(config or {}),
            }
        )
        with self.config.open("w") as file:
            parser.write(file)

    def __enter__(self) -> Self:
        self.start_broker()
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()

    def start_all(self, *, monitors: int = 2, first: Mapping[str, str] | None = None) -> Client:
        """One API, two workers, two schedulers, so many monitors; a client for the API.

        `first` is what the environment of the first machine, which has one of each, says.
        """
        self.say("db", "upgrade")
        token = self.say("token", "create", "operator", "--role", "admin").split()[-1]
        self.start("api", "api")
        for number in (1, 2):
            environment = first if number == 1 else None
            self.start(f"worker{number}", "worker", "--name", f"w{number}", environment=environment)
            self.start(f"scheduler{number}", "scheduler", environment=environment)
        for number in range(1, monitors + 1):
            self.start(f"monitor{number}", "monitor", environment=first if number == 1 else None)
        client = Client(f"http://127.0.0.1:{self.port}", token, self.logs)
        wait_until(lambda: ready(client), within=80, why=self.logs)
        return client

    def command(self, *words):
        return [sys.executable, "-m", "cloudmanager", *words, "--config", str(self.config)]

    def say(self, *words):
        said = subprocess.run(self.command(*words), capture_output=True, text=True, timeout=60, check=False)
        assert said.returncode == 0, said.stderr
        return said.stdout

    def start(self, name, *words, environment=None):
        with (self.directory / f"{name}.log").open("a") as log:
            self.processes[name] = subprocess.Popen(
                self.command(*words), stdout=log, stderr=log, env={**os.environ, **(environment or {})}
            )

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

    def __init__(self, url, token, log_end):
        self.log_end = log_end
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


def ready(client):
    try:
        return client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False
