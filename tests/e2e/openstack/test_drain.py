"""Emptying hosts that are up, with all processes of the product and a cloud on real sockets."""

from __future__ import annotations

from tests.e2e.openstack.operator import rows
from tests.e2e.openstack.sites import moves


def test_a_host_that_is_up_is_drained(operator, site):
    host = site.hosts[0]
    servers = site.boot(host, 3)
    task = operator.done(operator.ask(host, "evacuate"))
    found = rows(task)
    assert found.keys() == set(servers)
    assert site.servers_on(host) == []
    now = site.hosts_of(servers)
    for server_id, row in found.items():
        assert (row["outcome"], row["way"], row["from"], row["to"]) == ("moved", "live", host, now[server_id])
        assert row["request_id"] in site.request_ids(server_id)
    assert moves(site, servers) == dict.fromkeys(servers, 1)
    assert site.service(host).status == "disabled"
    assert task["id"] in site.service(host).disabled_reason
    assert site.is_on(host)


def test_verdicts_say_what_cannot_move_and_what_would_change_that(operator, site):
    host, other = site.hosts[:2]
    running, stopped, paused, locked, rescued, broken = site.boot(host, 6)
    [resized] = site.boot(other)
    site.act(stopped, "stop_server", "stopped")
    site.act(paused, "pause_server", "paused")
    site.sdk.compute.lock_server(locked, "audit")
    site.act(rescued, "rescue_server", "rescued")
    site.sdk.compute.reset_server_state(broken, "error")
    site.sdk.compute.migrate_server(resized, host=host)
    site.until(lambda: site.state(resized) == ("resized", None))

    plan = operator.plan(host, "evacuate")
    verdicts = {row["server_id"]: row for row in plan["servers"]}
    assert verdicts.keys() == {running, stopped, paused, locked, rescued, broken, resized}
    assert {server_id for server_id, row in verdicts.items() if row["ways"]} == {running, paused}
    assert verdicts[stopped]["option"] == "allow_off_vm: true"
    assert verdicts[locked]["option"] == "move_locked: true, or unlock it"
    assert "audit" in verdicts[locked]["reason"]
    assert "unrescue it first" in verdicts[rescued]["option"]
    assert "repair it first" in verdicts[broken]["option"]
    assert "confirm or revert its resize first" in verdicts[resized]["option"]
    more = operator.plan(host, "evacuate", allow_off_vm=True, move_locked=True)["servers"]
    assert {row["server_id"] for row in more if row["ways"]} == {running, paused, stopped, locked}
    assert site.service(host).status == "enabled"
    assert moves(site, [running, stopped, paused, locked, rescued, broken, resized]).total() == 1

    refused = operator.failed(operator.ask(host, "shutdown", allow_off_vm=True))
    assert "nothing was touched" in refused["error"]
    assert site.service(host).status == "enabled"
    assert site.is_on(host)

    task = operator.failed(operator.ask(host, "evacuate", allow_off_vm=True, move_locked=True))
    assert {server_id: row["way"] for server_id, row in rows(task).items()} == {
        running: "live",
        paused: "live",
        locked: "live",
        stopped: "cold",
    }
    for left in (rescued, broken, resized):
        assert left in task["error"]
    assert set(site.servers_on(host)) == {rescued, broken, resized}
    assert site.state(paused) == ("paused", None)
    assert site.state(stopped) == ("stopped", None)
    assert moves(site, [running, stopped, paused, locked]) == dict.fromkeys(
        (running, stopped, paused, locked), 1
    )
    assert site.service(host).status == "enabled", "the cordon is taken back"


def test_a_live_migration_that_fails_half_way_is_tried_again(operator, site):
    host = site.hosts[0]
    [server] = site.boot(host)
    site.fail("live_migration", host, message="no convergence", count=1)
    task = operator.done(operator.ask(host, "evacuate"))
    assert rows(task)[server]["outcome"] == "moved"
    assert [row["status"] for row in site.migrations(server)] == ["completed", "failed"]
    assert site.state(server) == ("active", None)


def test_destinations_that_refuse_leave_the_server_where_it_is(operator, site):
    host = site.hosts[0]
    [server] = site.boot(host)
    for other in site.hosts[1:]:
        site.fail("pre_check", other, message="no such cpu")
    task = operator.failed(operator.ask(host, "evacuate"))
    assert rows(task)[server]["outcome"] == "failed"
    assert server in task["error"]
    assert {row["status"] for row in site.migrations(server)} == {"error"}
    assert len(site.migrations(server)) == 2
    assert site.hosts_of([server]) == {server: host}
    assert site.state(server) == ("active", None)
    assert site.service(host).status == "enabled"

    task = operator.done(operator.ask(host, "evacuate", allow_off_vm=True))
    assert rows(task)[server]["way"] == "cold"
    assert site.state(server) == ("active", None)


def test_one_destination_that_refuses_is_passed_over(operator, site):
    host, refusing, *others = site.hosts
    servers = site.boot(host, 2)
    site.fail("pre_check", refusing, message="no such cpu")
    task = operator.done(operator.ask(host, "evacuate"))
    assert {row["to"] for row in rows(task).values()} <= set(others)
    assert moves(site, servers) == dict.fromkeys(servers, 1)


def test_a_drain_that_is_cancelled_leaves_every_server_at_rest_and_the_host_in_use(operator, site):
    host = site.hosts[0]
    servers = site.boot(host, 6)
    site.slow_down(host, 3)
    task_id = operator.ask(host, "evacuate")
    site.until(lambda: any(site.state(server)[1] == "migrating" for server in servers))
    operator.cancel(task_id)
    operator.cancelled(task_id)
    states = {server: site.state(server) for server in servers}
    assert set(states.values()) == {("active", None)}
    begun = [server for server in servers if site.migrations(server)]
    assert 0 < len(begun) < len(servers)
    assert moves(site, begun) == dict.fromkeys(begun, 1)
    assert set(site.servers_on(host)) == {server for server in servers if not _has_moved(site, server)}
    assert site.service(host).status == "enabled"


def _has_moved(site, server_id):
    return any(row["status"] == "completed" for row in site.migrations(server_id))


def test_two_tasks_never_have_the_same_host_or_server(operator, site):
    host, other = site.hosts[:2]
    servers = site.boot(host, 2)
    site.slow_down(host, 4)
    first = operator.ask(host, "evacuate")
    second = operator.product.post(f"/v1/hosts/{host}/actions/shutdown", {})
    assert second.status_code == 409
    assert first in second.json()["error"]["message"]
    assert operator.product.post(f"/v1/hosts/{host}/actions/uncordon").status_code == 409
    site.until(lambda: all(site.migrations(server) for server in servers))
    waits = operator.restart([host, other], in_sequence=True)
    operator.until(waits, lambda task: f"held by task {first}" in (task["message"] or ""))
    operator.cancel(waits)
    operator.cancelled(waits)
    operator.done(first)
    assert moves(site, servers) == dict.fromkeys(servers, 1)
