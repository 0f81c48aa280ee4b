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
