"""Hosts that die, or seem to: what the product does by itself, and that no server ever runs twice."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from standardwebhooks import Webhook

from tests.contract.cloud.sites import HOST
from tests.e2e.openstack.watched import TRACKING
from tests.e2e.product import wait_until

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def OPTIONS(cloud):  # noqa: N802  # as the constants of other files
    """Hosts that are dead before a test begins, which a real cloud may have, do not forbid it."""
    dead = len(cloud.dead_hosts())
    tracker = TRACKING["node_tracker"] | {"max_down_hosts": 1 + dead, "partition_share": 100}
    return {**TRACKING, "node_tracker": tracker, "webhooks": {"retry_delay": 0.3}}


@pytest.fixture
def agents(watched):
    """What only a simulated cloud can be made to suffer."""
    if watched.beats is None:
        pytest.skip("kills and cuts off hosts in ways that only the simulated cloud can")
    return watched.beats


@contextmanager
def receiver(*answers):
    """Hears webhooks, and answers so before it says 204: its address, and (headers, body) of what it heard."""
    heard, left = [], list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            status = left.pop(0) if left else 204
            heard.append((status, dict(self.headers), body))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer((HOST, 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_port}/alarms", heard
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_plug_is_pulled(watched, site, operator):
    """Its servers run elsewhere in the end, once; whoever wants to know is told, signed, in spite of a 500."""
    host = site.hosts[0]
    servers = site.boot(host, 3)
    with receiver(500) as (url, heard):
        hook = {"url": url, "secret": SECRET, "kinds": ["host.*", "fence.*", "evacuation.*"]}
        made = operator.product.post("/v1/webhooks/", {"webhook": hook})
        assert made.status_code == 201, made.text
        sys.stdout.write(f"pulled at {datetime.now(UTC):%H:%M:%S}\n")
        site.change(site.world.power_off, host)
        task = operator.done(watched.evacuation_of(host))
        now = site.hosts_of(servers)
        assert host not in now.values()
        watched.assert_each_runs_once(now)
        assert watched.subjects("host.down", "host.evacuating") == {f"host:{host}"}
        found = watched.availability(host)
        assert (found["state"], found["decision"]["outcome"]) == ("explained", "succeeded")
        assert [each["id"] for each in watched.evacuations()] == [task["id"]]
        wait_until(lambda: len(told(heard)) == 4, within=20, why=lambda: str(heard))
        operator.product.request("DELETE", f"/v1/webhooks/{made.json()['webhook']['id']}")
    assert heard[0][0] == 500
    assert heard[0][2] == heard[1][2]  # the same again, before the others
    assert {event["subject"] for event in told(heard)} == {f"host:{host}"}
    kinds = [event["type"].removeprefix("cloudmanager.") for event in told(heard)]
    assert sorted(kinds) == ["evacuation.succeeded", "fence.succeeded", "host.down", "host.evacuating"]
    assert kinds.index("fence.succeeded") < kinds.index("evacuation.succeeded")
    [end] = [event for event in told(heard) if event["type"] == "cloudmanager.evacuation.succeeded"]
    assert end["data"]["task_id"] == task["id"]


def told(heard):
    """What was accepted; who made the standard has verified the signature of each."""
    return [Webhook(SECRET).verify(body, headers) for status, headers, body in heard if status == 204]


def test_only_its_management_network_is_cut(agents, watched, site):
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


def test_a_bmc_that_says_off_while_the_host_runs(agents, watched, site):
    host = site.hosts[0]
    servers = site.boot(host, 2)
    site.change(site.world.set_faults, f"bmc-{host}", lie_state="off", ignore_commands=True)
    site.change(site.model.compute.hosts.kill_service, host)
    watched.until_told("host.alive")
    watched.assert_untouched(host, servers=servers)
    watched.assert_each_runs_once(dict.fromkeys(servers, host))


def test_a_service_that_flaps(agents, watched, site):
    host = site.hosts[0]
    servers = site.boot(host, 1)
    hosts = site.model.compute.hosts
    for _ in range(3):
        site.change(hosts.kill_service, host)
        site.until(lambda: not site.is_up(host))
        site.change(hosts.start_service, host)
        site.until(lambda: site.is_up(host))
        time.sleep(TRACKING["node_tracker"]["loop_time"])
    watched.assert_untouched(host, servers=servers)
    assert "host.evacuating" not in watched.kinds()


def test_a_whole_rack_without_power(agents, watched, site):
    rack = site.hosts[:2]
    servers = site.boot(rack[0], 1) + site.boot(rack[1], 1)
    for host in rack:
        site.change(site.world.power_off, host)
    watched.until_told("guard.refused")
    watched.assert_nothing_is_begun(servers)
    assert "more than max_down_hosts" in watched.availability(rack[0])["alarm"]


def test_half_of_all_hosts_at_once(agents, watched, site):
    lost = site.hosts[:2]
    servers = site.boot(lost[0], 1) + site.boot(lost[1], 1)
    for host in lost:
        site.change(site.model.compute.hosts.kill_service, host)
        agents.cut.add(host)
    watched.until_told("guard.refused")
    watched.assert_untouched(*lost, servers=servers)
    assert "more than max_down_hosts" in watched.availability(lost[0])["alarm"]


def test_a_storage_fails_together_with_a_network(agents, watched, site):
    """The heartbeats of the others look as fresh as may be when the host is decided on."""
    host = site.hosts[0]
    servers = site.boot(host, 1)
    agents.cut.update(site.hosts)
    site.change(site.model.compute.hosts.kill_service, host)
    watched.until_told("guard.refused")
    watched.assert_untouched(host, servers=servers)
    assert "the storage has failed" in watched.availability(host)["alarm"]


@pytest.mark.parametrize("ahead", [3600.0, -3600.0])
def test_a_clock_jumps(agents, watched, site, ahead):
    host = site.hosts[0]
    servers = site.boot(host, 1)
    agents.ahead[host] = ahead
    site.change(site.model.compute.hosts.kill_service, host)
    watched.until_told("host.alive")
    watched.assert_untouched(host, servers=servers)
    assert "clock" in watched.availability(host)["alarm"]


def test_a_hung_host_is_fenced_before_its_servers_run_elsewhere(agents, watched, site, operator):
    """It runs, and shows no sign of life anywhere: cutting its power comes first."""
    host = site.hosts[0]
    servers = site.boot(host, 2)
    agents.cut.add(host)
    site.change(site.model.compute.hosts.kill_service, host)
    operator.done(watched.evacuation_of(host))
    assert not site.is_on(host)
    assert host not in site.hosts_of(servers).values()


def test_a_host_that_cannot_be_fenced_keeps_its_servers(agents, watched, site, operator):
    host = site.hosts[1]
    servers = site.boot(host, 1)
    agents.cut.add(host)
    watched.lose_management(host)
    task = operator.failed(watched.evacuation_of(host))
    assert "not fenced" in task["error"]
    assert set(site.hosts_of(servers).values()) == {host}
    assert site.is_on(host)


def test_monitors_that_are_killed_again_and_again(agents, watched, site, operator):
    """Whenever one dies, before the decision or after it, the host is evacuated once."""
    host = site.hosts[2]
    servers = site.boot(host, 2)
    site.change(site.world.power_off, host)
    killed = 0
    for kind in ("host.down", "host.evacuating"):
        for pid in operator.product.pids_of("monitor"):
            os.kill(pid, signal.SIGKILL)
            killed += 1
        watched.until_told(kind, within=40)
    assert killed >= 2
    operator.done(watched.evacuation_of(host))
    watched.assert_each_runs_once(site.hosts_of(servers))
    assert host not in site.hosts_of(servers).values()
