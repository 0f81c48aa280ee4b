"""`cloudmanager up`: the whole product in one. Starts its processes, keeps them running, stops them."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import click
import structlog
from sqlalchemy import delete

from cloudmanager import __version__, children, listener, logs, metrics_directory, schema
from cloudmanager import config as configuration
from cloudmanager.children import Child, Program
from cloudmanager.db import Database
from cloudmanager.models import ApiToken
from cloudmanager.state_dir import StateDirectory, write_private
from cloudmanager.tokens import create_token, digest, find_holder
from cloudmanager.vault import Vault

if TYPE_CHECKING:
    import socket

    from cloudmanager.config import Config

LOG = structlog.get_logger(__name__)

STOP_ORDER = (("api",), ("worker", "scheduler", "monitor"), ("lab", "broker"))
"""First nothing new comes in, then what runs ends, then goes what it needed."""

_ADMIN = "admin"
_READY_POLL = 0.2  # seconds
_READY_PATIENCE = 30.0  # seconds after which we say what is missing


class Lab(Protocol):
    """A data centre to manage that is started with the product."""

    program: Program

    def prepare(self) -> str:
        """Build it at the first start; answer what our first configuration has to say of it."""
        ...

    async def fill(self, database: Database, config: Config) -> None:
        """Put its machines into the inventory; called before the API listens."""
        ...

    def gives_token(self, config: Config) -> bool:
        """Whether `fill` writes the admin token, which then is one of its own Keystone."""
        ...

    def hints(self) -> str:
        """Further lines for whoever has started it, each with its line feed."""
        ...


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the command line says; None leaves it to the configuration."""

    state_dir: Path
    config_file: Path | None = None
    host: str | None = None
    port: int | None = None


def up(options: Options, lab: Lab | None = None) -> None:
    """Run everything until SIGTERM or ctrl-C. Raises `Misconfigured` before anything is started."""
    os.umask(0o077)
    directory = StateDirectory(options.state_dir)
    with directory.locked():
        directory.create_files(lab.prepare() if lab else "")
        config_file = options.config_file or directory.config_file
        asked = {("api", "host"): options.host, ("api", "port"): options.port}
        overrides = {name: value for name, value in asked.items() if value is not None}
        config = configuration.load(config_file, overrides)
        Vault(Path(config.secrets.key_file))  # raises what the children would die of
        _check_api(config)
        logs.set_up(config, "up")
        with listener.bind(config.api.host, config.api.port) as bound:
            gc.freeze()  # what is imported stays: no collection need look at it again
            asyncio.run(_Product(directory, config, config_file, bound, lab).run())


def _check_api(config: Config) -> None:
    """Raise what the API would die of, where an option makes it worth the time that importing it takes."""
    if config.auth.strategy != "token" or config.oslo_policy.policy_file or config.oidc.issuer:
        from cloudmanager.app import check  # noqa: PLC0415

        check(config)


def keep_token(database: Database, token_file: Path) -> None:
    """See to it that the file holds an admin token of ours that is valid."""
    with database.transaction() as session:
        if token_file.exists() and find_holder(session, digest(token_file.read_text().strip())):
            return
        session.execute(delete(ApiToken).where(ApiToken.name == _ADMIN))
        token = create_token(session, _ADMIN, "admin")
    write_private(token_file, f"{token}\n")


