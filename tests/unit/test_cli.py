"""The command line: what it prints, and that errors are one line."""

from __future__ import annotations

import configparser
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.fernet import Fernet

from cloudmanager import __version__
from cloudmanager import config as configuration
from cloudmanager.cli import main
from cloudmanager.config import reference
from cloudmanager.db import Database
from cloudmanager.models import Node, NodeLogin, PowerControl, Webhook
from cloudmanager.sign.keys import SigningKeys
from cloudmanager.state_dir import StateDirectory
from cloudmanager.vault import Vault

COMMANDS = {"up", "demo", "api", "worker", "scheduler", "db", "config", "token", "openapi", "lab", "host"}


@pytest.fixture
def run():
    """Run a command in this process."""

    def run(*arguments: object, code: int = 0):
        result = CliRunner().invoke(main, [str(argument) for argument in arguments])
        assert result.exit_code == code, (result.output, result.exception)
        return result

    return run


@pytest.fixture
def site(tmp_path, run):
    """A state directory with an up-to-date database."""
    directory = StateDirectory(tmp_path / "state")
    directory.path.mkdir()
    directory.create_files()
    run("db", "upgrade", "--state-dir", directory.path)
    return directory


def test_help_imports_little_and_names_every_command():
    command = [sys.executable, "-X", "importtime", "-m", "cloudmanager", "--help"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)

    commands = set(re.findall(r"^  (\w+) ", result.stdout.partition("Commands:")[2], re.MULTILINE))
    assert commands >= COMMANDS
    for slow in ("sqlalchemy", "flask", "celery", "gunicorn", "oslo_config", "alembic"):
        assert f"{slow}\n" not in result.stderr, f"--help imports {slow}"


def test_version(run):
    assert (
        run("--version").stdout == f"cloudmanager {__version__}\n" or __version__ in run("--version").stdout
    )


def test_tokens(run, site):
    where = ("--state-dir", site.path)
    made = run("token", "create", "ci", "--role", "reader", "--hours", "1", *where).stdout.strip()

    assert len(made) > 30
    listed = run("token", "list", *where).stdout
    assert re.search(r"^ci +reader +created .* expires 2", listed, re.MULTILINE)
    assert made not in listed
    assert "exists" in run("token", "create", "ci", *where, code=2).stderr
    assert "no role" in run("token", "create", "other", "--role", "god", *where, code=2).stderr
    run("token", "delete", "ci", *where)
    assert run("token", "list", *where).stdout == ""
    assert "there is no token 'ci'" in run("token", "delete", "ci", *where, code=2).stderr


def test_secrets_are_rotated(run, site):
    database = Database.from_config(configuration.load(site.config_file))
    old = Vault(site.key_file)
    control = {"title": "c", "control_type": "x", "protocol_type": "x", "host": "h", "port_number": 1}
    with database.transaction() as session:
        sealed = {"sealed_password": old.seal("pw"), "sealed_pending_password": old.seal("next pw")}
        session.add(PowerControl(**control, coils_count=1, **sealed))
        session.add(Webhook(url="http://h/", kinds=["*"], sealed_secret=old.seal("whsec_x")))
        session.add(Node(id=1, name="n1"))
        SigningKeys(old).sign(session, b"content")
        session.add(NodeLogin(node_id=1, sealed_password=old.seal("os pw"), sealed_ssh_key=old.seal("key")))

    old_key = site.key_file.read_bytes()
    site.key_file.write_bytes(Fernet.generate_key() + b"\n" + old_key)
    told = run("db", "rotate-secrets", "--state-dir", site.path).stdout
    assert "1 power controls, 1 webhooks, 1 log-ins of nodes and 1 signing keys" in told

    site.key_file.write_bytes(site.key_file.read_bytes().splitlines()[0])
    with database.reading() as session:
        kept, vault = session.query(PowerControl).one(), Vault(site.key_file)
        assert vault.open(kept.sealed_password) == "pw"
        assert vault.open(kept.sealed_pending_password) == "next pw"
        assert vault.open(session.query(Webhook).one().sealed_secret) == "whsec_x"
        login = session.query(NodeLogin).one()
        assert (vault.open(login.sealed_password), vault.open(login.sealed_ssh_key)) == ("os pw", "key")
        assert SigningKeys(vault).current_id(session)
    site.key_file.write_bytes(old_key)
    result = run("db", "rotate-secrets", "--state-dir", site.path, code=2)
    assert "no key there opens the stored passwords" in result.stderr
    database.close()


