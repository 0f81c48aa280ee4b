"""Host tracking and spares: it asks for them only when told to, and looks after those that stand in."""

from __future__ import annotations

import pytest

from .spare_site import SpareSite
from .test_tracker import Site


@pytest.fixture
def site(cloud, tmp_path):
    return Site(cloud, tmp_path)


@pytest.fixture
def spares(site):
    """The spare `h6` of the site, with the ways of `SpareSite` on it."""
    spares = SpareSite.__new__(SpareSite)
    spares.cloud, spares.nova = site.cloud, site.cloud.nova
    spares.reserve("h6")
    site.cloud.nova.hosts["h6"].enabled = False
    site.cloud.nova.hosts["h6"].reason = "kept in reserve"
    site.kill("h6")
    return spares


async def lent(site, spares, tracker):
    """The spare stands in for `h1`, which is dead."""
    await site.cycles(tracker, 2)
    site.kill("h1")
    await site.cycles(tracker, 3)
    await site.carry_out()
    [row] = site.cloud.rows_of("lend-spare")
    await site.cloud.sweep_until_ended(row.id)
    assert site.cloud.flow(row.id).status == "SUCCESS", site.cloud.flow(row.id).error


async def test_a_dead_host_has_a_spare_stand_in(site, spares):
    tracker = site.tracker(use_spares=True)
    await lent(site, spares, tracker)
    [flow] = site.flows()
    assert flow.params["use_spare"] is True
    assert [(loan.host, loan.lost_host, loan.state) for loan in spares.loans()] == [("h6", "h1", "lent")]


async def test_not_unless_it_is_wished(site, spares):
    tracker = site.tracker()
    site.kill("h1")
    await site.cycles(tracker, 3)
    [flow] = site.flows()
    assert "use_spare" not in flow.params


async def test_a_spare_that_dies_while_it_stands_in_is_evacuated(site, spares):
    tracker = site.tracker(use_spares=True)
    await lent(site, spares, tracker)
    site.cloud.nova.add_server("c", "h6")
    await site.cycles(tracker, 1)
    site.kill("h6")
    await site.cycles(tracker, 3)
    assert [flow.params["host"] for flow in site.flows()] == ["h1", "h6"]


async def test_a_spare_in_reserve_is_nobodys_loss(site, spares):
    tracker = site.tracker(use_spares=True)
    assert await site.cycles(tracker, 6) == []
    assert site.flows() == []