class _Product:
    def __init__(
        self,
        directory: StateDirectory,
        config: Config,
        config_file: Path,
        bound: socket.socket,
        lab: Lab | None,
    ) -> None:
        self._directory = directory
        self._config = config
        self._config_file = str(config_file.absolute())
        self._listener = bound
        self._lab = lab
        self._environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        if sys.stderr.isatty():
            self._environment["FORCE_COLOR"] = "1"  # what the children write ends on our terminal
        self._children: dict[str, Child] = {}
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """From the first start to the last stop."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup ignores it
                loop.add_signal_handler(number, self._on_signal)
        starting = asyncio.create_task(self._start())
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                await starting  # raises what went wrong
                await stopping
        finally:
            starting.cancel()
            await self._stop()

    def _on_signal(self) -> None:
        if self._stopping.is_set():
            LOG.warning("asked to stop again: everything is killed")
            for child in self._children.values():
                child.kill()
        else:
            LOG.info("stopping: running requests and steps may end; once more to stop at once")
            self._stopping.set()

    async def _start(self) -> None:
        self._environment.update(metrics_directory.clean(self._directory.metrics_directory))
        broker = self._directory.broker
        if broker.serves(self._config.broker.url):
            broker.prepare(self._config.broker.url)
            self._launch(Program(name="broker", command=broker.command(), stop_within=5))
        if self._lab:
            self._launch(self._lab.program)
        database = Database.from_config(self._config)
        schema.upgrade(database)
        if self._lab is None or not self._lab.gives_token(self._config):
            keep_token(database, self._directory.token_file)
        if self._lab:
            await self._lab.fill(database, self._config)
        database.close()
        for program in self._own_programs():
            self._launch(program)
        await self._until_ready()
        self._say_where()

    async def _stop(self) -> None:
        self._listener.close()  # else clients could still connect while the API ends
        for names in STOP_ORDER:
            await asyncio.gather(*(child.stop() for name, child in self._children.items() if name in names))
        LOG.info("stopped")

    def _own_programs(self) -> tuple[Program, ...]:
        ours = (sys.executable, "-m", "cloudmanager")
        workers = (sys.executable, "-m", "workers")
        configured = ("--config", self._config_file)
        descriptor = self._listener.fileno()
        api = (*ours, "api", *configured, "--listen-fd", str(descriptor))
        watching = self._config.monitor.enabled
        monitor = Program(name="monitor", command=(*ours, "monitor", *configured), stop_within=10)
        return (
            Program(name="api", command=api, stop_within=25, pass_fds=(descriptor,)),
            Program(name="worker", command=(*workers, "worker", *configured), stop_within=25),
            Program(name="scheduler", command=(*workers, "scheduler", *configured), stop_within=5),
            *((monitor,) if watching else ()),
        )

    def _launch(self, program: Program) -> None:
        echo = children.echo_json if self._config.log.format == "json" else children.echo
        child = Child(program, echo, self._environment)
        self._children[program.name] = child
        child.start()

    async def _until_ready(self) -> None:
        """Ask again and again without waiting for the answer: asked too early, the API waits for a worker."""
        loop = asyncio.get_running_loop()
        complain_at = loop.time() + _READY_PATIENCE
        asked: set[asyncio.Task[tuple[bytes, bytes]]] = set()
        while True:
            asked.add(asyncio.create_task(self._ask("/readyz")))
            await asyncio.sleep(_READY_POLL)  # a port that is not served yet refuses at once
            answers = [task.result() for task in asked if task.done()]
            if any(status == b"200" for status, _ in answers):
                break
            if answers and loop.time() > complain_at:
                LOG.warning("not ready yet", answer=answers[-1][1].decode(errors="replace") or "none")
                complain_at = loop.time() + _READY_PATIENCE
            asked = {task for task in asked if not task.done()}
        for task in asked:
            task.cancel()

    async def _ask(self, path: str) -> tuple[bytes, bytes]:
        """Status and body of our own API's answer; empty when there is none."""
        host, port = self._address()
        try:
            async with asyncio.timeout(_READY_PATIENCE):
                reader, writer = await asyncio.open_connection(host, port)
                writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
                answer = await reader.read()
                writer.close()
        except (OSError, TimeoutError):
            return b"", b""
        head, _, body = answer.partition(b"\r\n\r\n")
        return head[9:12], body

    def _address(self) -> tuple[str, int]:
        """Where a client on this machine reaches the API."""
        host, port = self._listener.getsockname()[:2]
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port  # noqa: S104 - compared, not bound

    def _say_where(self) -> None:
        host, port = self._address()
        url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        token = self._directory.token_file
        with contextlib.suppress(OSError):  # nobody reads: that is no reason to stop
            click.echo(
                f"CloudManager {__version__} is ready at {url}\n"
                f"  the admin token is in {token}\n"
                f'  try it:  curl -H "X-Auth-Token: $(cat {token})" {url}/v1/info\n'
                f"{self._lab.hints() if self._lab else ''}"
                "  stop it: ctrl-C"
            )