def test_another_key_signs(run, site):
    database = Database.from_config(configuration.load(site.config_file))
    keys = SigningKeys(Vault(site.key_file))
    with database.transaction() as session:
        old_id, signature = keys.sign(session, b"content")
    told = run("sign", "rotate-key", "--state-dir", site.path).stdout
    with database.reading() as session:
        new_id = SigningKeys(Vault(site.key_file)).current_id(session)
        assert told == f"signed with {new_id} from now on\n"
        assert new_id != old_id
        assert SigningKeys(Vault(site.key_file)).verify(session, old_id, signature, b"content")
    database.close()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("api", "--config", "nowhere.conf"), "there is no configuration at nowhere.conf"),
        (("token", "list", "--state-dir", "nowhere"), "there is no configuration at nowhere"),
        (("worker", "--state-dir", "nowhere"), "give --config or --state-dir"),
        (("up", "--state-dir", "/dev/null/x"), "--state-dir /dev/null/x cannot be used"),
        (("up", "--state-dir", "/proc/x"), "--state-dir /proc/x cannot be used"),
        (("lab", "status", "--state-dir", "nowhere"), "no data centre answers"),
        (("lab", "fault", "bmc-1", "dead", "--state-dir", "nowhere"), "'dead' is not NAME=VALUE"),
    ],
)
def test_an_error_is_one_line_and_exit_code_2(run, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    result = run(*arguments, code=2)

    assert result.stderr.startswith("cloudmanager: ")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_wrong_configuration_names_the_option(run, site):
    with site.config_file.open("a") as file:
        file.write("[api]\nport = many\n")

    result = run("api", "--state-dir", site.path, code=2)
    assert "port" in result.stderr
    assert "many" in result.stderr
    assert result.stderr.count("\n") == 1


def test_an_unreachable_database_is_one_line(run, tmp_path):
    path = tmp_path / "c.conf"
    path.write_text(f"[database]\nconnection = sqlite:///{tmp_path}/no/where.db\n")

    result = run("db", "upgrade", "--config", path, code=2)
    assert result.stderr == "cloudmanager: [database] connection: unable to open database file\n"


def test_the_sample_configuration_has_every_option_and_can_be_read(run, tmp_path):
    text = run("config", "sample").stdout
    path = tmp_path / "sample.conf"
    path.write_text(re.sub(r"^#(\w+ =)", r"\1", text, flags=re.MULTILINE))

    parser = configparser.RawConfigParser()
    parser.read(path)
    loaded = configuration.load(path)
    for group, options in configuration.list_opts():
        for option in options:
            assert option.help
            assert parser.has_option(group, option.dest)
            assert _set(loaded[group][option.dest]) == _set(option.default)


def _set(value):
    """A value, None where it is empty: that is unset."""
    return None if value == [""] else value or None


def test_the_configuration_page_is_current():
    page = Path(__file__).parents[2] / "docs" / "configuration.md"
    assert page.read_text() == reference.markdown(), "run `make docs`"


def test_worker_becomes_the_workers_program(run, site, monkeypatch):
    executed = []
    monkeypatch.setattr(os, "execv", lambda path, arguments: executed.append(arguments))

    run("worker", "--state-dir", site.path, "--name", "w2")
    run("scheduler", "--config", site.config_file)
    config = ("--config", str(site.config_file))
    assert executed == [
        (sys.executable, "-m", "workers", "worker", *config, "--name", "w2"),
        (sys.executable, "-m", "workers", "scheduler", *config),
    ]


def test_openapi_is_a_document(run):
    assert '"openapi": "3' in run("openapi").stdout
