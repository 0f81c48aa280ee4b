"""From the plug that is pulled to the last of its servers running elsewhere, on the simulated data centre."""

from __future__ import annotations

import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path

from tests.contract.cloud.sites import HOST
from tests.e2e.openstack.operator import Operator
from tests.e2e.openstack.sites import LOGIN, PASSWORD, Simulated
from tests.e2e.product import Product

SERVERS = 20
SETTINGS = {
    "fast": {"report": 3.0, "down_after": 9.0, "node_tracker": {"loop_time": 3, "mutex": 2}},
    "default": {"report": 10.0, "down_after": 60.0, "node_tracker": {}},
}
_DEFAULTS = {"loop_time": 30, "mutex": 3}
_LONGEST = 400.0


def pulled(report, *, quick):
    """Seconds of each part; `promised` is service_down_time and mutex x loop_time, which nobody can save."""
    for name in ("fast",) if quick else ("fast", "fast", "fast", "default"):
        found = _measure(SETTINGS[name], SERVERS)
        report.add(settings=name, servers=SERVERS, **{key: round(value, 1) for key, value in found.items()})


def _measure(settings, servers):
    cloud = Simulated()
    try:
        timings = cloud.model.compute.timings
        cloud.change(setattr, timings, "report_interval", settings["report"])
        cloud.change(setattr, timings, "service_down_time", settings["down_after"])
        time.sleep(settings["report"])
        tracker = {"max_down_hosts": 1, **settings["node_tracker"]}
        config = {"nova": cloud.nova, "node_tracker": tracker, "log": {"level": "warning"}}
        with (
            tempfile.TemporaryDirectory(prefix="bench.") as directory,
            Product(Path(directory) / "state", config=config) as product,
        ):
            times = _pull(cloud, product, servers)
    finally:
        cloud.stop()
    waits = _DEFAULTS | settings["node_tracker"]
    promised = settings["down_after"] + waits["mutex"] * waits["loop_time"]
    return {**times, "promised": promised, "beyond": times["in_all"] - promised}


def _pull(cloud, product, count):
    operator = Operator(product)
    for host, port in cloud.bmcs.ports.items():
        operator.register(host, HOST, port, LOGIN, PASSWORD)
    host = cloud.hosts[0]
    servers = cloud.boot(host, count)
    _until(lambda: all(operator.node(each)["power_state"] == "power_on" for each in cloud.hosts))
    pulled_at = time.time()
    cloud.change(cloud.world.power_off, host)
    _until(lambda: _tables(cloud).hosts[host].forced_down)
    fenced_at = time.time()
    _until(lambda: all(_runs_elsewhere(cloud, server, host) for server in servers))
    ended_at = time.time()
    down_since, decided_at = _noted(product, host)
    if cloud.model.compute.split_brains:
        raise RuntimeError("a server ran twice")
    return {
        "detect": down_since - pulled_at,
        "decide": decided_at - down_since,
        "fence": fenced_at - decided_at,
        "evacuate": ended_at - fenced_at,
        "in_all": ended_at - pulled_at,
    }


def _tables(cloud):
    return cloud.model.compute.tables


def _runs_elsewhere(cloud, server_id, host):
    row = _tables(cloud).servers[server_id]
    return row.host != host and row.vm_state == "active" and row.task_state is None


def _noted(product, host):
    """When the product saw it down first, and when it decided, as its database has it."""
    path = product.state_dir / "cloudmanager.db"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        query = "SELECT down_since, decided_at FROM tracked_hosts WHERE host = ?"
        return database.execute(query, (host,)).fetchone()


def _until(condition):
    end = time.monotonic() + _LONGEST
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError("it takes too long")
        time.sleep(0.02)
