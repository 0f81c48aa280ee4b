"""A drain of a full host while processes, the database, the broker and the cloud come and go; simulated alone."""

from __future__ import annotations

import time

import pytest

from cloudmanager.simulators.http_faults import HttpFaults
from tests.contract.cloud.sites import HOST
from tests.e2e.machines import Site
from tests.e2e.openstack.conftest import CONFIG
from tests.e2e.openstack.operator import Operator, rows
from tests.e2e.openstack.sites import LOGIN, PASSWORD, Simulated, moves
from tests.peers.postgresql import PostgreSql

pytestmark = [pytest.mark.peer, pytest.mark.timeout(240)]

SERVERS = 20


@pytest.fixture(scope="module")
def cloud():
    """The simulated cloud: no other one can be broken so."""
    cloud = Simulated()
    yield cloud
    cloud.stop()


@pytest.fixture(scope="module")
def database():
    with PostgreSql() as server:
        yield server


@pytest.fixture(scope="module")
def processes(cloud, database, tmp_path_factory):
    """Two workers and two schedulers, PostgreSQL and a broker; each can be killed."""
    config = {**CONFIG, "nova": {**cloud.nova, "timeout": 1.0}}
    config["flows"] = {**CONFIG["flows"], "max_attempts": 10}
    with Site(tmp_path_factory.mktemp("site"), database.create("site"), config) as processes:
        yield processes


@pytest.fixture(scope="module")
def running(cloud, processes):
    client = processes.start_all(monitors=0)
    operator = Operator(client)
    for host, port in cloud.bmcs.ports.items():
        operator.register(host, HOST, port, LOGIN, PASSWORD)
    yield operator
    client.close()


@pytest.fixture
def full(operator, site):
    """A host with many servers, which leave it slowly enough to be disturbed."""
    host = site.hosts[0]
    return host, site.boot(host, SERVERS)


def moved_right(operator, site, host, servers, task_id):
    """Every server is elsewhere, at rest, and was moved once."""
    task = operator.done(task_id, within=150)
    assert {row["outcome"] for row in rows(task).values()} == {"moved"}
    assert rows(task).keys() == set(servers)
    assert site.servers_on(host) == []
    assert {site.state(server) for server in servers} == {("active", None)}
    assert moves(site, servers) == dict.fromkeys(servers, 1)


def has_moved(site, number):
    """Wait until so many have been moved: looked up in the cloud itself, whose API may be broken."""

    def moved():
        return sum(
            server.host != "c1" and not server.deleted
            for server in site.model.compute.tables.servers.values()
        )

    site.until(lambda: site.change(moved) >= number, 60)


def test_workers_that_are_killed_move_no_server_twice_and_lose_none(operator, site, full, processes):
    host, servers = full
    task_id = operator.ask(host, "evacuate")
    for number in range(1, 4):
        has_moved(site, 4 * number)
        name = f"worker{number % 2 + 1}"
        processes.kill(name)
        processes.start(name, "worker", "--name", f"w{number}")
    moved_right(operator, site, host, servers, task_id)


def test_a_broker_and_a_database_that_restart_change_nothing(operator, site, full, processes, database):
    host, servers = full
    task_id = operator.ask(host, "evacuate")
    has_moved(site, 4)
    processes.kill("broker")
    time.sleep(1)
    processes.start_broker()
    has_moved(site, 8)
    database.stop()
    time.sleep(1)
    database.start()
    moved_right(operator, site, host, servers, task_id)


def test_a_nova_that_fails_one_time_in_five_changes_nothing(operator, site, full):
    host, servers = full
    nova = site.model.servers["nova"]
    task_id = operator.ask(host, "evacuate")
    for status, number in ((503, 4), (500, 8), (504, 12)):
        nova.faults = HttpFaults(status=status, probability=0.2)
        has_moved(site, number)
    nova.faults = HttpFaults()
    moved_right(operator, site, host, servers, task_id)


def test_a_nova_that_answers_too_late_and_tokens_that_end_change_nothing(operator, site, full):
    host, servers = full
    nova = site.model.servers["nova"]
    task_id = operator.ask(host, "evacuate")
    for _ in range(3):
        time.sleep(1.0)
        site.change(site.model.identity.expire_tokens)
        nova.faults = HttpFaults(lag=2.5)
        time.sleep(0.5)
        nova.faults = HttpFaults()
    moved_right(operator, site, host, servers, task_id)
