"""`cloudmanager audit`: getting the audit log out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cloudmanager.command_line import config_options, load

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

_MOMENT = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"])


@click.group()
def audit() -> None:
    """Read the record of who did what."""


@audit.command()
@click.option("--since", type=_MOMENT, help="Only what happened from then on, UTC.  [default: everything]")
@click.option("--until", type=_MOMENT, help="Only what happened before.")
@click.option("--format", "form", type=click.Choice(["jsonl", "csv"]), default="jsonl", show_default=True)
@config_options
def export(
    since: datetime | None, until: datetime | None, form: str, config_file: Path | None, state_dir: Path
) -> None:
    """Print the records, the oldest first: one JSON object a line, or CSV."""
    from cloudmanager import audit as records
    from cloudmanager.db import Database

    database = Database.from_config(load(config_file, state_dir))
    for chunk in records.export(database, form, since, until):
        click.echo(chunk, nl=False)
