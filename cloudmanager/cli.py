"""The command `cloudmanager`. Each command imports what it needs when it runs, so that `--help` is quick."""

from __future__ import annotations

import itertools
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cloudmanager import __version__
from cloudmanager.audit_commands import audit
from cloudmanager.command_line import Commands, address_options, config_options, find_config, load
from cloudmanager.host_commands import host
from cloudmanager.inventory_commands import inventory
from cloudmanager.lab_commands import lab
from cloudmanager.power_commands import power
from cloudmanager.pxe_commands import pxe
from cloudmanager.sign_commands import sign

if TYPE_CHECKING:
    from cloudmanager.config import Config
    from cloudmanager.db import Database
    from cloudmanager.up import Options


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(prog)s %(version)s")
def main() -> None:
    """CloudManager switches the physical machines of a data centre: a REST daemon and its tools."""


@main.command()
@config_options
@address_options
def up(**given: Any) -> None:
    """Run the whole product: database, broker, API, worker, scheduler and monitor."""
    from cloudmanager.up import up as run

    run(_options(given))


@main.command()
@config_options
@address_options
def demo(**given: Any) -> None:
    """Run the whole product with a simulated data centre and a simulated OpenStack in it."""
    from cloudmanager.demo import SimulatedDataCentre
    from cloudmanager.state_dir import StateDirectory
    from cloudmanager.up import up as run

    options = _options(given)
    run(options, SimulatedDataCentre(StateDirectory(options.state_dir)))


@main.command()
@config_options
@address_options
@click.option("--listen-fd", type=int, hidden=True, help="A socket that `up` has bound for us.")
def api(
    config_file: Path | None, state_dir: Path, host: str | None, port: int | None, listen_fd: int | None
) -> None:
    """Run the REST API alone, against the configured database and broker."""
    import socket

    from cloudmanager import listener, logs, metrics_directory

    asked = {("api", "host"): host, ("api", "port"): port}
    config = load(config_file, state_dir, {name: value for name, value in asked.items() if value is not None})
    bound = socket.socket(fileno=listen_fd) if listen_fd else listener.bind(config.api.host, config.api.port)
    logs.set_up(config, "api")
    if config.api.processes > 1:
        metrics_directory.provide()
    from cloudmanager.server import serve  # imports prometheus_client, which looks for that directory

    serve(config, bound)


@main.command()
@config_options
@click.option("--name", default="worker", show_default=True, help="Name, unique on this machine.")
def worker(config_file: Path | None, state_dir: Path, name: str) -> None:
    """Run one worker: it carries out what the API was asked for. Start as many as you like."""
    _become_worker_process("worker", "--config", find_config(config_file, state_dir), "--name", name)


@main.command()
@config_options
def scheduler(config_file: Path | None, state_dir: Path) -> None:
    """Run the scheduler. One leads; more stand by."""
    _become_worker_process("scheduler", "--config", find_config(config_file, state_dir))


@main.command()
@config_options
def monitor(config_file: Path | None, state_dir: Path) -> None:
    """Run a monitor: it watches power, tracks hosts and serves webhooks. Several share the work."""
    from cloudmanager import logs
    from cloudmanager.monitor.process import run
    from cloudmanager.monitor.pxe_sync import boot_files_beside
    from cloudmanager.tracking.companion import tracker_beside
    from cloudmanager.webhooks.deliverer import deliverer_beside

    config = load(config_file, state_dir)
    logs.set_up(config, "monitor")
    run(config, tracker_beside, boot_files_beside, deliverer_beside)


@main.group()
def db() -> None:
    """Look after the database."""


@db.command()
@config_options
def upgrade(config_file: Path | None, state_dir: Path) -> None:
    """Bring the tables to the newest version."""
    from cloudmanager import schema

    schema.upgrade(_database(load(config_file, state_dir)))
    click.echo("the database is at the newest version")


