"""A site whose hosts the product tracks: what it has told and done, and that nobody was touched."""

from __future__ import annotations

import time
from contextlib import contextmanager

from cloudmanager.simulators.openstack.heartbeats import Heartbeats
from tests.e2e.product import wait_until

TRACKING = {
    "node_tracker": {"loop_time": 0.5, "mutex": 2, "max_down_hosts": 1},
    "extra_availability_check": {
        "enabled": True,
        "delay": 1,
        "stale_after": 1.5,
        "max_clock_skew": 0.3,
    },
    "monitor": {"interval": 0.5, "longest_interval": 1, "refresh_interval": 0.5},
}
"""Quick: a host is down 1 s after its last report, and decided on 1 s later."""

LONG = 3.0
"""Seconds in which a host that may be touched would have been."""


@contextmanager
def shared_storage(cloud, running, directory):
    """An availability storage of all hosts, with their agents."""
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


class Watched:
    """What the product has made of a site since the test began. `beats` None: a real site, without agents."""

    def __init__(self, site, operator, beats):
        self.site, self.operator, self.beats = site, operator, beats
        self._boots = {host: site.world.node(host).boots for host in site.hosts}
        self._events = len(self._all_events())
        self._before = {task["id"] for task in self._all_evacuations()}

    def _all_events(self):
        return self.operator.product.get("/v1/events/").json()["events"]

    def _all_evacuations(self):
        tasks = self.operator.product.get("/v1/tasks/?name=evacuate-host&detail=true").json()["tasks"]
        return [
            task for task in tasks if task["requested_by"] == "node tracker" and task["status"] != "REVOKED"
        ]

    def events(self):
        return [(row["kind"], row["subject"]) for row in self._all_events()[self._events :]]

    def kinds(self):
        return {
            kind for kind, _ in self.events() if not kind.startswith(("power.", "device.", "hypervisor."))
        }

    def until_told(self, kind, within=30):
        wait_until(lambda: kind in self.kinds(), within=within, why=self.events)

    def subjects(self, *kinds):
        return {subject for kind, subject in self.events() if kind in kinds}

    def availability(self, host):
        answer = self.operator.product.get(f"/v1/hosts/{host}/availability")
        assert answer.status_code == 200, answer.text
        return answer.json()["availability"]

    def evacuations(self):
        return [task for task in self._all_evacuations() if task["id"] not in self._before]

    def evacuation_of(self, host):
        """The task that is begun, in the end, for a host."""
        wait_until(self.evacuations, within=self.site.patience + 20, why=lambda: str(self.availability(host)))
        [task] = self.evacuations()
        return task["id"]

    def succeeded(self, host):
        """The task that evacuated a host, perhaps after others that could not."""

        def found():
            return [task for task in self.evacuations() if task["status"] == "SUCCESS"]

        wait_until(found, within=self.site.patience + 40, why=lambda: str(self.availability(host)))
        [task] = found()
        return task["id"]

    def assert_each_runs_once(self, where):
        """Each server runs on its host and nowhere else, as far as that can be seen."""
        assert all(self.site.state(server) == ("active", None) for server in where)
        if not self.site.real:
            hosts = self.site.model.compute.hosts
            assert {server: hosts.runs(server) for server in where} == {
                server: [host] for server, host in where.items()
            }

    def lose_management(self, host):
        """Neither Nova nor we reach it any more; its servers run on."""
        self.site.change(self.site.model.compute.hosts.kill_service, host)
        self.site.change(self.site.world.set_faults, f"bmc-{host}", dead=True)

    def assert_nothing_is_begun(self, servers=()):
        """For long enough no host is evacuated and no server moves."""
        where = self.site.hosts_of(servers)
        end = time.monotonic() + LONG
        while time.monotonic() < end:
            assert self.evacuations() == []
            time.sleep(0.5)
        assert self.site.hosts_of(servers) == where

    def assert_untouched(self, *hosts, servers=()):
        """The same, and these hosts run on as before."""
        self.assert_nothing_is_begun(servers)
        for host in hosts:
            assert self.site.is_on(host)
            assert self.site.world.node(host).boots == self._boots[host]
            assert self.site.service(host).status == "enabled"

    def restore(self):
        """All is as it was, and no server ever ran twice."""
        if self.beats is not None:
            self._restore_simulated()
        self.operator.cancel_all()
        self.site.tidy()
        wait_until(self._all_are_up, within=self.site.patience)

    def _restore_simulated(self):
        site, computes = self.site, self.site.model.compute
        assert computes.split_brains == []
        self.beats.cut.clear()
        self.beats.ahead.clear()
        for host in site.hosts:
            site.change(site.world.heal, f"bmc-{host}")
            if site.is_on(host):
                site.change(computes.hosts.start_service, host)

    def _all_are_up(self):
        found = [self.availability(host) for host in self.site.hosts]
        return all(each["state"] == "up" and each["down_since"] is None for each in found)
