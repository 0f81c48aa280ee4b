"""Reading the power state of a fleet: `cloudmanager power status` beside `ipmipower` and `ipmitool`."""

from __future__ import annotations

import json
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.report import Report, median
from tests.peers.ipmi_sim import HOST, LOGIN, PASSWORD, IpmiSim
from tests.peers.postgresql import PostgreSql

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

ROUNDS = 5
WRITE_ROUNDS = 15
IPMITOOL_AT_MOST = 1000
"""More are not worth the wait: its time grows with the number."""


def poll(report: Report, *, quick: bool) -> None:
    """N BMCs of OpenIPMI's simulator, all alive; then half of 1,000 silent."""
    for count in (50,) if quick else (200, 1000, 5000):
        with IpmiSim(count, switchable=False) as sim:
            _compare(report, [bmc.port for bmc in sim.bmcs], rounds=1 if quick else ROUNDS)
    count = 20 if quick else 500
    with IpmiSim(count, switchable=False) as sim, _silent(count) as silent:
        ports = [bmc.port for bmc in sim.bmcs]
        _half_dead(report, ports, silent, rounds=1 if quick else ROUNDS)


def write(report: Report, *, quick: bool) -> None:
    """The monitor's whole path, sessions kept: N BMCs are read, and what they said is in the inventory."""
    for count in (50,) if quick else (1000, 5000):
        with (
            IpmiSim(count, switchable=False) as sim,
            PostgreSql() as server,
            tempfile.TemporaryDirectory(prefix="bench.") as directory,
        ):
            ports = [bmc.port for bmc in sim.bmcs]
            for database, url in (
                ("SQLite", f"sqlite:///{directory}/fleet.db"),
                ("PostgreSQL", server.create("fleet")),
            ):
                figures = _written(url, ports, rounds=2 if quick else WRITE_ROUNDS)
                report.add(
                    what=database,
                    nodes=count,
                    read_s=figures["read_s"],
                    write_s=figures["write_s"],
                    cpu_ms_per_node_read=1000 * figures["cpu_of_reading_s"] / count,
                    cpu_ms_per_node_written=1000 * figures["cpu_of_writing_s"] / count,
                    statements=int(figures["statements"]),
                    peak_memory_mb=figures["peak_memory_mb"],
                )


def _written(url: str, ports: Sequence[int], rounds: int) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.fleet_writes", url, str(rounds)]
    done = subprocess.run(command, input=json.dumps(ports), stdout=subprocess.PIPE, check=True, text=True)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def _compare(report: Report, ports: Sequence[int], rounds: int) -> None:
    runs: dict[str, list[float]] = {}
    cpu: dict[str, list[float]] = {}
    memory = 0.0
    for number in range(rounds):
        polls, memory = _ours(ports, repeat=6)
        cold, *warm = polls
        _note(runs, cpu, "cloudmanager, cold", cold)
        for each in warm:
            _note(runs, cpu, "cloudmanager, sessions kept", each)
        _note(runs, cpu, "ipmipower, its default fan-out", _timed(lambda: _ipmipower(ports)))
        if len(ports) <= IPMITOOL_AT_MOST and number == 0:
            _note(runs, cpu, "ipmitool, xargs -P16", _timed(lambda: _ipmitool(ports)))
    theirs = median(runs["ipmipower, its default fan-out"])
    for what, walls in runs.items():
        report.add(
            what=what,
            devices=len(ports),
            runs=len(walls),
            median_s=median(walls),
            times_ipmipower=theirs / median(walls),
            cpu_ms_per_device=1000 * median(cpu[what]) / len(ports),
            memory_mb=memory if what.startswith("cloudmanager") else "",
        )


