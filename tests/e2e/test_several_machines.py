"""The product as a site runs it past one machine: PostgreSQL, Redis, and several of each process.

The clock of one machine is an hour ahead; what is killed is what runs there.
"""

from __future__ import annotations

import time
from collections import Counter

import pytest

from bench.power import register
from bench.rack import rack
from tests.peers.faketime import wrong_clock
from tests.peers.postgresql import PostgreSql

from .machines import Site
from .product import wait_until

pytestmark = pytest.mark.peer

NODES = 20


@pytest.fixture
def site(tmp_path):
    with PostgreSql() as server, Site(tmp_path, server.create("site")) as site:
        yield site


@pytest.fixture
def client(site):
    client = site.start_all(first=wrong_clock(3600))
    yield client
    client.close()


def statuses(client, tasks):
    return Counter(client.get(task).json()["status"] for task in tasks)


def power_states(client):
    return Counter(node["power_state"] for node in client.get("/v1/nodes/").json()["nodes"])


@pytest.mark.timeout(240)
def test_whatever_is_killed_the_work_is_done(site, client):
    with rack(NODES) as ports:
        nodes = register(client, ports)
        assert client.post("/v1/nodes/actions/reset", {"node_ids": nodes}).json()["failed"] == []

        tasks = [client.post(f"/v1/nodes/{node}/actions/power-off").headers["Location"] for node in nodes]
        for name in ("worker1", "scheduler1", "monitor1"):
            site.kill(name)
        wait_until(lambda: statuses(client, tasks) == {"SUCCESS": NODES}, within=60, why=site.logs)
        assert power_states(client) == {"power_off": NODES}

        site.kill("broker")
        task = client.post(f"/v1/nodes/{nodes[0]}/actions/power-on")
        assert task.status_code == 202, "without a broker the request is taken, and done later"
        not_ready = client.get("/readyz")
        assert not_ready.status_code == 503
        assert not_ready.json()["broker"]["ok"] is False
        site.start_broker()
        tasks = [task.headers["Location"]]
        wait_until(lambda: statuses(client, tasks) == {"SUCCESS": 1}, within=80, why=site.logs)

        wait_until(
            lambda: power_states(client) == {"power_off": NODES - 1, "power_on": 1}, within=40, why=site.logs
        )
        time.sleep(2)  # the monitor that is left looks at all of them
        assert client.get("/v1/events/count").json() == {"count": 0}, "our own doing is no drift"
    codes = site.end()
    assert {name: code for name, code in codes.items() if code} == {}, site.logs()
