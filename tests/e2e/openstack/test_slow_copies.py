"""Live migrations that take long: what a policy does about those that do not end, and what is not one of them."""

from __future__ import annotations

from tests.e2e.openstack.operator import rows
from tests.e2e.openstack.sites import moves

HOSTS_OPTIONS = {"live_migration_timeout": 5}
FOR_EVER = 100


def test_servers_that_wait_for_their_turn_are_not_slow(operator, site):
    host = site.hosts[0]
    servers = site.boot(host, 4)
    site.copy_one_at_a_time()
    site.slow_down(host, 2.5)
    task = operator.done(operator.ask(host, "evacuate", policy="leave"))
    assert rows(task).keys() == set(servers)
    assert moves(site, servers) == dict.fromkeys(servers, 1)
    assert max(row["seconds"] for row in rows(task).values()) > HOSTS_OPTIONS["live_migration_timeout"]


def test_a_copy_without_end_is_forced_where_that_is_the_policy(operator, site):
    host = site.hosts[0]
    [server] = site.boot(host)
    site.slow_down(host, FOR_EVER)
    task = operator.done(operator.ask(host, "evacuate", policy="force-complete"))
    assert rows(task)[server]["way"] == "live"
    [record] = site.migrations(server)
    assert record["status"] == "completed"


def test_a_copy_without_end_is_left_or_goes_cold(operator, site):
    host = site.hosts[0]
    [server] = site.boot(host)
    site.slow_down(host, FOR_EVER)
    task = operator.failed(operator.ask(host, "evacuate", policy="leave"))
    assert "left where it is: not converged" in task["error"]
    assert site.state(server) == ("active", None)
    assert site.hosts_of([server]) == {server: host}

    task = operator.done(operator.ask(host, "evacuate", policy="cold", allow_off_vm=True))
    assert rows(task)[server]["way"] == "cold"
    assert [row["status"] for row in site.migrations(server)] == ["confirmed", "cancelled", "cancelled"]
    assert site.state(server) == ("active", None)
