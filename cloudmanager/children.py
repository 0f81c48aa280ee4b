"""Child processes: started, watched, started again when they die, stopped in order within a bounded time."""

from __future__ import annotations

import asyncio
import functools
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

import structlog

from cloudmanager.lifeline import die_with_parent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LOG = structlog.get_logger(__name__)

FIRST_PAUSE = 0.2  # seconds before a dead child is started again; doubles up to the longest
LONGEST_PAUSE = 30.0
STEADY = 30.0  # seconds of life after which a death counts as the first again
LONGEST_LINE = 1 << 20  # bytes of output without a line's end


@dataclass(frozen=True, kw_only=True)
class Program:
    """What a child runs, and how many seconds it may take to stop before it is killed."""

    name: str
    command: tuple[str, ...]
    stop_within: float
    pass_fds: tuple[int, ...] = ()


class Child:
    """One program, kept running until `stop`. It dies with this process, however this process ends."""

    def __init__(
        self, program: Program, echo: Callable[[str, bytes], None], environment: Mapping[str, str]
    ) -> None:
        self.program = program
        self._echo = echo
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the program now; needs a running event loop."""
        ended = self._spawn()
        self._task = asyncio.get_running_loop().create_task(self._keep_running(ended))

    async def stop(self) -> None:
        """Ask the program to end, kill it when it does not within its time. May be called again."""
        self._stopping = True
        if self._task is None:
            return
        if self._process is None:
            self._task.cancel()
        else:
            self._process.terminate()
        _, late = await asyncio.wait((self._task,), timeout=self.program.stop_within)
        if late:
            LOG.warning("did not stop in time and is killed", child=self.program.name)
            self.kill()
            await asyncio.wait((self._task,))

    def kill(self) -> None:
        """End the program and everything that it started, at once."""
        self._stopping = True
        if self._process is not None:
            _kill_group(self._process.pid)

    async def _keep_running(self, ended: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        name = self.program.name
        pause = FIRST_PAUSE
        while True:
            started = loop.time()
            code = await self._wait(ended)
            if self._stopping:
                return
            pause = FIRST_PAUSE if loop.time() - started > STEADY else pause
            LOG.error("died; it will be started again", child=name, how=_meaning(code), seconds=pause)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
            ended = await self._respawn()

    async def _respawn(self) -> asyncio.Event:
        """Start the program again, when the machine lets us (its memory may be short just now)."""
        while True:
            try:
                return self._spawn()
            except (OSError, subprocess.SubprocessError) as error:
                LOG.error("cannot be started", child=self.program.name, error=str(error))  # noqa: TRY400
                await asyncio.sleep(LONGEST_PAUSE)

    def _spawn(self) -> asyncio.Event:
        """Start the program; the answer is set when it has ended."""
        program = self.program
        self._process = process = subprocess.Popen(  # noqa: S603 - commands are our own
            program.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self._environment,
            pass_fds=program.pass_fds,
            process_group=0,  # a ctrl-C of the terminal reaches us alone: we stop the children in order
            preexec_fn=functools.partial(die_with_parent, os.getpid()),  # noqa: PLW1509 - no threads here
        )
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        descriptor = os.pidfd_open(process.pid)

        def on_end() -> None:
            loop.remove_reader(descriptor)
            os.close(descriptor)
            ended.set()

        loop.add_reader(descriptor, on_end)
        return ended

    async def _wait(self, ended: asyncio.Event) -> int:
        """Pass on the output until the program has ended; answer its exit code."""
        process = self._process
        assert process is not None  # noqa: S101 - `_spawn` has set it
        assert process.stdout is not None  # noqa: S101 - a pipe was asked for
        lines = _Lines(functools.partial(self._echo, self.program.name))
        transport = await _read_pipe(process.stdout, lines)
        await ended.wait()
        _kill_group(process.pid)  # what it left behind would keep ports and files
        code = process.wait()
        self._process = None
        await lines.finished.wait()
        transport.close()
        return code


class _Lines(asyncio.Protocol):
    """Cuts a stream into lines."""

    def __init__(self, show: Callable[[bytes], None]) -> None:
        self.finished = asyncio.Event()
        self._show = show
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in filter(bytes.strip, lines):
            self._show(line)
        if len(self._rest) > LONGEST_LINE:
            self._show(self._rest)
            self._rest = b""

    def connection_lost(self, _error: Exception | None) -> None:
        if self._rest:
            self._show(self._rest)
        self.finished.set()


async def _read_pipe(pipe: IO[bytes], lines: _Lines) -> asyncio.ReadTransport:
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: lines, pipe)
    return transport


def _kill_group(leader: int) -> None:
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return


def _meaning(code: int) -> str:
    """An exit code in words: `exit code 1`, `SIGKILL`."""
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name


def echo(name: str, line: bytes) -> None:
    """Write a child's line to our standard error with the child's name in front."""
    _write(f"{name:>9} | ".encode() + line + b"\n")


def echo_json(name: str, line: bytes) -> None:
    """Write a child's line as JSON: its own objects, which name their process, as they are."""
    if not line.startswith(b"{"):
        text = line.decode(errors="replace")
        line = json.dumps({"message": text, "process": name, "level": "info"}).encode()
    _write(line + b"\n")


def _write(line: bytes) -> None:
    try:
        sys.stderr.buffer.write(line)
        sys.stderr.buffer.flush()
    except OSError:  # the terminal is gone: the work goes on
        return
