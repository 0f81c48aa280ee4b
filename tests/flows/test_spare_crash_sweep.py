"""Lending and returning spares, cut off at each of their calls to the cloud and to power, come to the same end.

A spare's power is switched once each way, no host stays half in service, and no loan is left open or lost.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from cloudmanager.drivers.base import Action

from .conftest import Cloud
from .spare_site import SpareSite


@dataclass(frozen=True)
class Scenario:
    """What is begun, and how the spare must be in the end: in service, or as it was found."""

    begin: str
    stands_in: bool
    state: str
    ends: str = "SUCCESS"
    server_on_spare: bool = False
    never_serves: bool = False


SCENARIOS = {
    "lend": Scenario("lend", stands_in=True, state="lent"),
    "lend, undone": Scenario("lend", stands_in=False, state="failed", ends="FAILURE", never_serves=True),
    "return": Scenario("return", stands_in=False, state="returned"),
    "return, drained": Scenario("return", stands_in=False, state="returned", server_on_spare=True),
    "return, occupied": Scenario("stay", stands_in=True, state="lent", ends="FAILURE", server_on_spare=True),
    "evacuation": Scenario("evacuate", stands_in=True, state="lent"),
}


async def run_with_death(scenario, database, monkeypatch, **death):
    cloud = Cloud(database, monkeypatch)
    site = SpareSite(cloud)
    if scenario.never_serves:
        site.nova.hosts["sp"].boot = 10_000
        cloud.host_options = {"boot_timeout": 2.0}
    del site.nova.guests["b"]
    site.kill()
    if scenario.begin in ("return", "stay"):
        await site.done(site.lend())
        if scenario.server_on_spare:
            site.nova.add_server("c", "sp")
        cloud.line.calls, cloud.line.acts = 0, []
    begin = {
        "lend": site.lend,
        "return": lambda: site.give_back(drain=scenario.server_on_spare),
        "stay": site.give_back,
        "evacuate": site.evacuate,
    }[scenario.begin]
    flow_id = begin()
    for name, call in death.items():
        setattr(cloud.line, name, call)
    await cloud.sweep_until(lambda: _all_ended(cloud, flow_id), rounds=400)
    return site, cloud.flow(flow_id), cloud.line.calls


def _all_ended(cloud, flow_id):
    """The flow, and the loan that it may have begun; who waits for a host to come back waits on."""
    return cloud.flow(flow_id).ended_at and all(row.ended_at for row in cloud.rows_of("lend-spare"))


def check(site, flow, scenario):
    assert flow.status == scenario.ends, flow.error
    [loan] = site.loans()
    assert loan.state == scenario.state
    machine = site.nova.hosts["sp"].machine
    assert machine.commands.count(Action.ON) >= 1
    assert machine.cuts <= 1, "power was cut twice"
    if scenario.stands_in:
        assert machine.on
        assert site.nova.hosts["sp"].enabled
        assert site.aggregates_of("sp") == {1, 2}
        assert machine.cuts == 0
    else:
        site.assert_as_found()
    assert site.nova.split_brains == []
    told = [kind for kind in site.kinds() if kind != "spare.kept"]
    assert len(told) == len(set(told)), f"told twice: {told}"


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("moment", ["die_after", "die_before", "lose_answer_of"])
async def test_crash_sweep(name, moment, databases, monkeypatch):
    """After each call; and for calls that change something, also before them, and with their answers lost."""
    scenario = SCENARIOS[name]
    undisturbed, flow, calls = await run_with_death(scenario, databases(), monkeypatch)
    check(undisturbed, flow, scenario)
    acts = [act for act in undisturbed.cloud.line.acts if act <= calls]
    for call in range(1, calls + 1) if moment == "die_after" else acts:
        site, flow, _ = await run_with_death(scenario, databases(), monkeypatch, **{moment: call})
        check(site, flow, scenario)
