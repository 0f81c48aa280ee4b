"""Load from Prometheus: the queries that are the default, on the real one with a history of an hour."""

from __future__ import annotations

import time

import pytest

from cloudmanager.config import load
from cloudmanager.drs.cluster import Resource
from cloudmanager.errors import Misconfigured, Unavailable
from cloudmanager.load_sources.choice import source_for
from cloudmanager.openstack.records import Server
from tests.peers.prometheus import PrometheusServer, samples

pytestmark = pytest.mark.peer

CPU, RAM, DISK, NETWORK = Resource.CPU, Resource.RAM, Resource.DISK, Resource.NETWORK
STEP, MINUTES = 30, 70
GIB = 1 << 30
HOSTS = ("c1", "c2", "c3", "c4")
MOVED, IDLE, TWICE = "11111111-aaaa", "22222222-bbbb", "33333333-cccc"


def counted(rate, moments):
    """A counter with that rate; `rate` may depend on the seconds that are left until now."""
    points, total = [], 0.0
    for at in moments:
        points.append((at, total))
        total += STEP * (rate(moments[-1] - at) if callable(rate) else rate)
    return points


def still(value, moments):
    return [(at, value) for at in moments]


class History:
    """What node_exporter and the libvirt exporter told in the last hour and a bit, by metric."""

    def __init__(self):
        now = int(time.time())
        self.moments = [now - STEP * back for back in range(MINUTES * 60 // STEP, -1, -1)]
        self.series = {}

    def add(self, name, labels, make, value, *, since=0, until=MINUTES * 60):
        moments = self.moments[since // STEP : until // STEP + 1]
        self.series.setdefault(name, []).extend(samples(name, labels, make(value, moments)))

    def lines(self):
        return [line for lines in self.series.values() for line in lines]

    def host(self, name, cpu, **when):
        labels = {"job": "node", "instance": f"{name}:9100"}
        self.add("node_uname_info", {**labels, "nodename": f"{name}.example.org"}, still, 1, **when)
        for mode, rate in (("user", cpu), ("idle", 7.0), ("iowait", 3.0)):
            self.add("node_cpu_seconds_total", {**labels, "cpu": "0", "mode": mode}, counted, rate, **when)
        self.add("node_memory_MemTotal_bytes", labels, still, 64 * GIB, **when)
        self.add("node_memory_MemAvailable_bytes", labels, still, 40 * GIB, **when)
        for device, rate in (
            ("eno1", 1_000_000),
            ("eno1.100", 500_000),
            ("tap1", 700_000),
            ("lo", 9_000_000),
        ):
            for way in ("receive", "transmit"):
                metric = f"node_network_{way}_bytes_total"
                self.add(metric, {**labels, "device": device}, counted, rate, **when)

    def server(self, server_id, host, cpu, *, job="libvirt", **when):
        labels = {"job": job, "instance": f"{host}:9177", "domain": f"instance-{server_id[:4]}"}
        self.add("libvirt_domain_openstack_info", {**labels, "instance_id": server_id}, still, 1, **when)
        self.add("libvirt_domain_info_cpu_time_seconds_total", labels, counted, cpu, **when)
        self.add("libvirt_domain_memory_stats_rss_bytes", labels, still, 2 * GIB, **when)
        for way, rate in (("receive", 250_000), ("transmit", 125_000)):
            metric = f"libvirt_domain_interface_stats_{way}_bytes_total"
            for device in ("tap1", "tap2"):
                self.add(metric, {**labels, "target_device": device}, counted, rate, **when)


def history():
    made = History()
    made.host("c1", lambda left: 6.0 if left < 720 else 2.0)
    made.host("c2", 1.0)
    made.host("c3", 4.0, until=MINUTES * 60 - 1200)
    made.server(MOVED, "c1", 3.0, until=MINUTES * 60 - 900)
    made.server(MOVED, "c2", 1.0, since=MINUTES * 60 - 900)
    made.server(IDLE, "c2", 0.0)
    made.server(TWICE, "c2", 0.5)
    made.server(TWICE, "c2", 0.5, job="other")
    for name, value in (("odd", "NaN"), ("below", -1), ("huge", "+Inf"), ("good", 12)):
        made.add("disk_used", {"host": name}, still, value)
    return made.lines()


@pytest.fixture(scope="module")
def server():
    with PrometheusServer(history()) as running:
        yield running


def source(url, **options):
    given = {("drs_prometheus", name): value for name, value in options.items()}
    return source_for(
        load(overrides={("drs", "metrics"): "prometheus", ("prometheus", "url"): url} | given), None
    )


def machine(server_id):
    return Server(server_id, f"vm-{server_id[:2]}", "ACTIVE", "active", None, "c1")


async def measure(running, hosts=HOSTS, servers=(), **options):
    return await source(running.url, **options).measure(hosts, [machine(each) for each in servers])


async def test_hosts_by_node_exporter(server):
    found = await measure(server)
    assert set(found.hosts) == {"c1", "c2"}
    assert found.hosts["c2"] == {
        CPU: pytest.approx(1.0, rel=0.01),
        RAM: pytest.approx(24 * 1024),
        NETWORK: pytest.approx(16.0, rel=0.01),
    }
    assert "the cpu load of 1 hosts is not known: last measured more than 300 s ago (c3)" in found.notes
    assert "the ram load of 1 hosts is not known: the query finds nothing of them (c4)" in found.notes


@pytest.mark.parametrize(("percentile", "cores"), [(50.0, 2.0), (100.0, 6.0)])
async def test_the_percentile_is_of_the_time_that_is_looked_back_on(server, percentile, cores):
    found = await measure(server, percentile=percentile)
    assert found.hosts["c1"][CPU] == pytest.approx(cores, rel=0.02)


async def test_looking_back_for_less(server):
    found = await measure(server, percentile=50.0, look_back=600, max_age=2000)
    assert found.hosts["c1"][CPU] == pytest.approx(6.0, rel=0.02)


async def test_servers_by_the_libvirt_exporter(server):
    found = await measure(server, (), [MOVED, IDLE, TWICE, "not-there"])
    assert found.hosts == {}
    assert found.servers == {
        MOVED: {
            CPU: pytest.approx(1.0, rel=0.02),
            RAM: pytest.approx(2048),
            NETWORK: pytest.approx(6.0, rel=0.02),
        },
        IDLE: {CPU: 0.0, RAM: pytest.approx(2048), NETWORK: pytest.approx(6.0, rel=0.02)},
    }
    for resource in ("cpu", "ram", "network"):
        said = f"the {resource} load of 1 servers is not known: the query finds"
        assert f"{said} several series of each (vm-33)" in found.notes
        assert f"{said} nothing of them (vm-no)" in found.notes


async def test_what_is_no_load(server):
    names = ("odd", "below", "huge", "good")
    options = dict.fromkeys(("host_cpu", "host_ram", "host_network"), "")
    options |= {"host_label": "host", "host_disk": "disk_used # of hosts"}
    found = await measure(server, names, **options)
    assert found.hosts["good"] == {DISK: 12.0}
    said = "the disk load of 3 hosts is not known: what the query finds is not a number from 0 up"
    assert f"{said} (below, huge, odd)" in found.notes


async def test_labels_of_others_are_said(server):
    found = await measure(server, ("x1",), host_ram="", host_network="")
    assert found.hosts == {}
    said = "[drs_prometheus] host_cpu finds 3 series, but none of these hosts: the label nodename is "
    assert f"{said}c1.example.org, for example" in found.notes


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"host_cpu": "sum("}, r"host_cpu: .*parse error"),
        ({"server_ram": "disk_used * on () disk_used"}, r"server_ram: .*matching"),
        ({"host_cpu": "sum(disk_used)"}, r"host_cpu: what it finds has no label nodename"),
        ({"host_cpu": '"text"'}, r"host_cpu: .*string"),
    ],
    ids=["parse", "matching", "label", "text"],
)
async def test_a_query_that_is_of_no_use(server, options, said):
    with pytest.raises(Misconfigured, match=rf"\[drs_prometheus\] {said}"):
        await measure(server, HOSTS, [IDLE], **options)


async def test_one_that_is_frozen_is_not_waited_for(server):
    server.running.freeze()
    try:
        with pytest.raises(Unavailable, match=r"did not answer within 0\.3 s"):
            await measure(server, timeout=0.3)
    finally:
        server.running.thaw()
    assert (await measure(server)).hosts


async def test_nothing_to_measure(server):
    found = await measure(server, ())
    assert (found.hosts, found.servers, found.notes) == ({}, {}, ())
