"""Hosts that die, or seem to: what the product does by itself, and that no server ever runs twice."""

from __future__ import annotations

import time

import pytest

from cloudmanager.simulators.openstack.heartbeats import Heartbeats
from tests.e2e.product import wait_until

LOOP = 0.5
OPTIONS = {
    "node_tracker": {"loop_time": LOOP, "mutex": 2, "max_down_hosts": 1},
    "extra_availability_check": {
        "enabled": True,
        "delay": 1,
        "stale_after": 2,
        "max_clock_skew": 0.3,
    },
    "monitor": {"interval": 0.5, "longest_interval": 1, "refresh_interval": 0.5},
}
LONG = 8.0
"""Seconds in which a host that may be touched would have been."""


@pytest.fixture(scope="module")
def storage(cloud, running, tmp_path_factory):
    """An availability storage of all hosts, with their agents."""
    if cloud.real:
        pytest.skip("kills and cuts off hosts in ways that only the simulated cloud can")
    directory = tmp_path_factory.mktemp("beats")
    beats = Heartbeats(cloud.world, cloud.model.compute, directory, time.time, interval=0.2)
    cloud.run(beats.start())
    body = {"name": "beats", "compute_path": "/beats", "controller_path": str(directory)}
    made = running.product.post("/v1/availability-storages/", {"availability_storage": body}).json()
    key = made["availability_storage"]["id"]
    nodes = [running.node(host)["id"] for host in cloud.hosts]
    answer = running.product.post(f"/v1/availability-storages/{key}/nodes/", {"nodes": nodes})
    assert answer.status_code == 204, answer.text
    yield beats
    cloud.run(beats.stop())


@pytest.fixture
def watched(site, operator, storage):
    """The site while the product watches it; afterwards all is as it was, and no server ever ran twice."""
    computes = site.model.compute
    resets = {host: site.world.node(host).boots for host in site.hosts}
    watched = Watched(site, operator, storage, resets)
    yield watched
    assert computes.split_brains == []
    storage.cut.clear()
    storage.ahead.clear()
    for host in site.hosts:
        site.change(site.world.heal, f"bmc-{host}")
        if site.is_on(host):
            site.change(computes.hosts.start_service, host)
    operator.cancel_all()
    site.tidy()
    wait_until(lambda: all(watched.availability(host)["state"] == "up" for host in site.hosts), within=20)
    wait_until(
        lambda: all(watched.availability(host)["down_since"] is None for host in site.hosts), within=20
    )


class Watched:
    def __init__(self, site, operator, beats, boots):
        self.site, self.operator, self.beats = site, operator, beats
        self._boots = boots
        self._events = len(self._all_events())

    def _all_events(self):
        return self.operator.product.get("/v1/events/").json()["events"]

    def events(self):
        return [(row["kind"], row["subject"]) for row in self._all_events()[self._events :]]

    def kinds(self):
        return {
            kind for kind, _ in self.events() if not kind.startswith(("power.", "device.", "hypervisor."))
        }

    def until_told(self, kind, within=30):
        wait_until(lambda: kind in self.kinds(), within=within, why=self.events)

    def availability(self, host):
        answer = self.operator.product.get(f"/v1/hosts/{host}/availability")
        assert answer.status_code == 200, answer.text
        return answer.json()["availability"]

    def evacuations(self):
        tasks = self.operator.product.get("/v1/tasks/?name=evacuate-host&detail=true").json()["tasks"]
        return [
            task for task in tasks if task["requested_by"] == "node tracker" and task["status"] != "REVOKED"
        ]

    def lose_management(self, host):
        """Neither Nova nor we reach it any more; its servers run on."""
        self.site.change(self.site.model.compute.hosts.kill_service, host)
        self.site.change(self.site.world.set_faults, f"bmc-{host}", dead=True)

    def assert_untouched(self, *hosts, servers=()):
        """For long enough nothing is done to these hosts."""
        before = len(self.evacuations())
        where = self.site.hosts_of(servers)
        end = time.monotonic() + LONG
        while time.monotonic() < end:
            assert len(self.evacuations()) == before
            time.sleep(0.5)
        for host in hosts:
            assert self.site.is_on(host)
            assert self.site.world.node(host).boots == self._boots[host]
            assert self.site.service(host).status == "enabled"
        assert self.site.hosts_of(servers) == where


