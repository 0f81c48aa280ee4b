"""`cloudmanager sign`: the key that signatures of servers are made with."""

from __future__ import annotations

from pathlib import Path

import click

from cloudmanager.command_line import config_options, load


@click.group()
def sign() -> None:
    """Manage the key of signatures."""


@sign.command("rotate-key")
@config_options
def rotate_key(config_file: Path | None, state_dir: Path) -> None:
    """Let a new key sign from now on; what older keys have signed stays valid."""
    from cloudmanager.db import Database
    from cloudmanager.sign.keys import SigningKeys
    from cloudmanager.vault import Vault

    config = load(config_file, state_dir)
    keys = SigningKeys(Vault(Path(config.secrets.key_file)))
    with Database.from_config(config).transaction() as session:
        key_id = keys.rotate(session)
    click.echo(f"signed with {key_id} from now on")
