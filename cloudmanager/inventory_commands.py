"""`cloudmanager inventory`: to a file, from a file, and Nova's hypervisors into it."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cloudmanager.command_line import Failure, config_options, load

if TYPE_CHECKING:
    from cloudmanager.config import Config
    from cloudmanager.db import Database
    from cloudmanager.hypervisors.difference import Snapshot

FORMATS = {".yaml": "yaml", ".yml": "yaml", ".csv": "csv"}
DIFFERENCES = 1

_format = click.option(
    "--format", "form", type=click.Choice(["yaml", "csv"]), help="Default: by the ending of the file's name."
)


@click.group()
def inventory() -> None:
    """Write the inventory to a file, or bring it to what a file or Nova says."""


@inventory.command("export")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path))
@_format
@config_options
def export_command(file: Path, form: str | None, config_file: Path | None, state_dir: Path) -> None:
    """Write everything but passwords, keys and what is observed to FILE; - is standard output."""
    from cloudmanager.inventory import export_inventory

    written = io.StringIO(newline="")
    left_out = export_inventory(_database(load(config_file, state_dir)), written, _form(file, form))
    with click.open_file(str(file), "w", encoding="utf-8") as out:
        out.write(written.getvalue())
    if left_out:
        click.echo(f"cloudmanager: left out {left_out} nodes that have no name", err=True)


@inventory.command("import")
@click.argument("file", type=click.Path(dir_okay=False, exists=True, allow_dash=True, path_type=Path))
@_format
@click.option(
    "--dry-run", is_flag=True, help="Change nothing; show what would change and exit with 1 if anything."
)
@click.option("--prune", is_flag=True, help="Delete what FILE does not have, of the kinds that it has.")
@click.option(
    "--password-file",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    help="CSV with the columns title, password, ssh_key: secrets for the power controls in FILE.",
)
@config_options
@click.pass_context
def import_command(
    context: click.Context,
    /,
    file: Path,
    form: str | None,
    config_file: Path | None,
    state_dir: Path,
    **options: Any,
) -> None:
    """Make the inventory what FILE says: all of it, or nothing when anything in it is wrong.

    Exit codes: 0 done; 1 with --dry-run: there are differences; 2 refused, nothing was changed.
    """
    from cloudmanager.inventory import import_inventory
    from cloudmanager.vault import Vault

    config = load(config_file, state_dir)
    vault = Vault(Path(config.secrets.key_file))
    dry_run = options["dry_run"]
    with _opened(file) as lines:
        outcome = import_inventory(
            _database(config),
            vault,
            lines,
            _form(file, form),
            passwords=options["password_file"],
            prune=options["prune"],
            dry_run=dry_run,
        )
    for line in (*(outcome.lines() if dry_run else ()), *outcome.summary()):
        click.echo(line)
    if dry_run and outcome:
        context.exit(DIFFERENCES)


@inventory.command("sync")
@click.option(
    "--dry-run", is_flag=True, help="Change nothing; show what would change and exit with 1 if anything."
)
@config_options
@click.pass_context
def sync_command(
    context: click.Context, /, *, dry_run: bool, config_file: Path | None, state_dir: Path
) -> None:
    """Bring the hypervisors that Nova knows into the inventory. Nothing is deleted.

    Exit codes: 0 done; 1 with --dry-run: there are differences; 2 Nova did not answer, nothing was changed.
    """
    from cloudmanager.hypervisors import sync
    from cloudmanager.hypervisors.difference import Kind

    config = load(config_file, state_dir)
    database = _database(config)
    snapshot = asyncio.run(_hypervisors(config))
    found = (
        sync.difference(database, snapshot) if dry_run else sync.bring_in_line(database, snapshot).difference
    )
    for change in found.changes if dry_run else ():
        click.echo(f"  {change.line}")
    click.echo("hypervisors: " + ", ".join(f"{found.count(kind)} {kind}" for kind in Kind))
    for each in found.unclear:
        click.echo(f"cloudmanager: {each.message}", err=True)
    if dry_run and found.changes:
        context.exit(DIFFERENCES)


async def _hypervisors(config: Config) -> Snapshot:
    from cloudmanager.hypervisors.sync import look
    from cloudmanager.openstack.cloud import cloud_for

    cloud = cloud_for(config)
    try:
        return await look(cloud)
    finally:
        await cloud.close()


def _form(file: Path, form: str | None) -> str:
    found = form or FORMATS.get(file.suffix.lower())
    if found is None:
        raise Failure(f"{file}: its name ends in none of {', '.join(FORMATS)}: give --format")
    return found


def _opened(file: Path) -> io.StringIO:
    """The file's text as it stands, line ends too; a byte order mark is left out."""
    with click.open_file(str(file), "rb") as opened:
        raw: bytes = opened.read()
    try:
        return io.StringIO(raw.decode("utf-8-sig"), newline="")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise Failure(f"{file}: line {line}: not UTF-8") from None


def _database(config: Config) -> Database:
    from cloudmanager import schema
    from cloudmanager.db import Database

    database = Database.from_config(config)
    schema.check(database)
    return database