def _half_dead(report: Report, alive: Sequence[int], silent: Sequence[int], rounds: int) -> None:
    """The time until the last of those that are alive has answered, with and without as many silent ones."""
    runs: dict[str, list[float]] = {}
    for _ in range(rounds):
        runs.setdefault("cloudmanager, all alive", []).append(_until_last_answer(alive, []))
        runs.setdefault("cloudmanager, as many silent beside them", []).append(
            _until_last_answer(alive, silent)
        )
    for what, walls in runs.items():
        report.add(
            what=what,
            devices=len(alive),
            runs=len(walls),
            median_s=median(walls),
            times_ipmipower="",
            cpu_ms_per_device="",
            memory_mb="",
        )


def _note(
    runs: dict[str, list[float]], cpu: dict[str, list[float]], what: str, taken: tuple[float, float]
) -> None:
    runs.setdefault(what, []).append(taken[0])
    cpu.setdefault(what, []).append(taken[1])


def _ours(ports: Sequence[int], repeat: int) -> tuple[list[tuple[float, float]], float]:
    """(wall, CPU) seconds of each poll, and the process's largest size in megabytes."""
    with _device_file(ports) as options, tempfile.TemporaryFile() as output:
        command = [sys.executable, "-m", "cloudmanager", "power", "status", *options]
        process = subprocess.Popen([*command, "--repeat", str(repeat), "--json"], stdout=output)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        document = json.load(output)
    assert all(each["unknown"] == 0 for each in document["polls"]), document["polls"]
    return [(each["wall_s"], each["cpu_s"]) for each in document["polls"]], usage.ru_maxrss / 1024


def _until_last_answer(alive: Sequence[int], silent: Sequence[int]) -> float:
    command = [sys.executable, "-m", "bench.fleet_answers", json.dumps([list(alive), list(silent)])]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@contextmanager
def _device_file(ports: Sequence[int]) -> Iterator[list[str]]:
    with tempfile.TemporaryDirectory(prefix="bench.") as directory:
        devices, secret = Path(directory) / "devices.csv", Path(directory) / "password"
        devices.write_text("\n".join(f"SupermicroRackDevice,{HOST},{port},{LOGIN}," for port in ports))
        secret.write_text(PASSWORD)
        yield ["--from-file", str(devices), "--password-file", str(secret)]


@contextmanager
def _silent(count: int) -> Iterator[list[int]]:
    """Ports that take packets and never answer."""
    with ExitStack() as stack:
        ports = []
        for _ in range(count):
            deaf = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            deaf.bind((HOST, 0))
            ports.append(deaf.getsockname()[1])
        yield ports


def _timed(action: Callable[[], Any]) -> tuple[float, float]:
    wall, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    action()
    now = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
    return time.perf_counter() - wall, cpu


def _ipmipower(ports: Sequence[int]) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as config:
        config.write(f"username {LOGIN}\npassword {PASSWORD}\ndriver-type LAN_2_0\n")
        config.flush()
        hosts = ",".join(f"{HOST}:{port}" for port in ports)
        # ipmi_sim refuses the privilege that ipmipower asks for when it opens a session.
        command = [_program("ipmipower"), "--config-file", config.name, "-W", "opensesspriv", "-h", hosts]
        # Its exit code is 1 when it has not heard of all.
        said = subprocess.run([*command, "--stat"], capture_output=True, text=True, check=False).stdout
    if (answered := said.count(": off")) < len(ports):
        print(f"  ipmipower heard of {answered} of {len(ports)} only")


def _ipmitool(ports: Sequence[int]) -> None:
    command = ["xargs", "-P16", "-n1", _program("ipmitool"), "-I", "lanplus", "-C", "3", "-H", HOST]
    subprocess.run(
        [*command, "-U", LOGIN, "-E", "power", "status", "-p"],
        input="\n".join(map(str, ports)),
        env={**os.environ, "IPMI_PASSWORD": PASSWORD},
        text=True,
        stdout=subprocess.DEVNULL,
        check=True,
    )


def _program(name: str) -> str:
    found = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin")
    if found is None:
        raise SystemExit(f"{name} is not installed: run `make peers`")
    return found
