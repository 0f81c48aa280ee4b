"""Simulated hosts with SSH in a process of their own: the same ones for us and for what runs beside us."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import asyncssh

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST, LOGIN = "127.0.0.1", "cloudmanager"
ANSWER = "9f3c2f0e-6f5b-4a0e-8c43-5a8c1f0f9b11"
"""What every host says, whatever it is told."""


@contextmanager
def ssh_hosts(count: int, public_key: str) -> Iterator[list[tuple[int, str]]]:
    """So many hosts that let this key in; gives the port and the host key of each."""
    command = [sys.executable, "-m", "bench.ssh_hosts", str(count), public_key]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield [(port, key) for port, key in json.loads(process.stdout.readline())]
        process.communicate("")


def _answer(process: asyncssh.SSHServerProcess[str]) -> None:
    process.stdout.write(f"{ANSWER}\n")
    process.exit(0)


async def _serve(count: int, public_key: str) -> None:
    keys = [asyncssh.generate_private_key("ssh-ed25519") for _ in range(count)]
    options = {
        "authorized_client_keys": asyncssh.import_authorized_keys(public_key),
        "process_factory": _answer,
        "gss_host": None,
        "line_editor": False,
    }
    hosts = [await asyncssh.listen(HOST, 0, server_host_keys=[key], **options) for key in keys]
    shown = [
        (host.get_port(), key.export_public_key().decode().strip())
        for host, key in zip(hosts, keys, strict=True)
    ]
    print(json.dumps(shown), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    for host in hosts:
        host.close()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), sys.argv[2]))
