"""`cloudmanager host`: what the daemon runs on nodes, and the same by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO

import click

from cloudmanager.command_line import Commands, config_options, load
from cloudmanager.errors import InvalidInput

if TYPE_CHECKING:
    from pathlib import Path

_FAILED = 1
"""The exit code when it failed on a node; 2 is a mistake in the call."""


@click.group(cls=Commands)
def host() -> None:
    """Commands in the operating systems of nodes, over SSH."""


@host.command()
@config_options
def commands(config_file: Path | None, state_dir: Path) -> None:
    """List the commands that are run on nodes: arguments, and the words for each family of systems."""
    import shlex

    from cloudmanager.host.catalogue import load as load_commands

    for command in load_commands(load(config_file, state_dir).host.commands_file):
        click.echo(f"{command.name}: {command.summary} ({command.source}, {command.timeout:g} s)")
        for name, argument in command.arguments.items():
            click.echo(f"  {name}: {argument.pattern.pattern}")
        before = "sudo " if command.sudo else ""
        for family, words in command.unless.items():
            click.echo(f"  {family}, unless: {before}{shlex.join(words)}")
        for family, words in command.run.items():
            click.echo(f"  {family}: {before}{shlex.join(words)}")


@host.command()
@click.argument("command")
@click.argument("selectors", nargs=-1, metavar="[NODE]...")
@click.option("--all", "everything", is_flag=True, help="Every node.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="An argument of the command.")
@click.option("--input", "data", type=click.File("rb"), help="A file that becomes its standard input.")
@click.option(
    "--at-once", type=click.IntRange(1), default=50, show_default=True, help="Nodes at the same time."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a node instead of text.")
@config_options
@click.pass_context
def run(
    ctx: click.Context,
    /,
    *,
    command: str,
    selectors: tuple[str, ...],
    everything: bool,
    settings: tuple[str, ...],
    data: BinaryIO | None,
    at_once: int,
    as_json: bool,
    **where: Any,
) -> None:
    """Run one of these commands on nodes (by name, id or pattern such as 'r1*'), straight from here."""
    from cloudmanager.host_run import run_on

    if bool(selectors) == everything:
        raise InvalidInput("say which: names, ids or patterns of nodes, or --all")
    arguments = dict(_setting(each) for each in settings)
    given = data.read() if data is not None else b""
    config = load(where["config_file"], where["state_dir"])
    if not run_on(config, selectors, command, arguments, data=given, at_once=at_once, as_json=as_json):
        ctx.exit(_FAILED)


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise InvalidInput(f"--set {text}: say NAME=VALUE")
    return name, value
