"""Planning in a process of its own: it is pure work for the processor, and others wait for their flows here.

The child gets the packed problem on its standard input and answers the plan on its standard output. It is
nice, dies with its parent, and is killed when it takes much longer than the search is given.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING

import orjson
import structlog

from cloudmanager.audits.packing import pack, plan_from, plan_in_bytes, unpack
from cloudmanager.drs.planner import plan
from cloudmanager.errors import Unavailable
from cloudmanager.lifeline import die_with_parent

if TYPE_CHECKING:
    from cloudmanager.drs.cluster import Snapshot
    from cloudmanager.drs.options import Options
    from cloudmanager.drs.plan import Plan

log = structlog.get_logger(__name__)

_NICE = 10
_BESIDES = 60.0
"""Seconds for what is no search: starting, modelling, finding the order of the moves, telling."""

_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


async def plan_apart(snapshot: Snapshot, options: Options) -> Plan:
    """The plan; `Unavailable` when the process has died or does not come to an end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        __name__,
        str(os.getpid()),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **_ONE_THREAD},
    )
    try:
        async with asyncio.timeout(2 * options.time_limit + _BESIDES):
            told, said = await process.communicate(await asyncio.to_thread(pack, snapshot, options))
    except TimeoutError:
        raise Unavailable(f"planning took more than {2 * options.time_limit + _BESIDES:g} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        log.error("planning failed", status=process.returncode, said=said.decode(errors="replace")[-2000:])
        raise Unavailable(f"planning ended with status {process.returncode}; the log has what it said")
    return await asyncio.to_thread(lambda: plan_from(orjson.loads(told)))


def main() -> None:
    """The child: one problem in, one plan out."""
    die_with_parent(int(sys.argv[1]))
    os.nice(_NICE)
    sys.stdout.buffer.write(plan_in_bytes(plan(*unpack(sys.stdin.buffer.read()))))


if __name__ == "__main__":
    main()
