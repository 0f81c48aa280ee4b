"""Emptying a host of 50 servers, 4 at a time: ours, and OpenStack's own command line in a shell loop."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.report import Report, median
from cloudmanager.simulators.openstack.compute.rows import Server
from tests.compute_cloud import RunningComputeCloud
from tests.e2e.product import Product
from tests.keystone import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Iterator

PARALLEL = 4
SOURCE, TARGETS = "full", ("free1", "free2", "free3")
ENDED = ("SUCCESS", "FAILURE", "REVOKED")
_RUNNING = 1


def drain(report: Report, *, quick: bool) -> None:
    """Wall time against the ideal, which is the sum of all migrations' times by 4, and requests to Nova."""
    servers, seconds, rounds = (8, 1.0, 1) if quick else (50, 5.0, 3)
    ideal = servers * seconds / PARALLEL
    runs: dict[str, list[tuple[float, int]]] = {}
    with _cloud(seconds) as cloud, _product(cloud) as product:
        for _ in range(rounds):
            for what, way in (("cloudmanager", _by_task), ("openstack, xargs -P4", _by_shell)):
                _refill(cloud, servers)
                asked = _asked(cloud)
                begun = time.perf_counter()
                way(cloud, product)
                taken = time.perf_counter() - begun
                runs.setdefault(what, []).append((taken, _asked(cloud) - asked))
                left = [server for server in cloud.nova.tables.servers.values() if server.host == SOURCE]
                if left:
                    raise RuntimeError(f"{what} left {len(left)} servers on their host")
    report.add(what="ideal", servers=servers, runs=0, median_s=ideal, times_ideal=1.0, asked_per_server="")
    for what, taken in runs.items():
        wall = median([each for each, _ in taken])
        report.add(
            what=what,
            servers=servers,
            runs=len(taken),
            median_s=wall,
            times_ideal=wall / ideal,
            asked_per_server=median([asked for _, asked in taken]) / servers,
        )


# --- the cloud ---------------------------------------------------------------------------------------------


@contextmanager
def _cloud(seconds: float) -> Iterator[RunningComputeCloud]:
    with RunningComputeCloud() as cloud:
        cloud.nova.timings.live_migration = seconds
        cloud.nova.timings.max_concurrent_live_migrations = PARALLEL
        cloud.nova.timings.report_interval, cloud.nova.timings.service_down_time = 2.0, 8.0
        for name in (SOURCE, *TARGETS):
            cloud.do(cloud.world.add_node, name, on=True)
            cloud.do(cloud.nova.add_host, name, vcpus=256, memory_mb=262144, disk_gb=1000)
        time.sleep(cloud.nova.timings.boot + 1)
        yield cloud


def _refill(cloud: RunningComputeCloud, count: int) -> None:
    """All servers back on their host; new ones the first time."""
    cloud.do(_put_back, cloud, count)


def _put_back(cloud: RunningComputeCloud, count: int) -> None:
    nova = cloud.nova
    for server in list(nova.tables.servers.values()):
        nova.hosts.drop_guest(server.host, server.id)
        nova.place(server, SOURCE)
        nova.hosts.put_guest(SOURCE, server.id, _RUNNING)
    for _ in range(count - len(nova.tables.servers)):
        now = cloud.world.clock.now()
        number = nova.tables.next_number("server")
        server = Server(
            name=f"vm-{number:03}",
            number=number,
            project_id=cloud.fleet.id,
            user_id=cloud.user("admin").id,
            flavor=cloud.small,
            image_id=cloud.image.id,
            created_at=now,
            updated_at=now,
            launched_at=now,
        )
        nova.tables.add_server(server)
        nova.place(server, SOURCE)
        server.vm_state, server.task_state, server.power_state = "active", None, _RUNNING
        nova.hosts.put_guest(SOURCE, server.id, _RUNNING)


def _asked(cloud: RunningComputeCloud) -> int:
    """How many requests Nova has had."""
    return cloud.openstack.servers["nova"].asked


# --- the ways ----------------------------------------------------------------------------------------------


@contextmanager
def _product(cloud: RunningComputeCloud) -> Iterator[Product]:
    config: dict[str, dict[str, Any]] = {
        "log": {"level": "warning"},
        "nova": {
            "auth_url": cloud.url,
            "username": "admin",
            "password": PASSWORD,
            "project_name": "fleet",
            "interface": "public",
        },
        "hosts": {"poll_interval": 0.25, "migrations_per_source": PARALLEL},
    }
    with (
        tempfile.TemporaryDirectory(prefix="bench.") as directory,
        Product(Path(directory) / "state", config=config) as product,
    ):
        yield product


def _by_task(_cloud: RunningComputeCloud, product: Product) -> None:
    """One request, and a look at its task now and then."""
    task = product.post(f"/v1/hosts/{SOURCE}/actions/evacuate").raise_for_status().json()["task_id"]
    while (state := product.get(f"/v1/tasks/{task}").json())["status"] not in ENDED:
        time.sleep(0.1)
    if state["status"] != "SUCCESS":
        raise RuntimeError(state["error"])
    product.post(f"/v1/hosts/{SOURCE}/actions/uncordon").raise_for_status()


def _by_shell(cloud: RunningComputeCloud, _product: Product) -> None:
    """What an administrator would type, the list of servers included."""
    client = Path(sys.executable).with_name("openstack")
    environment = {
        **os.environ,
        "OS_AUTH_URL": cloud.url,
        "OS_USERNAME": "admin",
        "OS_PASSWORD": PASSWORD,
        "OS_PROJECT_NAME": "fleet",
        "OS_USER_DOMAIN_NAME": "Default",
        "OS_PROJECT_DOMAIN_NAME": "Default",
        "OS_COMPUTE_API_VERSION": "2.96",
    }
    script = (
        f"{client} compute service set --disable {SOURCE} nova-compute && "
        f"{client} server list --all-projects --host {SOURCE} -f value -c ID | "
        f"xargs -P{PARALLEL} -I% {client} server migrate --live-migration --wait % && "
        f"{client} compute service set --enable {SOURCE} nova-compute"
    )
    subprocess.run(["sh", "-c", script], env=environment, check=True, stdout=subprocess.DEVNULL)
