"""One command on many nodes, so many at once, with an outcome for each."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudmanager.errors import CloudManagerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from .port import HostPort, Output


@dataclass(frozen=True)
class Outcome:
    """What came of it on one node, in seconds: what it said, or why it failed."""

    node_id: int
    seconds: float
    output: Output | None = None
    error: CloudManagerError | None = None


async def fan_out(
    port: HostPort,
    node_ids: Sequence[int],
    command: str,
    arguments: Mapping[str, str],
    told: Callable[[Outcome], None],
    *,
    at_once: int,
    data: bytes = b"",
) -> None:
    """Run it on all of them and tell each outcome when it is there; none that fails stops the others."""

    async def work(left: Iterator[int]) -> None:
        for node_id in left:
            begun = asyncio.get_running_loop().time()
            output, error = None, None
            try:
                output = await port.run(node_id, command, arguments, data=data)
            except CloudManagerError as problem:
                error = problem
            told(Outcome(node_id, asyncio.get_running_loop().time() - begun, output, error))

    left = iter(node_ids)
    async with asyncio.TaskGroup() as group:
        for _ in range(min(at_once, len(node_ids))):
            group.create_task(work(left))
