"""Hosts of the simulated Nova: when they report, when Nova believes them dead, and what really runs there."""

import pytest

from cloudmanager.simulators.openstack.compute.rows import RUNNING, SHUTDOWN
from cloudmanager.simulators.openstack.problems import Conflict, Invalid, NotThere
from cloudmanager.simulators.world import UnknownName


def test_a_host_has_to_be_a_node_of_the_world(lab):
    with pytest.raises(UnknownName):
        lab.nova.add_host("nowhere")


def test_a_service_goes_on_reporting_while_its_node_is_on(lab):
    host = lab.host("c1")
    for _ in range(20):
        lab.clock.advance(1.7)
        assert lab.is_up("c1")
        assert lab.clock.now() - lab.nova.hosts.last_report(host) <= lab.nova.timings.report_interval


def test_power_loss_is_noticed_after_service_down_time_and_the_records_go_on_lying(lab):
    server = lab.boot("c1")
    lab.world.power_off("c1")
    assert lab.runs(server) == []
    lab.clock.advance(5.9)
    assert lab.is_up("c1")
    lab.clock.advance(4.2)
    assert not lab.is_up("c1")
    assert lab.state(server) == ("active", None, "c1")


def test_a_node_that_is_back_reports_after_its_boot_and_its_guests_are_stopped(lab):
    server = lab.boot("c1")
    lab.die("c1")
    lab.world.power_on("c1")
    lab.clock.advance(lab.nova.timings.boot - 0.1)
    assert not lab.is_up("c1")
    lab.clock.advance(0.2)
    assert lab.is_up("c1")
    assert lab.state(server) == ("active", None, "c1")
    lab.clock.advance(lab.nova.timings.sync_power_state_interval)
    assert lab.state(server) == ("stopped", None, "c1")
    assert server.power_state == SHUTDOWN
    assert lab.runs(server) == []


def test_guests_may_be_resumed_at_boot(lab):
    lab.nova.resume_guests_state_on_host_boot = True
    server = lab.boot("c1")
    lab.world.reset("c1")
    assert lab.runs(server) == []
    lab.clock.advance(20)
    assert lab.state(server) == ("active", None, "c1")
    assert lab.runs(server) == ["c1"]


def test_a_boot_that_is_cut_short_starts_nothing(lab):
    lab.die("c1")
    lab.world.power_on("c1")
    lab.clock.advance(3)
    lab.world.power_off("c1")
    lab.clock.advance(1)
    lab.world.power_on("c1")
    lab.clock.advance(1.5)
    assert not lab.host("c1").running  # the first boot would be over now
    lab.clock.advance(4)
    assert lab.host("c1").running
    assert lab.host("c1").node_boot_id == lab.world.node("c1").boot_id


def test_a_dead_nova_compute_is_down_while_its_guests_run(lab):
    server = lab.boot("c1")
    lab.nova.hosts.kill_service("c1")
    lab.clock.advance(11)
    assert not lab.is_up("c1")
    assert lab.runs(server) == ["c1"]
    lab.nova.hosts.start_service("c1")
    lab.clock.advance(10)
    assert lab.is_up("c1")
    assert lab.state(server) == ("active", None, "c1")


def test_a_broken_bus_takes_all_hosts_down_at_once_and_no_guest(lab):
    server = lab.boot("c1")
    lab.nova.hosts.break_bus(broken=True)
    lab.clock.advance(11)
    assert [lab.is_up(name) for name in lab.nova.tables.hosts] == [False] * 4
    assert lab.runs(server) == ["c1"]
    lab.nova.hosts.break_bus(broken=False)
    assert all(lab.is_up(name) for name in lab.nova.tables.hosts)


def test_what_a_hung_nova_compute_was_asked_is_done_late(lab):
    server = lab.boot("c1")
    lab.nova.hosts.hang("c1", hung=True)
    lab.nova.power.ask(server, "stop", lab.origin())
    lab.clock.advance(60)
    assert lab.state(server) == ("active", "powering-off", "c1")
    with pytest.raises(Conflict, match="task_state powering-off"):
        lab.nova.power.ask(server, "stop", lab.origin())
    lab.nova.hosts.hang("c1", hung=False)
    assert lab.state(server) == ("stopped", None, "c1")
    assert lab.is_up("c1")


def test_forced_down_is_down_at_once_whatever_it_reports(lab):
    host = lab.host("c1")
    lab.nova.hosts.force_down(host, forced=True)
    assert not lab.is_up("c1")
    lab.nova.hosts.force_down(host, forced=False)
    assert lab.is_up("c1")


def test_a_reason_goes_with_the_enabling(lab):
    host = lab.host("c1")
    lab.nova.hosts.disable(host, "broken fan")
    assert (host.enabled, host.disabled_reason) == (False, "broken fan")
    lab.nova.hosts.enable(host)
    assert (host.enabled, host.disabled_reason) == (True, None)


def test_a_service_with_servers_stays(lab):
    lab.boot("c1")
    with pytest.raises(Conflict, match="hosting instances"):
        lab.nova.hosts.delete_service(lab.host("c1"))


def test_a_deleted_service_comes_back_only_with_its_process_and_with_another_id(lab):
    host = lab.host("c1")
    old = host.service_id
    aggregate = lab.nova.aggregates.create("a")
    lab.nova.aggregates.add_host(aggregate, "c1")
    lab.nova.hosts.delete_service(host)
    assert aggregate.hosts == []
    lab.clock.advance(30)
    assert host not in lab.nova.hosts.registered()
    with pytest.raises(NotThere):
        lab.nova.hosts.find_service(old)
    lab.nova.hosts.kill_service("c1")
    lab.nova.hosts.start_service("c1")
    assert host in lab.nova.hosts.registered()
    assert host.service_id not in (None, old)


def test_a_guest_that_starts_twice_is_a_split_brain(lab):
    server = lab.boot("c1")
    assert lab.nova.split_brains == []
    lab.nova.hosts.put_guest("c2", server.id, RUNNING)
    [found] = lab.nova.split_brains
    assert (found.server_id, set(found.hosts), found.at) == (server.id, {"c1", "c2"}, lab.clock.now())


def test_a_locked_zone(lab):
    first, second = lab.nova.aggregates.create("a", "z1"), lab.nova.aggregates.create("b", "z2")
    lab.nova.aggregates.add_host(first, "c1")
    assert (lab.nova.hosts.zone_of("c1"), lab.nova.hosts.zone_of("c2")) == ("z1", "nova")
    with pytest.raises(Conflict, match="already has host"):
        lab.nova.aggregates.add_host(first, "c1")
    with pytest.raises(Conflict, match="another availability zone"):
        lab.nova.aggregates.add_host(second, "c1")
    lab.boot("c2")
    with pytest.raises(Conflict, match="would change"):
        lab.nova.aggregates.add_host(second, "c2")
    lab.boot("c1")
    with pytest.raises(Conflict):
        lab.nova.aggregates.remove_host(first, "c1")
    with pytest.raises(Invalid, match="contain instances"):
        lab.nova.aggregates.set_metadata(first, {"availability_zone": "z3"})
    with pytest.raises(Invalid, match="not empty"):
        lab.nova.aggregates.delete(first)
    with pytest.raises(Conflict, match="exists"):
        lab.nova.aggregates.create("a")
