"""`cloudmanager inventory`: formats by file name, what it prints, exit codes."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import yaml
from click.testing import CliRunner

from cloudmanager.cli import main
from cloudmanager.state_dir import StateDirectory
from tests.flows.fake_cloud import FakeCloud
from tests.flows.world import Line, Machine


@pytest.fixture
def run():
    def run(*arguments, code=0, **options):
        result = CliRunner().invoke(main, ["inventory", *map(str, arguments)], **options)
        assert result.exit_code == code, (result.output, result.exception)
        return result

    return run


@pytest.fixture
def here(tmp_path):
    """The options that name a state directory with an up-to-date database."""
    directory = StateDirectory(tmp_path / "state")
    directory.path.mkdir()
    directory.create_files()
    CliRunner().invoke(main, ["db", "upgrade", "--state-dir", str(directory.path)], catch_exceptions=False)
    return "--state-dir", directory.path


def test_out_and_in(run, here, tmp_path):
    table = tmp_path / "nodes.csv"
    table.write_bytes(b"\xef\xbb\xbfname,rack_number\r\nn1,1\r\nn2,2\r\n")
    assert "  + n1\n" in run("import", table, "--dry-run", *here, code=1).stdout
    assert "nodes: 2 created" in run("import", table, *here).stdout
    assert "nodes: 0 created" in run("import", table, "--dry-run", *here).stdout
    for name in ("all.yaml", "all.yml", "all.csv"):
        run("export", tmp_path / name, *here)
        assert (
            "node classes: 0 created, 0 changed, 0 deleted, 4" in run("import", tmp_path / name, *here).stdout
        )
    assert [node["name"] for node in yaml.safe_load((tmp_path / "all.yaml").read_text())["nodes"]] == [
        "n1",
        "n2",
    ]


def test_standard_input_and_output(run, here):
    text = run("export", "-", "--format", "csv", *here).stdout
    assert text.startswith("kind,")
    assert "1 unchanged" in run("import", "-", "--format", "csv", *here, input=text).stdout
    assert "--format" in run("export", "-", *here, code=2).stderr


def test_refusals_are_told_and_change_nothing(run, here, tmp_path):
    table = tmp_path / "nodes.csv"
    table.write_text("name,rack_number\nn1,1\nn2,200\n")
    assert "line 3: node: rack_number" in run("import", table, *here, code=2).stderr
    table.write_bytes(b"name\nn1\n\xff\n")
    assert "line 3: not UTF-8" in run("import", table, *here, code=2).stderr
    table.write_text("name\n")
    assert "nodes: 0 created, 0 changed, 0 deleted, 0 unchanged" in run("import", table, *here).stdout


def test_a_database_of_another_version_is_refused(run, tmp_path):
    directory = StateDirectory(tmp_path / "old")
    directory.path.mkdir()
    directory.create_files()
    said = run("export", tmp_path / "x.csv", "--state-dir", directory.path, code=2).stderr
    assert "cloudmanager db upgrade" in said
    assert not (tmp_path / "x.csv").exists()


def test_nodes_without_a_name_are_told(run, here, tmp_path):
    from sqlalchemy import insert

    from cloudmanager import config
    from cloudmanager.db import Database
    from cloudmanager.models import Node

    database = Database.from_config(config.load(StateDirectory(here[1]).config_file))
    with database.transaction() as session:
        session.execute(insert(Node), [{"title": "x"}])
    assert "left out 1 nodes that have no name" in run("export", tmp_path / "x.csv", *here).stderr


def test_sync_needs_a_cloud(run, here):
    assert "[nova] auth_url" in run("sync", *here, code=2).stderr


def test_sync(run, here, monkeypatch):
    clock = SimpleNamespace(now=lambda: 0.0)
    cloud = FakeCloud(Line(), clock)
    for name in ("r1n01", "r1n02"):
        cloud.add_host(name, Machine(clock, on=True))
    monkeypatch.setattr("cloudmanager.openstack.cloud.cloud_for", lambda _: cloud)
    assert run("sync", "--dry-run", *here, code=1).stdout.splitlines() == [
        "  + r1n01",
        "  + r1n02",
        "hypervisors: 2 created, 0 updated, 0 vanished",
    ]
    assert run("sync", *here).stdout == "hypervisors: 2 created, 0 updated, 0 vanished\n"
    assert run("sync", "--dry-run", *here).stdout == "hypervisors: 0 created, 0 updated, 0 vanished\n"
    cloud.hosts.clear()
    result = run("sync", *here)
    assert result.stdout == "hypervisors: 0 created, 0 updated, 0 vanished\n"
    assert "none of the 2" in result.stderr
    assert cloud.closed == 4