@db.command("rotate-secrets")
@config_options
def rotate_secrets(config_file: Path | None, state_dir: Path) -> None:
    """Encrypt all stored passwords again with the first key of [secrets] key_file."""
    from sqlalchemy import select

    from cloudmanager.models import NodeLogin, PowerControl, SigningKey, Webhook
    from cloudmanager.vault import Vault

    sealed = {
        PowerControl: ("sealed_password", "sealed_pending_password", "sealed_ssh_key"),
        Webhook: ("sealed_secret",),
        NodeLogin: ("sealed_password", "sealed_ssh_key"),
        SigningKey: ("sealed",),
    }
    config = load(config_file, state_dir)
    vault, counts = Vault(Path(config.secrets.key_file)), []
    with _database(config).transaction() as session:
        for model, columns in sealed.items():
            rows = session.scalars(select(model)).all()
            for row, column in itertools.product(rows, columns):
                vault.check(getattr(row, column))
                setattr(row, column, vault.renew(getattr(row, column)))
            counts.append(len(rows))
    controls, webhooks, logins, keys = counts
    logins_and_keys = f"{logins} log-ins of nodes and {keys} signing keys"
    told = f"{controls} power controls, {webhooks} webhooks, {logins_and_keys}"
    click.echo(f"encrypted again: the secrets of {told}; older keys can be removed")


@main.group("config")
def config_group() -> None:
    """Tell about the configuration."""


@config_group.command()
def sample() -> None:
    """Print a configuration file with every option, its default and its meaning."""
    from cloudmanager.config.reference import sample as text

    click.echo(text(), nl=False)


@config_group.command()
def docs() -> None:
    """Print docs/configuration.md."""
    from cloudmanager.config.reference import markdown

    click.echo(markdown(), nl=False)


@main.group("policy")
def policy_group() -> None:
    """Tell about the policy: which role may do what."""


@policy_group.command("sample")
def policy_sample() -> None:
    """Print a policy file with every rule at its default."""
    from cloudmanager import app  # noqa: F401 - declares the rules
    from cloudmanager.api.policy import sample as text

    click.echo(text(), nl=False)


@main.group()
def token() -> None:
    """Manage the tokens that may call the API."""


@token.command("create")
@click.argument("name")
@click.option("--role", default="member", show_default=True, help="reader, member or admin.")
@click.option("--hours", type=click.FloatRange(min=0, min_open=True), help="Lifetime; default: no end.")
@config_options
def create_token(
    name: str, role: str, hours: float | None, config_file: Path | None, state_dir: Path
) -> None:
    """Make a token and print it: it cannot be read again."""
    from cloudmanager import tokens

    with _database(load(config_file, state_dir)).transaction() as session:
        made = tokens.create_token(session, name, role, hours and hours * 3600)
    click.echo(made)


@token.command("list")
@config_options
def list_tokens(config_file: Path | None, state_dir: Path) -> None:
    """List the tokens' names, roles and ends."""
    from sqlalchemy import select

    from cloudmanager.models import ApiToken

    with _database(load(config_file, state_dir)).reading() as session:
        for row in session.scalars(select(ApiToken).order_by(ApiToken.name)):
            end = row.expires_at.isoformat() if row.expires_at else "never"
            click.echo(f"{row.name:<24} {row.role:<8} created {row.created_at.isoformat()}  expires {end}")


@token.command("delete")
@click.argument("name")
@config_options
def delete_token(name: str, config_file: Path | None, state_dir: Path) -> None:
    """Delete a token: it is refused from now on."""
    from sqlalchemy import delete

    from cloudmanager.errors import NotFound
    from cloudmanager.models import ApiToken

    with _database(load(config_file, state_dir)).transaction() as session:
        found = session.execute(delete(ApiToken).where(ApiToken.name == name).returning(ApiToken.id)).all()
    if not found:
        raise NotFound(f"there is no token {name!r}; `cloudmanager token list` shows all")


@main.command()
def openapi() -> None:
    """Print the OpenAPI document of the API."""
    import json

    from cloudmanager.app import openapi_document

    click.echo(json.dumps(openapi_document(), indent=2, ensure_ascii=False))


def _options(given: dict[str, Any]) -> Options:
    from cloudmanager.up import Options

    return Options(**given)


def _database(config: Config) -> Database:
    from cloudmanager.db import Database

    return Database.from_config(config)


def _become_worker_process(*arguments: str) -> None:
    sys.stdout.flush()
    os.execv(sys.executable, (sys.executable, "-m", "workers", *arguments))  # noqa: S606 - our own program


main.add_command(audit)
main.add_command(host)
main.add_command(inventory)
main.add_command(lab)
main.add_command(power)
main.add_command(pxe)
main.add_command(sign)
