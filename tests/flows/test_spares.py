"""Spares stand in for lost hosts: which are chosen, what is waited for, and that all is put back as it was."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import update

from cloudmanager.errors import CloudRefused, CloudUnreachable
from cloudmanager.flows import cancel
from cloudmanager.models import Node
from cloudmanager.openstack.records import Aggregate, Flavor

from .spare_site import REASON, SpareSite


@pytest.fixture
def site(cloud):
    return SpareSite(cloud)


# --- lending -----------------------------------------------------------------------------------------------


@pytest.mark.both_databases
async def test_a_spare_is_switched_on_joins_the_aggregates_and_takes_servers(site):
    site.kill()
    flow = await site.done(site.lend())
    spare = site.nova.hosts["sp"]
    assert (spare.machine.on, spare.enabled) == (True, True)
    assert site.aggregates_of("sp") == {1, 2}
    assert flow.result == {"host": "sp", "lost_host": "h1", "aggregates": [1, 2]}
    [loan] = site.loans()
    assert (loan.host, loan.lost_host, loan.state, loan.ended_at) == ("sp", "h1", "lent", None)
    assert loan.found == {"power": "power_off", "enabled": False, "reason": REASON}
    assert [(row.kind, row.subject) for row in site.events()] == [("spare.lent", "host:sp")]


async def test_a_second_zone_is_said_and_the_other_aggregates_are_joined(site):
    site.nova.host_aggregates.append(Aggregate(9, "zone2", "z2", frozenset({"sp"})))
    site.kill()
    flow_id = site.lend()
    await site.done(flow_id)
    assert site.aggregates_of("sp") == {2, 9}
    [said] = [event for event in site.cloud.events(flow_id) if event.target == "aggregate:zone1"]
    assert "zone z1" in said.message
    assert site.loans()[0].aggregates == [2]


async def test_an_aggregate_that_nova_refuses_does_not_stop_it(site, monkeypatch):
    async def join(aggregate_id, host, known=site.nova.join_aggregate):
        if aggregate_id == 1:
            raise CloudRefused("it has servers of another zone", status=409)
        return await known(aggregate_id, host)

    monkeypatch.setattr(site.nova, "join_aggregate", join)
    site.kill()
    flow = await site.done(site.lend())
    assert flow.result["aggregates"] == [2]
    assert site.nova.hosts["sp"].enabled


async def test_a_spare_whose_nova_compute_never_reports_is_put_back(site):
    site.kill()
    site.nova.hosts["sp"].boot = 10_000
    flow = await site.failed(site.lend())
    assert "has not reported" in flow.error
    site.assert_as_found()
    assert site.loans()[0].state == "failed"
    assert site.kinds() == ["spare.failed"]


async def test_a_report_from_before_it_had_power_is_no_sign_that_it_serves(site):
    site.kill()
    spare = site.nova.hosts["sp"]
    spare.reported, spare.boot = site.cloud.clock.now(), 10_000
    assert (await site.nova.service("sp")).up
    flow = await site.failed(site.lend())
    assert "has not reported" in flow.error


async def test_a_spare_that_cannot_be_switched_on_is_not_lent(site):
    site.kill()
    site.nova.hosts["sp"].machine.deaf = True
    flow = await site.failed(site.lend())
    assert "power-on of node" in flow.error
    assert site.loans()[0].state == "failed"
    assert not site.nova.hosts["sp"].enabled


async def test_a_spare_without_a_device_that_answers_fails_before_anything_is_touched(site):
    site.kill()
    site.nova.hosts["sp"].machine.dead = True
    await site.failed(site.lend())
    assert site.loans() == []
    assert site.kinds() == ["spare.failed"]
    assert not any("sp" in asked for asked in site.nova.asked)


async def test_a_spare_that_was_not_cordoned_takes_nothing_before_it_has_joined(site):
    site.add_spare("sp2", enabled=True)
    site.kill()
    await site.done(site.lend("sp2"))
    mine = [asked.split()[0] for asked in site.nova.asked if "sp2" in asked]
    assert mine == ["cordon", "join", "join", "uncordon"]
    await site.done(site.give_back("sp2"))
    spare = site.nova.hosts["sp2"]
    assert (spare.machine.on, spare.enabled) == (False, True)


async def test_a_spare_that_runs_is_left_on_when_it_is_returned(site):
    site.add_spare("sp2", on=True)
    site.kill()
    await site.done(site.lend("sp2"))
    await site.done(site.give_back("sp2"))
    spare = site.nova.hosts["sp2"]
    assert (spare.machine.on, spare.enabled, spare.reason) == (True, False, REASON)
    assert spare.machine.commands == []


async def test_nobody_stands_in_for_a_host_that_is_back(site):
    flow = await site.failed(site.lend())
    assert "h1 is back" in flow.error
    site.assert_as_found()


async def test_servers_that_came_to_a_spare_that_is_not_lent_after_all_are_not_hurt(site, monkeypatch):
    async def uncordon(host, known=site.nova.uncordon):
        if host == "sp":
            site.nova.add_server("c", "sp")
            raise CloudRefused("too late", status=409)
        return await known(host)

    monkeypatch.setattr(site.nova, "uncordon", uncordon)
    site.kill()
    await site.failed(site.lend())
    assert site.nova.hosts["sp"].machine.on
    [loan] = site.loans()
    assert (loan.state, loan.ended_at) == ("lent", None)
    assert "return it with drain" in loan.message


async def test_a_spare_is_lent_only_once(site):
    site.kill()
    await site.done(site.lend())
    site.cloud.add_host("h3")
    site.kill("h3")
    flow = await site.failed(site.lend(lost_host="h3"))
    assert "lent already" in flow.error
    assert [loan.lost_host for loan in site.loans()] == ["h1"]
    assert site.nova.hosts["sp"].enabled
    assert site.aggregates_of("sp") == {1, 2}


async def test_a_cancelled_loan_is_undone(site):
    site.kill()
    site.nova.hosts["sp"].boot = 10_000
    flow_id = site.lend()

    async def cancel_it():
        await site.cloud.clock.sleep(10)
        assert site.nova.hosts["sp"].machine.on
        with site.cloud.database.transaction() as session:
            cancel(session, flow_id)

    await asyncio.gather(site.cloud.sweep_until_quiet(), cancel_it())
    assert site.cloud.flow(flow_id).status == "REVOKED"
    site.assert_as_found()


# --- returning ---------------------------------------------------------------------------------------------


async def lent(site):
    site.kill()
    await site.done(site.lend())


async def test_a_spare_is_put_back_as_it_was_found(site):
    await lent(site)
    flow = await site.done(site.give_back())
    site.assert_as_found()
    assert site.loans()[0].state == "returned"
    assert site.kinds() == ["spare.lent", "spare.returned"]
    assert flow.result["lost_host"] == "h1"
    assert site.nova.hosts["sp"].machine.cuts == 1


async def test_aggregates_that_it_was_in_before_stay(site):
    site.nova.host_aggregates[2] = Aggregate(3, "other", None, frozenset({"h1", "sp"}))
    await lent(site)
    assert site.loans()[0].aggregates == [1, 2]
    await site.done(site.give_back())
    assert site.aggregates_of("sp") == {3}


async def test_a_spare_with_servers_stays_lent(site):
    await lent(site)
    site.nova.add_server("c", "sp")
    flow = await site.failed(site.give_back())
    assert "drain: true" in flow.error
    spare = site.nova.hosts["sp"]
    assert (spare.machine.on, spare.enabled) == (True, True)
    assert site.kinds() == ["spare.lent", "spare.kept"]
    assert "1 servers" in site.events()[-1].message
    assert site.loans()[0].state == "lent"


async def test_its_servers_are_moved_where_that_is_wished(site):
    await lent(site)
    site.nova.add_server("c", "sp")
    flow = await site.done(site.give_back(drain=True))
    assert site.nova.host_of("c") == "h2"
    assert [row["outcome"] for row in flow.result["servers"]] == ["moved"]
    site.assert_as_found()


async def test_a_spare_that_cannot_be_drained_stays_in_service(site):
    await lent(site)
    site.nova.add_server("c", "sp", vm_state="stopped")
    flow = await site.failed(site.give_back(drain=True))
    assert "nothing was touched" in flow.error
    assert site.nova.hosts["sp"].enabled
    assert site.kinds()[-1] == "spare.kept"


async def test_power_that_cannot_be_cut_leaves_it_cordoned_and_it_can_be_asked_again(site):
    await lent(site)
    machine = site.nova.hosts["sp"].machine
    machine.deaf = True
    await site.failed(site.give_back())
    assert not site.nova.hosts["sp"].enabled
    assert site.loans()[0].ended_at is None
    machine.deaf = False
    await site.done(site.give_back())
    site.assert_as_found()


async def test_servers_on_their_way_to_it_are_waited_for(site):
    await lent(site)
    site.nova.add_server("c", "h2")
    await site.nova.live_migrate("c", "sp")
    flow = await site.failed(site.give_back())
    assert "1 servers are left on sp" in flow.error
    spare = site.nova.hosts["sp"]
    assert (spare.machine.on, spare.enabled) == (True, True)
    assert site.aggregates_of("sp") == {1, 2}


async def test_half_returned_it_takes_no_servers(site, monkeypatch):
    await lent(site)

    async def leave(*_):
        raise CloudUnreachable("Nova does not answer")

    monkeypatch.setattr(site.nova, "leave_aggregate", leave)
    await site.failed(site.give_back())
    spare = site.nova.hosts["sp"]
    assert (spare.machine.on, spare.enabled) == (True, False)
    assert site.kinds()[-1] == "spare.kept"


async def test_what_is_not_lent_cannot_be_returned(site):
    flow = await site.failed(site.give_back())
    assert flow.error == "sp is not lent"
    assert site.events() == []


async def test_a_spare_taken_out_of_reserve_stays_in_service(site):
    await lent(site)
    with site.cloud.database.transaction() as session:
        session.execute(update(Node).where(Node.name == "sp").values(is_reserved=False, condition=1))
    await site.done(site.give_back())
    assert site.loans()[0].state == "kept"
    assert site.nova.hosts["sp"].enabled
    assert site.aggregates_of("sp") == {1, 2}


async def test_a_spare_that_nova_has_forgotten_is_switched_off(site):
    await lent(site)
    machine = site.nova.hosts.pop("sp").machine
    await site.done(site.give_back())
    assert not machine.on
    assert site.loans()[0].state == "returned"


# --- a host is evacuated, and comes back -------------------------------------------------------------------


@pytest.mark.both_databases
async def test_an_evacuation_lends_a_spare_and_it_is_returned_when_the_host_is_back(site):
    site.kill()
    await site.done(site.evacuate())
    await site.cloud.sweep_until_ended(site.cloud.rows_of("lend-spare")[0].id)
    assert site.loans()[0].state == "lent"
    assert {site.nova.host_of(server) for server in "ab"} == {"h2"}
    site.revive()
    await site.cloud.sweep_until_quiet(rounds=400)
    assert site.nova.hosts["h1"].enabled
    site.assert_as_found()
    assert site.kinds() == ["spare.lent", "spare.returned"]


async def test_a_spare_that_still_has_servers_when_the_host_is_back_stays_lent(site):
    site.kill()
    await site.done(site.evacuate())
    await site.cloud.sweep_until_ended(site.cloud.rows_of("lend-spare")[0].id)
    site.nova.add_server("c", "sp")
    site.revive()
    await site.cloud.sweep_until_quiet(rounds=400)
    assert site.loans()[0].ended_at is None
    assert site.kinds() == ["spare.lent", "spare.kept"]


async def test_a_host_that_is_back_and_stays_cordoned_keeps_its_spare(site):
    host = site.nova.hosts["h1"]
    host.enabled, host.reason = False, "disk swap"
    site.kill()
    await site.done(site.evacuate())
    site.revive()
    await site.cloud.sweep_until_quiet(rounds=400)
    assert site.loans()[0].ended_at is None
    assert "takes no servers yet" in site.events()[-1].message


async def test_nothing_waits_for_the_spare_while_there_is_room_elsewhere(site):
    site.kill()
    site.nova.hosts["sp"].boot = 10_000
    flow_id = site.evacuate()
    await site.done(flow_id)
    assert site.said(flow_id, "nothing waits for the spare")
    assert {site.nova.host_of(server) for server in "ab"} == {"h2"}


async def test_servers_without_room_elsewhere_wait_for_the_spare(site):
    for server in "ab":
        site.nova.add_server(server, "h1", flavor=Flavor("big", 1, 40_000, 0))
    site.kill()
    site.nova.hosts["sp"].boot = 20.0
    flow_id = site.evacuate()
    await site.done(flow_id)
    assert site.said(flow_id, "sp is ready")
    assert site.loans()[0].state == "lent"


async def test_the_only_host_left_is_the_spare(site):
    site.nova.hosts["h2"].enabled = False
    site.kill()
    await site.done(site.evacuate())
    assert {site.nova.host_of(server) for server in "ab"} == {"sp"}
    assert site.nova.split_brains == []


async def test_the_wait_is_bounded(site):
    site.cloud.host_tasks = {"spare_wait": 10.0}
    site.nova.hosts["h2"].enabled = False
    site.nova.hosts["sp"].boot = 10_000
    site.kill()
    flow_id = site.evacuate()
    await site.failed(flow_id)
    assert site.said(flow_id, "going on without sp, which is not ready after 10 s")


async def test_when_a_spare_fails_the_next_is_asked(site):
    site.add_spare("sq")
    site.nova.hosts["sp"].machine.deaf = True
    site.nova.hosts["h2"].enabled = False
    site.kill()
    await site.done(site.evacuate())
    assert {site.nova.host_of(server) for server in "ab"} == {"sq"}
    assert sorted((loan.host, loan.state) for loan in site.loans()) == [("sp", "failed"), ("sq", "lent")]


async def test_that_none_fits_is_told_and_stops_nothing(site):
    site.reserve("sp", condition=3)
    site.kill()
    await site.done(site.evacuate())
    [event] = site.events()
    assert (event.kind, event.subject) == ("spare.none", "host:h1")
    assert "sp: its condition is 3" in event.message
    assert not site.nova.hosts["sp"].machine.on


async def test_a_host_that_is_up_is_drained_without_a_spare(site):
    await site.done(site.evacuate())
    assert site.cloud.rows_of("lend-spare") == []


async def test_an_evacuation_without_the_wish_lends_nothing(site):
    site.kill()
    await site.done(site.cloud.start_flow("evacuate-host", "host:h1", host="h1"))
    assert site.cloud.rows_of("lend-spare") == []


async def test_a_host_that_could_not_be_fenced_gets_no_spare(site):
    site.kill()
    site.nova.hosts["h1"].machine.dead = True
    await site.failed(site.evacuate())
    assert site.cloud.rows_of("lend-spare") == []


async def test_a_second_evacuation_of_the_host_lends_no_second_spare(site):
    site.add_spare("sq")
    site.kill()
    site.nova.guests["a"].fails["evacuation"] = ["no", "no"]
    await site.failed(site.evacuate())
    await site.done(site.evacuate())
    assert len(site.loans()) == 1


async def test_two_lost_hosts_get_two_spares(site):
    site.add_spare("sq")
    site.cloud.add_host("h3")
    site.kill()
    site.kill("h3")
    flows = [
        site.evacuate(),
        site.cloud.start_flow("evacuate-host", "host:h3", host="h3", use_spare=True),
    ]
    for flow in flows:
        await site.done(flow)
    assert {row.params["lost_host"]: row.params["host"] for row in site.cloud.rows_of("lend-spare")} == {
        "h1": "sp",
        "h3": "sq",
    }
