"""Asking the operating system of a flow's node; the subject of flows that work there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.errors import CommandFailed
from cloudmanager.host.systemd import Unit, read_unit

if TYPE_CHECKING:
    from cloudmanager.flows.run import Run
    from cloudmanager.host.port import Output

QUEUE = "nodes"

LOOK_EVERY = 1.0
"""Seconds between looks at a service that is on its way."""


def subject_of(node_id: int) -> str:
    """Not the subject of its power: a machine whose system hangs can still be switched off."""
    return f"node-os:{node_id}"


async def run_on_node(run: Run, command: str, data: bytes = b"", **arguments: str) -> Output:
    """Run a command of the catalogue on the flow's node."""
    return await run.ports.host.run(run.params["node_id"], command, arguments, data=data)


async def unit(run: Run, command: str) -> Unit:
    """What a command of the kind `…-state` says of its unit."""
    return read_unit((await run_on_node(run, command)).out)


async def kept_file(run: Run, command: str) -> str | None:
    """What a file of ours holds on the node, by a command that is `cat`; None when it is not there."""
    output = await run_on_node(run, command)
    if output.status == 0:
        return output.out
    if "No such file" in output.err:
        return None
    raise CommandFailed(f"{command}: {output.err.strip()[:200]}", status=output.status, output=output.err)


async def write_file(run: Run, write: str, remove: str, content: str | None) -> None:
    """Write a file of ours on the node, or remove it."""
    if content is None:
        await run_on_node(run, remove)
    else:
        await run_on_node(run, write, data=content.encode())
