"""A decider that dies at any of its transactions: another goes on, and the host is evacuated exactly once."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager

import pytest

from .conftest import Cloud
from .test_tracker import Site
from .world import WorkerDied


class Mortal:
    """The database of a process that dies in the n-th of its transactions, or right after it."""

    def __init__(self, database, *, dies_in=None, dies_after=None):
        self.count = 0
        self._database, self._dies_in, self._dies_after = database, dies_in, dies_after

    def __getattr__(self, name):
        return getattr(self._database, name)

    @contextmanager
    def transaction(self):
        self.count += 1
        number = self.count
        with self._database.transaction() as session:
            yield session
            if number == self._dies_in:
                raise WorkerDied
        if number == self._dies_after:
            raise WorkerDied


async def outage(database, monkeypatch, directory, **death):
    """h1 dies; a tracker watches until it dies itself, then another does."""
    directory.mkdir()
    cloud = Cloud(database, monkeypatch)
    site, mortal = Site(cloud, directory), Mortal(database, **death)
    site.options["node_tracker", "mutex"] = 2
    first = site.tracker("t1")
    first._database = first._ledger._database = mortal
    site.kill("h1")
    died = False
    try:
        await site.cycles(first, 2)
    except WorkerDied:
        died = True
        await site.cycles(site.tracker("t2"), 4)
    await site.carry_out()
    return site, mortal.count, died


@pytest.mark.parametrize("moment", ["dies_in", "dies_after"])
async def test_whenever_the_decider_dies_the_host_is_evacuated_once(
    moment,
    databases,
    monkeypatch,
    tmp_path,
):
    site, transactions, _ = await outage(databases(), monkeypatch, tmp_path / "undisturbed")
    told = Counter(site.kinds())
    assert told == {"host.down": 1, "host.evacuating": 1}
    assert transactions > 5
    for number in range(1, transactions + 1):
        site, _, died = await outage(
            databases(), monkeypatch, tmp_path / f"{moment}{number}", **{moment: number}
        )
        assert died
        [flow] = site.flows()
        assert flow.status == "SUCCESS", flow.error
        assert {site.cloud.nova.host_of(server) for server in "ab"}.isdisjoint({"h1"})
        assert site.cloud.nova.split_brains == []
        assert Counter(site.kinds()) == told
