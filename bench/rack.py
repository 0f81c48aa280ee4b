"""A rack of simulated BMCs in a process of its own: the same one for us and for the tools beside us."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cloudmanager.simulators.datacentre import DataCentre

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST, LOGIN, PASSWORD = "127.0.0.1", "ADMIN", "bench-password"


@contextmanager
def rack(count: int) -> Iterator[list[int]]:
    """So many BMCs that are on; gives their ports."""
    command = [sys.executable, "-m", "bench.rack", str(count)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
        process.communicate("")


async def _serve(count: int) -> None:
    centre = DataCentre()
    devices = [
        centre.add_node(
            f"b{number:05}.bench", number // 40 + 1, number % 40 + 1, login=LOGIN, password=PASSWORD
        )
        for number in range(count)
    ]
    await centre.start()
    print(json.dumps([device.port for device in devices]), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await centre.stop()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
