"""`cloudmanager power`: the same engine from the command line, for when everything else is down.

`status` reads devices straight. `on`, `off` and `reset` run the same flows as the API, in this process: with
the database they take the same locks and leave the same records; with a file of devices they use a database
that lasts as long as the command.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cloudmanager.command_line import Commands, config_options, load
from cloudmanager.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudmanager.power_targets import Targets

_FAILED = 1
"""The exit code when a device could not be read or a machine not switched; 2 is a mistake in the call."""


@click.group(cls=Commands)
def power() -> None:
    """Read and switch machines straight from here, without API, broker and workers."""


def target_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what says which machines: selectors, or a file."""
    options = (
        click.argument("selectors", nargs=-1, metavar="[SELECTOR]..."),
        click.option("--all", "everything", is_flag=True, help="Every node that has a power control."),
        click.option(
            "--from-file",
            type=click.Path(path_type=Path, dir_okay=False),
            help="Devices from a CSV file (control_type,host,port,login,password) instead of the database.",
        ),
        click.option(
            "--password-file",
            type=click.Path(path_type=Path, dir_okay=False),
            help="With --from-file: the password of lines that have none.",
        ),
        click.option("--timeout", type=click.FloatRange(min=0.1), help="Seconds that one command may take."),
        click.option("--json", "as_json", is_flag=True, help="One JSON object instead of lines."),
        config_options,
    )
    for option in reversed(options):
        command = option(command)
    return command


@power.command()
@target_options
@click.option("--repeat", type=click.IntRange(min=1), default=1, help="Read so many times, keeping sessions.")
@click.pass_context
def status(ctx: click.Context, /, repeat: int, as_json: bool, **which: Any) -> None:
    """Read the power state of nodes (by name, id or pattern such as 'r1*'), or of the devices in a file."""
    from cloudmanager.power_report import poll

    if not poll(_targets(**which), repeat=repeat, as_json=as_json):
        ctx.exit(_FAILED)


def _switching(action: str, words: str, **extra: Callable[..., Any]) -> None:
    @power.command(name=action, help=words)
    @target_options
    @click.pass_context
    def switch(ctx: click.Context, /, as_json: bool, soft: bool = False, **which: Any) -> None:
        from cloudmanager.power_run import switch as run

        kind = action if action == "reset" else f"power-{action}"
        if not run(_targets(**which), kind, {"soft": True} if soft else {}, as_json=as_json):
            ctx.exit(_FAILED)

    for option in extra.values():
        option(switch)


_switching("on", "Switch on and confirm it; what runs is not touched.")
_switching(
    "off",
    "Switch off and confirm it.",
    soft=click.option("--soft", is_flag=True, help="Ask the operating system first."),
)
_switching("reset", "Restart, and confirm that it is on.")


def _targets(
    *,
    selectors: tuple[str, ...],
    everything: bool,
    from_file: Path | None,
    password_file: Path | None,
    timeout: float | None,
    config_file: Path | None,
    state_dir: Path,
) -> Targets:
    from cloudmanager.power_targets import from_database, from_device_file

    if from_file is not None:
        if selectors or everything:
            raise InvalidInput("give nodes of the inventory or --from-file, not both")
        return from_device_file(from_file, password_file, timeout)
    if bool(selectors) == everything:
        raise InvalidInput("say which: names, ids or patterns of nodes, or --all, or --from-file")
    if password_file:
        raise InvalidInput("--password-file goes with --from-file")
    return from_database(load(config_file, state_dir), () if everything else selectors, timeout)
