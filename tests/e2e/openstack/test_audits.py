"""Balancing an aggregate: an audit by the API, planned in a process of its own, made by Nova's live migrations."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.e2e.openstack.sites import moves
from tests.e2e.product import wait_until
from tests.e2e.tasks import task_of

OPTIONS = {"drs": {"min_gain": 0.0, "price_per_gb": 0.0, "min_improvement": 0.0, "hold_seconds": 0}}
"""The servers of tests are so small that no real balancer would move them."""


@pytest.fixture
def aggregate(site):
    """Of two hosts."""
    compute = site.sdk.compute
    made = compute.create_aggregate(name="balanced")
    for host in site.hosts[:2]:
        compute.add_host_to_aggregate(made, host)
    yield made.id
    for host in compute.get_aggregate(made.id).hosts:
        compute.remove_host_from_aggregate(made.id, host)
    compute.delete_aggregate(made.id)


def act(operator, aggregate, action, **body):
    return operator.product.post(f"/v1/aggregates/{aggregate}/actions/{action}", body)


def audit(operator, aggregate, audit_id):
    return operator.product.get(f"/v1/aggregates/{aggregate}/audits/{audit_id}").json()["audit"]


def execute(operator, aggregate, **body):
    """An audit that has come to its plan."""
    answer = act(operator, aggregate, "execute-audit", **body)
    assert answer.status_code == 202, answer.text
    operator.done(task_of(answer))
    return audit(operator, aggregate, answer.json()["audit"]["id"])


def test_a_skewed_aggregate_is_balanced_and_stays_so(operator, site, aggregate):
    full, empty = site.hosts[:2]
    servers = site.boot(full, 4)
    planned = execute(operator, aggregate)
    assert planned["status"] == "DONE"
    assert planned["moves"] == 2, planned["plan"]
    assert site.hosts_of(servers) == dict.fromkeys(servers, full)
    rehearsed = act(operator, aggregate, "apply-audit", audit_id=planned["id"], dry_run=True)
    assert [move["reason"] for move in rehearsed.json()["plan"]["moves"]] == [None, None]

    answer = act(operator, aggregate, "apply-audit", audit_id=planned["id"])
    assert answer.status_code == 202, answer.text
    assert act(operator, aggregate, "apply-audit", audit_id=planned["id"]).status_code == 409
    operator.done(task_of(answer))
    assert Counter(site.hosts_of(servers).values()) == {full: 2, empty: 2}
    wanted = {move["server_id"]: move["destination"] for move in planned["plan"]["moves"]}
    assert wanted.items() <= site.hosts_of(servers).items()
    assert +moves(site, servers) == dict.fromkeys(wanted, 1)
    applied = audit(operator, aggregate, planned["id"])
    assert applied["status"] == "APPLIED"
    assert [row["outcome"] for row in applied["outcomes"]] == ["moved", "moved"]

    again = execute(operator, aggregate)
    assert (again["status"], again["moves"]) == ("DONE", 0)
    assert again["plan"]["why_empty"].startswith("no move gains what it must")


def test_a_server_that_is_gone_is_skipped_and_said(operator, site, aggregate):
    servers = site.boot(site.hosts[0], 4)
    planned = execute(operator, aggregate)
    gone = planned["plan"]["moves"][0]["server_id"]
    site.sdk.compute.delete_server(gone, force=True)
    wait_until(lambda: gone not in site.servers_on(site.hosts[0]), within=60)
    task = operator.failed(task_of(act(operator, aggregate, "apply-audit", audit_id=planned["id"])))
    assert "1 of its 2 moves are no longer possible" in task["error"]
    stale = audit(operator, aggregate, planned["id"])
    assert stale["status"] == "STALE"
    assert "deleted, or moved by somebody else" in stale["outcomes"][0]["reason"]
    assert set(servers) - {gone} == set(site.servers_on(site.hosts[0]) + site.servers_on(site.hosts[1]))
