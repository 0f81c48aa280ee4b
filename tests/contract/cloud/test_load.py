"""Load as Nova's diagnostics tell it, on the wire."""

import pytest

from cloudmanager.drs.cluster import Resource
from cloudmanager.load_sources.nova import NovaSource
from tests.contract.cloud.sites import Simulated


async def test_the_load_of_servers(site, place):
    busy, stopped = await site.boot(), await site.boot()
    await site.cloud.stop(stopped.id)
    stopped = await site.settled(stopped.id, "stopped")
    expected = None
    if isinstance(place, Simulated):
        nova, expected = place.model.compute, pytest.approx(0.5, rel=0.3)
        place.change(nova.usage.set, nova.tables.server(busy.id), cpu=0.5)
    source = NovaSource(site.cloud, interval=0.5, requests=2, time_limit=30.0)
    found = await source.measure(site.hosts, [busy, stopped])
    assert set(found.servers) == {busy.id}
    assert found.servers[busy.id][Resource.CPU] >= 0
    assert expected is None or found.servers[busy.id][Resource.CPU] == expected
    assert any(f"they do not run ({stopped.name})" in note for note in found.notes)