def test_a_plug_is_pulled(watched, site, operator):
    host = site.hosts[0]
    servers = site.boot(host, 3)
    before = len(watched.evacuations())
    site.change(site.world.power_off, host)
    wait_until(lambda: len(watched.evacuations()) > before, within=30, why=lambda: watched.availability(host))
    task = operator.done(watched.evacuations()[0]["id"])
    assert task["requested_by"] == "node tracker"
    now = site.hosts_of(servers)
    assert host not in now.values()
    assert all(site.model.compute.hosts.runs(server) == [now[server]] for server in servers)
    assert {("host.down", f"host:{host}"), ("host.evacuating", f"host:{host}")} <= set(watched.events())
    found = watched.availability(host)
    assert (found["state"], found["decision"]["outcome"]) == ("explained", "succeeded")
    assert len(watched.evacuations()) == before + 1


def test_only_its_management_network_is_cut(watched, site):
    host = site.hosts[1]
    servers = site.boot(host, 2)
    watched.lose_management(host)
    watched.until_told("host.alive")
    watched.assert_untouched(host, servers=servers)
    wait_until(lambda: watched.availability(host)["state"] == "refused", within=15)
    found = watched.availability(host)
    assert found["expected_servers"] == 2
    assert [row["sign"] for row in found["storages"]] == ["fresh"]
    assert "it is alive" in found["alarm"]


def test_a_bmc_that_says_off_while_the_host_runs(watched, site):
    host = site.hosts[0]
    servers = site.boot(host, 2)
    site.change(site.world.set_faults, f"bmc-{host}", lie_state="off", ignore_commands=True)
    site.change(site.model.compute.hosts.kill_service, host)
    watched.until_told("host.alive")
    watched.assert_untouched(host, servers=servers)
    assert all(site.model.compute.hosts.runs(server) == [host] for server in servers)


def test_a_service_that_flaps(watched, site):
    host = site.hosts[0]
    servers = site.boot(host, 1)
    hosts = site.model.compute.hosts
    for _ in range(4):
        site.change(hosts.kill_service, host)
        site.until(lambda: not site.is_up(host))
        site.change(hosts.start_service, host)
        site.until(lambda: site.is_up(host))
        time.sleep(LOOP)
    watched.assert_untouched(host, servers=servers)
    assert "host.evacuating" not in watched.kinds()


def test_half_of_all_hosts_at_once(watched, site):
    lost = site.hosts[:2]
    servers = site.boot(lost[0], 1) + site.boot(lost[1], 1)
    for host in lost:
        site.change(site.model.compute.hosts.kill_service, host)
        watched.beats.cut.add(host)
    watched.until_told("guard.refused")
    watched.assert_untouched(*lost, servers=servers)
    assert "more than max_down_hosts" in watched.availability(lost[0])["alarm"]


def test_a_storage_on_which_all_fall_silent(watched, site):
    host = site.hosts[0]
    servers = site.boot(host, 1)
    watched.beats.cut.update(site.hosts)
    time.sleep(OPTIONS["extra_availability_check"]["stale_after"] + 0.5)  # nobody's file is fresh any more
    site.change(site.model.compute.hosts.kill_service, host)
    watched.until_told("guard.refused")
    watched.assert_untouched(host, servers=servers)
    assert "the storage has failed" in watched.availability(host)["alarm"]


def test_a_clock_that_is_wrong(watched, site):
    host = site.hosts[0]
    servers = site.boot(host, 1)
    watched.beats.ahead[host] = 3600.0
    site.change(site.model.compute.hosts.kill_service, host)
    watched.until_told("host.alive")
    watched.assert_untouched(host, servers=servers)
    assert "ahead of ours" in watched.availability(host)["alarm"]


def test_a_hung_host_is_fenced_before_its_servers_run_elsewhere(watched, site, operator):
    """It runs, and shows no sign of life anywhere: cutting its power comes first."""
    host = site.hosts[0]
    servers = site.boot(host, 2)
    before = len(watched.evacuations())
    watched.beats.cut.add(host)
    site.change(site.model.compute.hosts.kill_service, host)
    wait_until(lambda: len(watched.evacuations()) > before, within=30, why=lambda: watched.availability(host))
    operator.done(watched.evacuations()[0]["id"])
    assert not site.is_on(host)
    assert host not in site.hosts_of(servers).values()


def test_a_host_that_cannot_be_fenced_keeps_its_servers(watched, site, operator):
    host = site.hosts[0]
    servers = site.boot(host, 1)
    before = len(watched.evacuations())
    watched.beats.cut.add(host)
    watched.lose_management(host)
    wait_until(lambda: len(watched.evacuations()) > before, within=30, why=lambda: watched.availability(host))
    task = operator.failed(watched.evacuations()[0]["id"])
    assert "not fenced" in task["error"]
    assert set(site.hosts_of(servers).values()) == {host}
    assert site.is_on(host)
