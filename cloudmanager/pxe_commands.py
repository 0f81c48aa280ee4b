"""`cloudmanager pxe`: the boot files below `[pxe] tftp_root`, compared with the inventory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cloudmanager.command_line import Failure, config_options, load

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cloudmanager.pxe import BootFiles, Change

DIFFERENCES = 1
_FOREIGN = "is not ours and stays as it is: move it away"


@click.group()
def pxe() -> None:
    """Look after the files from which machines start over the network."""


@pxe.command()
@config_options
def diff(config_file: Path | None, state_dir: Path) -> None:
    """Say what `sync` would do, and do nothing. Exit code 1 means that there is something to do."""
    files = _files(config_file, state_dir)
    changes = files.diff()
    _tell(files, changes)
    if changes:
        raise SystemExit(DIFFERENCES)


@pxe.command()
@config_options
def sync(config_file: Path | None, state_dir: Path) -> None:
    """Write, change and remove files, so that they are what the inventory says."""
    files = _files(config_file, state_dir)
    _tell(files, files.sync())


def _files(config_file: Path | None, state_dir: Path) -> BootFiles:
    from cloudmanager.db import Database
    from cloudmanager.pxe import boot_files

    config = load(config_file, state_dir)
    found = boot_files(Database.from_config(config), config)
    if found is None:
        raise Failure("this machine has no boot files: [pxe] enabled is off, or tftp_root is empty")
    return found


def _tell(files: BootFiles, changes: Sequence[Change]) -> None:
    from cloudmanager.pxe import Kind

    for change in changes:
        click.echo(
            f"{change.kind:<8} {change.path}" + (f"  {_FOREIGN}" if change.kind is Kind.FOREIGN else "")
        )
    for mac, nodes in files.shared().items():
        click.echo(f"shared   {mac} by nodes {', '.join(map(str, nodes))}: the first has it")
    if not changes:
        click.echo("the files are what the inventory says")
