"""One command on many hosts over SSH, beside Ansible's ad-hoc command on the same hosts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import asyncssh

from bench import ansible
from bench.peer_environment import Missing, install
from bench.report import Report, median
from bench.ssh_hosts import ANSWER, HOST, LOGIN, ssh_hosts
from cloudmanager import schema
from cloudmanager.db import Database
from cloudmanager.models import Node, NodeLogin
from cloudmanager.state_dir import StateDirectory

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MARK = "CLOUDMANAGER_BENCH"
"""In the environment of whatever is measured, so that all processes of it are found."""

FORKS = 50
_LOOK_EVERY = 0.1


@dataclass
class Taken:
    """Seconds, the most megabytes (PSS) of all its processes together, CPU seconds, and the load."""

    wall: float
    memory: float
    cpu: float
    load: float


def run(report: Report, *, quick: bool) -> None:
    """`cloudmanager host run` and `ansible -m raw`, each from nothing, in turns."""
    count, rounds = (20, 1) if quick else (500, 3)
    key = asyncssh.generate_private_key("ssh-ed25519")
    with (
        ssh_hosts(count, key.export_public_key().decode().strip()) as hosts,
        tempfile.TemporaryDirectory(prefix="bench.") as directory,
    ):
        where = Path(directory)
        key_file = where / "id"
        key_file.write_bytes(key.export_private_key())
        key_file.chmod(0o600)
        ours, theirs = _ours(where, key_file, hosts), _theirs(where, key_file, hosts)
        taken: dict[str, list[Taken]] = {}
        for _ in range(rounds):
            taken.setdefault("cloudmanager host run --at-once 50", []).append(_measured(ours, {}, count))
            if theirs is None:
                continue
            for what in (f"ansible -m raw -f {FORKS}", "the same, its connections kept"):
                env = ansible.surroundings(where)
                taken.setdefault(what, []).append(_measured(theirs, env, count))
            _end_masters(where)
    for what, each in taken.items():
        report.add(
            what=what,
            hosts=count,
            runs=len(each),
            median_s=median([one.wall for one in each]),
            slowest_s=max(one.wall for one in each),
            cpu_s=median([one.cpu for one in each]),
            memory_mb=max(one.memory for one in each),
            load=median([one.load for one in each]),
        )


def _ours(where: Path, key_file: Path, hosts: Sequence[tuple[int, str]]) -> list[str]:
    directory = StateDirectory(where / "state")
    directory.path.mkdir()
    directory.create_files(f"\n[host]\nlogin = {LOGIN}\nkey_file = {key_file}\n[log]\nlevel = warning\n")
    database = Database(f"sqlite:///{directory.database_file}")
    schema.upgrade(database)
    with database.transaction() as session:
        session.add_all(
            Node(id=number, name=f"n{number}", ip_addresses=[HOST]) for number in range(1, len(hosts) + 1)
        )
        session.flush()
        session.add_all(
            NodeLogin(node_id=number, port_number=port, host_key=host_key)
            for number, (port, host_key) in enumerate(hosts, start=1)
        )
    database.close()
    at = ["--all", "--at-once", str(FORKS), "--state-dir", str(directory.path)]
    return [sys.executable, "-m", "cloudmanager", "host", "run", "boot-id", *at]


def _theirs(where: Path, key_file: Path, hosts: Sequence[tuple[int, str]]) -> list[str] | None:
    if shutil.which("ssh") is None:
        return None
    try:
        install(ansible.HOME, ansible.PACKAGES)
    except Missing as why:
        print(f"  ansible {why}")
        return None
    (where / "known_hosts").write_text("".join(f"[{HOST}]:{port} {key}\n" for port, key in hosts))
    inventory = where / "hosts"
    common = f"ansible_host={HOST} ansible_user={LOGIN} ansible_ssh_private_key_file={key_file}"
    lines = (f"n{number} ansible_port={port} {common}\n" for number, (port, _) in enumerate(hosts, start=1))
    inventory.write_text("".join(lines))
    return ansible.command(inventory, FORKS, "cat /proc/sys/kernel/random/boot_id")


def _measured(command: Sequence[str], more: Mapping[str, str], count: int) -> Taken:
    """Run it to its end; it must have heard of every host."""
    mark = f"{MARK}={time.monotonic_ns()}"
    most = 0.0
    over = threading.Event()

    def watch() -> None:
        nonlocal most
        while not over.wait(_LOOK_EVERY):
            most = max(most, sum(map(_pss, _processes(mark))))

    name, _, value = mark.partition("=")
    before = os.times()
    watching = threading.Thread(target=watch)
    watching.start()
    begun = time.perf_counter()
    ran = subprocess.run(
        command,
        env={**os.environ, **more, name: value},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    wall = time.perf_counter() - begun
    over.set()
    watching.join()
    after = os.times()
    heard = ran.stdout.count(ANSWER)
    if ran.returncode or heard != count:
        raise RuntimeError(f"{heard} of {count} hosts answered: {ran.stdout[-800:]} {ran.stderr[-800:]}")
    cpu = after.children_user - before.children_user + after.children_system - before.children_system
    return Taken(wall, most, cpu, os.getloadavg()[0])


def _processes(mark: str) -> list[Path]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"{mark}\0".encode() in (process / "environ").read_bytes():
                found.append(process)
    return found


def _pss(process: Path) -> float:
    """Megabytes: a page that several share counts once among them."""
    with suppress(OSError):
        for line in (process / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return 0.0


def _end_masters(where: Path) -> None:
    """Ask the kept connections of `ssh` to end, and wait until they have."""
    sockets = list((where / "ansible" / "cp").glob("*"))
    for socket in sockets:
        command = ["ssh", "-F", "/dev/null", "-o", f"ControlPath={socket}", "-O", "exit", HOST]
        subprocess.run(command, capture_output=True, check=False)
