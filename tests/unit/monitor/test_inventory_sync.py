"""When the monitor syncs: at once, then once an interval whoever asks, again soon after a failure."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from sqlalchemy import select

from cloudmanager.config import load
from cloudmanager.errors import CloudUnreachable
from cloudmanager.models import Node
from cloudmanager.monitor.inventory_sync import AGAIN_AFTER, LOOK_EVERY, SYNCS, InventorySync
from cloudmanager.monitor.process import _Monitor
from cloudmanager.vault import create_key_file
from tests.flows.fake_cloud import FakeCloud
from tests.flows.world import Line, Machine

NOVA = {
    ("nova", "auth_url"): "http://127.0.0.1:9/v3",
    ("nova", "username"): "cm",
    ("nova", "password"): "x",
    ("nova", "project_name"): "service",
}


@pytest.fixture
def clock(monkeypatch, database):
    """A clock that the test moves."""
    clock = SimpleNamespace(now=lambda: clock.at, at=1_700_000_000.0)
    monkeypatch.setattr(database, "now", clock.now)
    return clock


@pytest.fixture
def cloud(clock):
    cloud = FakeCloud(Line(), clock)
    cloud.add_host("r1n01", Machine(clock, on=True))
    return cloud


def nodes(database):
    with database.reading() as session:
        return list(session.scalars(select(Node.name).order_by(Node.id)))


async def test_one_of_several_monitors_syncs_once_an_interval(database, cloud, clock):
    one, two = (InventorySync(database, cloud, name, 300.0) for name in ("one", "two"))
    assert await one.round() == LOOK_EVERY
    assert nodes(database) == ["r1n01"]
    cloud.add_host("r1n02", Machine(clock, on=True))
    for sync in (one, two):
        await sync.round()
    assert nodes(database) == ["r1n01"]
    clock.at += 300
    await two.round()
    assert nodes(database) == ["r1n01", "r1n02"]


async def test_a_monitor_that_stops_leaves_the_next_round_to_the_others(database, cloud, clock):
    one, two = (InventorySync(database, cloud, name, 300.0) for name in ("one", "two"))
    await one.round()
    cloud.add_host("r1n02", Machine(clock, on=True))
    two.let_go()  # it holds nothing
    await two.round()
    assert nodes(database) == ["r1n01"]
    one.let_go()
    await two.round()
    assert nodes(database) == ["r1n01", "r1n02"]


async def test_a_silent_cloud_changes_nothing_and_is_asked_again_soon(database, cloud, monkeypatch):
    sync = InventorySync(database, cloud, "one", 300.0)
    failures = SYNCS.labels(outcome="CloudUnreachable")
    before = failures._value.get()

    async def silent(**_):
        raise CloudUnreachable("no answer")

    with monkeypatch.context() as patch:
        patch.setattr(cloud, "hypervisors", silent)
        assert await sync.round() == AGAIN_AFTER
    assert nodes(database) == []
    assert failures._value.get() == before + 1
    await sync.round()
    assert nodes(database) == ["r1n01"]


async def test_a_short_interval_is_kept(database, cloud):
    assert await InventorySync(database, cloud, "one", 1.0).round() == 1.0


@pytest.mark.parametrize(
    ("options", "is_on"),
    [
        ({}, False),
        (NOVA, True),
        (NOVA | {("monitor", "sync_interval"): 0.0}, False),
        ({("nova", "cloud"): "not in clouds.yaml"}, False),
    ],
)
def test_it_is_on_where_there_is_a_cloud(options, is_on, tmp_path, database_url):
    create_key_file(tmp_path / "secret.key")
    always = {("secrets", "key_file"): str(tmp_path / "secret.key"), ("database", "connection"): database_url}
    monitor = _Monitor(load(None, {**always, **options}))
    cloud, sync = monitor._sync()
    assert (cloud is not None, sync is not None) == (is_on, is_on)
    monitor._database.close()
