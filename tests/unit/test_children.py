"""Children are kept running, and end when they are told to."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from cloudmanager import children
from cloudmanager.children import Child, Program

PRINT = "import os, sys, time; print(os.getpid(), flush=True); "


@pytest.fixture
def launch():
    """Start a child that runs this Python text; its lines come out of a queue."""
    started = []

    async def launch(text, stop_within=5.0):
        lines = asyncio.Queue()
        program = Program(name="child", command=(sys.executable, "-c", text), stop_within=stop_within)
        child = Child(program, lambda _name, line: lines.put_nowait(line.decode()), dict(os.environ))
        child.start()
        started.append(child)
        return child, lines

    yield launch
    for child in started:
        child.kill()


async def test_a_dead_child_is_started_again(launch):
    child, lines = await launch(PRINT + "time.sleep(60)")
    first = int(await lines.get())
    os.kill(first, signal.SIGKILL)

    second = int(await asyncio.wait_for(lines.get(), 10))
    assert second != first
    await child.stop()


async def test_the_pauses_grow(launch, monkeypatch):
    pauses = []

    async def sleep(seconds, real=asyncio.sleep):
        pauses.append(seconds)
        await real(0)

    monkeypatch.setattr(children.asyncio, "sleep", sleep)
    monkeypatch.setattr(children, "LONGEST_PAUSE", 1.0)
    child, lines = await launch(PRINT)
    for _ in range(5):
        await asyncio.wait_for(lines.get(), 10)
    await child.stop()
    assert pauses[:4] == [0.2, 0.4, 0.8, 1.0]


async def test_a_child_that_does_not_stop_is_killed_with_all_it_started(launch):
    stubborn = (
        "import signal, subprocess; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "print(subprocess.Popen(['sleep', '60']).pid, flush=True); time.sleep(60)"
    )
    child, lines = await launch(PRINT + stubborn, stop_within=0.5)
    own, grandchild = int(await lines.get()), int(await lines.get())

    await asyncio.wait_for(child.stop(), 5)
    async with asyncio.timeout(10):  # it takes the kernel a moment to end what is killed
        while not (_ended(own) and _ended(grandchild)):
            await asyncio.sleep(0.01)


async def test_stop_during_the_pause_ends_it(launch):
    child, lines = await launch(PRINT + "sys.exit(3)")
    await lines.get()
    await asyncio.sleep(0.05)
    await asyncio.wait_for(child.stop(), 5)
    await child.stop()


async def test_all_output_arrives(launch):
    child, lines = await launch("import sys; sys.stderr.write('a\\nb\\n'); sys.stdout.write('x' * 3_000_000)")
    assert [await lines.get(), await lines.get()] == ["a", "b"]
    received = 0
    while received < 3_000_000:
        received += len(await asyncio.wait_for(lines.get(), 10))
    await child.stop()


def test_lines_are_shown_with_the_name(capfdbinary):
    children.echo("api", b"listening")
    children.echo_json("broker", b'not "JSON"')
    children.echo_json("worker", b'{"message": "x"}')

    first, second, third = capfdbinary.readouterr().err.splitlines()
    assert first == b"      api | listening"
    assert second == b'{"message": "not \\"JSON\\"", "process": "broker", "level": "info"}'
    assert third == b'{"message": "x"}'


def _ended(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except FileNotFoundError:
        return True
