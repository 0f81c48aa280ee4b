"""`cloudmanager host run`: a command of the catalogue on many nodes, in this process."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import orjson

from cloudmanager import schema
from cloudmanager.db import Database
from cloudmanager.errors import CommandFailed
from cloudmanager.host.catalogue import load
from cloudmanager.host.fan_out import Outcome, fan_out
from cloudmanager.host_access import host_port
from cloudmanager.node_selection import selected
from cloudmanager.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloudmanager.config import Config


def run_on(
    config: Config,
    selectors: Sequence[str],
    command: str,
    arguments: Mapping[str, str],
    *,
    data: bytes,
    at_once: int,
    as_json: bool,
) -> bool:
    """Tell what comes of it on each node as soon as it is there; whether all succeeded."""
    load(config.host.commands_file)[command].checked(arguments)
    database = Database.from_config(config)
    schema.check(database)
    with database.reading() as session:
        titles = {node_id: name or f"node {node_id}" for node_id, name in selected(session, selectors)}
    failures = 0

    def told(outcome: Outcome) -> None:
        nonlocal failures
        failures += outcome.error is not None
        show = _show_json if as_json else _show
        show(titles[outcome.node_id], outcome)

    async def go() -> None:
        port = host_port(database, Vault(Path(config.secrets.key_file)), config)
        try:
            await fan_out(port, list(titles), command, arguments, told, at_once=at_once, data=data)
        finally:
            await port.close()

    begun = time.perf_counter()
    asyncio.run(go())
    database.close()
    wall = time.perf_counter() - begun
    click.echo(f"{len(titles) - failures} of {len(titles)} done in {wall:.3f} s", err=True)
    return not failures


def _show(title: str, outcome: Outcome) -> None:
    if outcome.error is not None:
        click.echo(f"{title}: {outcome.error.message}")
        said = outcome.error.output if isinstance(outcome.error, CommandFailed) else ""
    elif outcome.output is not None and not outcome.output.changed:
        click.echo(f"{title}: there was nothing to do")
        said = ""
    else:
        click.echo(f"{title}: done in {outcome.seconds:.3f} s")
        said = outcome.output.out if outcome.output is not None else ""
    for line in said.splitlines():
        click.echo(f"  {_printable(line)}")


def _show_json(title: str, outcome: Outcome) -> None:
    shown: dict[str, Any] = {"node_id": outcome.node_id, "node": title, "seconds": outcome.seconds}
    if outcome.output is not None:
        shown |= asdict(outcome.output)
    if outcome.error is not None:
        shown |= {"error": outcome.error.message, "kind": type(outcome.error).__name__}
    if isinstance(outcome.error, CommandFailed):
        shown |= {"status": outcome.error.status, "output": outcome.error.output}
    click.echo(orjson.dumps(shown))


def _printable(line: str) -> str:
    """A line of a node's, which is not to steer our terminal."""
    return "".join(each if each.isprintable() or each == "\t" else "\ufffd" for each in line)
