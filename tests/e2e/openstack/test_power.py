"""Hosts whose power is part of it: shut down, retired, restarted, found dead, come back."""

from __future__ import annotations

from tests.e2e.openstack.operator import rows
from tests.e2e.openstack.sites import moves

HOSTS_OPTIONS = {"migrations_per_source": 2}


def test_shutdown_empties_a_host_and_then_switches_it_off(operator, site):
    host = site.hosts[0]
    servers = site.boot(host, 2)
    task = operator.done(operator.ask(host, "shutdown"))
    assert rows(task).keys() == set(servers)
    assert moves(site, servers) == dict.fromkeys(servers, 1)
    assert {site.state(server) for server in servers} == {("active", None)}
    assert not site.is_on(host)
    assert operator.node(host)["power_state"] == "power_off"
    site.until(lambda: not site.is_up(host))
    assert site.service(host).status == "disabled"


def test_decommission_says_so_in_the_inventory(operator, site):
    host = site.hosts[1]
    [server] = site.boot(host)
    operator.done(operator.ask(host, "decommission", power_off=True))
    assert site.hosts_of([server])[server] != host
    assert operator.node(host)["condition"] == 0
    assert not site.is_on(host)
    assert site.service(host).status == "disabled"


def test_restart_in_sequence_has_one_host_out_at_a_time(operator, site):
    hosts = site.hosts[:2]
    servers = [server for host in hosts for server in site.boot(host)]
    before = {host: site.world.node(host).boots for host in hosts}
    seen = len(site.world.history)
    task = operator.done(operator.restart(hosts, in_sequence=True), within=240)
    assert task["result"] == {"success": hosts, "failed": [], "not_begun": []}
    assert {host: site.world.node(host).boots - before[host] for host in hosts} == dict.fromkeys(hosts, 1)
    switched = [
        (event.subject, event.what) for event in list(site.world.history)[seen:] if event.subject in hosts
    ]
    first, second = hosts
    assert switched == [
        *((first, what) for what in ("power button", "shutdown", "power on")),
        *((second, what) for what in ("power button", "shutdown", "power on")),
    ]
    assert {site.state(server) for server in servers} == {("active", None)}
    for host in hosts:
        assert site.is_up(host)
        assert site.service(host).status == "enabled"


def test_restart_of_a_batch_brings_all_back(operator, site):
    hosts = site.hosts[:3]
    servers = [server for host in hosts for server in site.boot(host, 2)]
    before = {host: site.world.node(host).boots for host in hosts}
    task = operator.done(operator.restart(hosts, batch=2), within=240)
    assert sorted(task["result"]["success"]) == sorted(hosts)
    assert {host: site.world.node(host).boots - before[host] for host in hosts} == dict.fromkeys(hosts, 1)
    assert {site.state(server) for server in servers} == {("active", None)}
    assert {(site.is_up(host), site.service(host).status) for host in hosts} == {(True, "enabled")}


def test_a_dead_host_is_fenced_evacuated_and_released_when_it_is_back_clean(operator, site):
    host = site.hosts[0]
    running, stopped, broken, never = site.boot(host, 4)
    site.act(stopped, "stop_server", "stopped")
    site.sdk.compute.reset_server_state(broken, "error")
    site.sdk.compute.set_server_metadata(never, recovery_priority="0")
    site.press_power_off(host)

    task = operator.failed(operator.ask(host, "evacuate"))
    assert never in task["error"]
    assert "recovery priority is 0" in task["error"]
    found = rows(task)
    assert found.keys() == {running, stopped, broken}
    assert {(row["way"], row["from"]) for row in found.values()} == {("evacuate", host)}
    assert moves(site, found) == dict.fromkeys(found, 1)
    now = site.hosts_of(found)
    for server_id, row in found.items():
        assert row["to"] == now[server_id] != host
        assert row["request_id"] in site.request_ids(server_id)
    fences = [step for step in task["steps"] if step["name"] == "fence"]
    assert "power-off of node" in fences[-1]["message"]
    assert site.service(host).is_forced_down
    assert site.hosts_of([never]) == {never: host}
    [waiting] = [each for each in operator.open_tasks() if each["name"] == "await-return"]
    assert waiting["status"] in ("STARTED", "RETRY", "PENDING")

    site.power_on(host)
    operator.done(waiting["id"])
    service = site.service(host)
    assert (service.is_forced_down, service.status) == (False, "enabled")
    site.until(lambda: site.is_up(host))
    assert site.servers_on(host) == [never]


def test_a_bmc_that_is_silent_is_no_proof_of_death_but_an_admins_word_counts(operator, site):
    host = site.hosts[2]
    [server] = site.boot(host)
    site.press_power_off(host)
    site.change(site.world.set_faults, f"bmc-{host}", dead=True)
    task = operator.failed(operator.ask(host, "evacuate"))
    assert "is not fenced, so no server was started elsewhere" in task["error"]
    assert site.migrations(server) == []
    assert site.hosts_of([server]) == {server: host}

    task = operator.done(operator.ask(host, "evacuate", fenced=True))
    assert site.hosts_of([server])[server] != host
    assert any("vouches" in step["message"] for step in task["steps"] if step["message"])
    site.change(site.world.heal)


def test_an_evacuation_that_fails_is_tried_again(operator, site):
    host, *others = site.hosts
    [server] = site.boot(host)
    site.press_power_off(host)
    for other in others:
        site.fail("evacuate", other, message="no room", count=1)
    task = operator.done(operator.ask(host, "evacuate"))
    assert rows(task)[server]["outcome"] == "moved"
    assert [row["status"] for row in site.migrations(server)] == ["done", "failed"]
    assert site.state(server)[1] is None
