"""Power devices that die with their hosts, where nodes stop their servers once they lose their storages."""

from __future__ import annotations

import pytest

from tests.e2e.openstack.operator import story
from tests.e2e.openstack.sites import Simulated
from tests.e2e.openstack.watched import TRACKING

OPTIONS = {
    **TRACKING,
    "node_tracker": {
        **TRACKING["node_tracker"],
        "storage_fencing": True,
        "storage_silence": 3,
    },
}


@pytest.fixture(scope="module")
def cloud():
    """The simulated cloud: no other one loses BMCs."""
    cloud = Simulated()
    yield cloud
    cloud.stop()


def test_a_bmc_that_dies_with_its_host(watched, site, operator):
    """Nothing can be confirmed; that it is silent on every storage, where others write on, counts as fenced.

    Begun before the device is known to be silent, the first task tries to fence by it, and ends without harm.
    """
    host = site.hosts[0]
    servers = site.boot(host, 2)
    site.change(site.world.power_off, host)
    site.change(site.world.set_faults, f"bmc-{host}", dead=True)
    done = watched.succeeded(host)
    for tried in watched.evacuations():
        task = operator.task(tried["id"])
        why = "vouches" if tried["id"] == done else "no server was started elsewhere"
        assert any(why in step["message"] for step in task["steps"]), story(task)
    now = site.hosts_of(servers)
    assert host not in now.values()
    watched.assert_each_runs_once(now)


def test_a_bmc_and_the_storage_of_all_fail_while_the_host_runs(watched, site):
    """Silence of device and storage is no proof where nobody else is heard either."""
    host = site.hosts[1]
    servers = site.boot(host, 1)
    watched.beats.cut.update(site.hosts)
    watched.lose_management(host)
    watched.until_told("guard.refused")
    watched.assert_untouched(host, servers=servers)
    assert "the storage has failed" in watched.availability(host)["alarm"]


def test_a_bmc_fails_while_the_host_writes_on(watched, site):
    host = site.hosts[2]
    servers = site.boot(host, 1)
    watched.lose_management(host)
    watched.until_told("host.alive")
    watched.assert_untouched(host, servers=servers)
