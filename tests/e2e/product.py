"""The real product for tests: `cloudmanager up` or `demo` as a process, with real files and sockets."""

from __future__ import annotations

import configparser
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import httpx

from cloudmanager.state_dir import StateDirectory

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

START_WITHIN = 90.0
STOP_WITHIN = 60.0


class Product:
    """`with Product(directory, demo=True) as product:` starts it, waits until it is ready, stops it.

    `config` is {section: {option: value}}, added to what the first start writes; `environment` is added to ours.
    """

    def __init__(
        self,
        state_dir: Path,
        *,
        demo: bool = False,
        config: Mapping[str, Mapping[str, Any]] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.state_dir = state_dir
        self.directory = StateDirectory(state_dir)
        self.url = ""
        self._environment = {**os.environ, **(environment or {})}
        self._command = "demo" if demo else "up"
        self._process: subprocess.Popen[bytes] | None = None
        self._client: httpx.Client | None = None
        if config:
            self._configure(config)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # --- the processes --------------------------------------------------------------------------------------

    def launch(self, *arguments: str) -> None:
        """Start it without waiting, on a free port unless `arguments` say otherwise."""
        self.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        command = [sys.executable, "-m", "cloudmanager", self._command, "--state-dir", str(self.state_dir)]
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self._process = subprocess.Popen(
                [*command, "--port", "0", *arguments], stdout=out, stderr=err, env=self._environment
            )

    def start(self, *arguments: str) -> None:
        """Start it and wait until it is ready."""
        self.launch(*arguments)
        wait_until(self._has_said_where, within=START_WITHIN, why=self.log_end)
        self.url = re.search(r"ready at (\S+)", self._out.read_text()).group(1)
        headers = {"X-Auth-Token": self.token}
        self._client = httpx.Client(base_url=self.url, headers=headers, timeout=60)

    def stop(self) -> int:
        """Ask it to stop, wait, and answer its exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> int:
        """End the parent process without a chance to tidy up."""
        return self._end(signal.SIGKILL)

    def tenant_token(self, tenant: str) -> str:
        """A token of the owner of one of the demo's tenants, as its script prints it."""
        script = self.directory.portal_token_script(f"{tenant}-owner")
        got = subprocess.run(["sh", script], capture_output=True, text=True, check=True, timeout=30)
        return got.stdout.strip()

    @property
    def pid(self) -> int:
        """The parent process."""
        assert self._process is not None
        return self._process.pid

    def pids(self) -> set[int]:
        """All processes but the parent."""
        return _descendants(self.pid)

    def pids_of(self, *words: str) -> set[int]:
        """The processes whose command line has all these words."""
        return {pid for pid in self.pids() if set(words) <= set(command_line(pid))}

    # --- requests -------------------------------------------------------------------------------------------

    @property
    def token(self) -> str:
        """The admin token."""
        return self.directory.token_file.read_text().strip()

    @property
    def port(self) -> int:
        """Where it listens."""
        return httpx.URL(self.url).port

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request with the admin token."""
        assert self._client is not None
        return self._client.request(method, path, **options)

    def get(self, path: str, **options: Any) -> httpx.Response:
        """GET with the admin token."""
        return self.request("GET", path, **options)

    def post(self, path: str, json: Any = None, **options: Any) -> httpx.Response:
        """POST with the admin token."""
        return self.request("POST", path, json=json, **options)

    def cli(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `cloudmanager …` on the same state directory."""
        command = [sys.executable, "-m", "cloudmanager", *arguments, "--state-dir", str(self.state_dir)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    def log(self) -> str:
        """What it wrote."""
        return "\n".join(path.read_text(errors="replace") for path in (self._out, self._err) if path.exists())

    def errors(self) -> str:
        """What it wrote to standard error: all log lines."""
        return self._err.read_text()

    def log_end(self) -> str:
        """The last of what it wrote."""
        return "\n".join(self.log().splitlines()[-40:])

    # --- within ---------------------------------------------------------------------------------------------

    @property
    def _out(self) -> Path:
        return self.state_dir / "test.out"

    @property
    def _err(self) -> Path:
        return self.state_dir / "test.err"

    def _configure(self, config: Mapping[str, Mapping[str, Any]]) -> None:
        self.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.directory.create_files()
        parser = configparser.RawConfigParser()
        parser.read(self.directory.config_file)
        for section, options in config.items():
            if not parser.has_section(section):
                parser.add_section(section)
            for name, value in options.items():
                parser.set(section, name, str(value))
        with self.directory.config_file.open("w") as file:
            parser.write(file)

    def end(self) -> None:
        """See to it that nothing is left, whatever has happened before."""
        if self._process is not None and self._process.poll() is None:
            self.kill()

    def _has_said_where(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log_end()
        return "is ready at" in self._out.read_text()

    def _end(self, number: int) -> int:
        assert self._process is not None
        if self._client is not None:
            self._client.close()
            self._client = None
        self._process.send_signal(number)
        return self._process.wait(STOP_WITHIN)

    def wait(self, within: float = STOP_WITHIN) -> int:
        """Wait until it ends by itself; its exit code."""
        assert self._process is not None
        return self._process.wait(within)


def wait_until(condition: Callable[[], object], *, within: float, why: Callable[[], str] = str) -> None:
    """Look until `condition` holds, ever more seldom; fail with `why()` when the time is over."""
    began = time.monotonic()
    while not condition():
        waited = time.monotonic() - began
        assert waited < within, f"not within {within} s\n{why()}"
        time.sleep(min(0.05 + waited / 10, 0.5))


def alive(pids: set[int]) -> set[int]:
    """Those of the processes that still run; a zombie does not."""
    return {pid for pid in pids if _state(pid) not in ("", "Z", "X")}


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _descendants(pid: int) -> set[int]:
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            stat = (entry / "stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        parents.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(entry.name))
    found: set[int] = set()
    to_do = [pid]
    while to_do:
        children = parents.get(to_do.pop(), [])
        found.update(children)
        to_do.extend(children)
    return found


def command_line(pid: int) -> list[str]:
    """The words of a process's command line; none when it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return []
