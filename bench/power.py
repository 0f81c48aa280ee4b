"""Power through REST: what we add to a device's own lag, and a fleet beside `ipmitool` and `ipmipower`."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.rack import HOST, LOGIN, PASSWORD, rack
from bench.report import Report, median, percentile
from tests.e2e.product import Product

if TYPE_CHECKING:
    from collections.abc import Iterator

POWER_LAG = 0.2
"""Seconds that a simulated machine takes to change its state."""

IRONIC_WORKERS = 8
"""The default of `[conductor] sync_power_state_workers`, as Ironic's guide to its power sync names it."""

_PATIENCE = 300
"""Seconds for a bulk action: a busy machine is measured too."""

ENDED = ("SUCCESS", "FAILURE", "REVOKED")


def overhead(report: Report, *, quick: bool) -> None:
    """REST, coil confirmed, task SUCCESS: the time over the machine's own lag."""
    rounds = 5 if quick else 60
    with rack(1) as ports, _product() as product:
        [node_id] = register(product, ports)
        seconds: dict[str, list[float]] = {"power-off": [], "power-on": []}
        for _ in range(rounds):
            for action, taken in seconds.items():
                taken.append(_one_action(product, node_id, action) - POWER_LAG)
    for action, taken in seconds.items():
        milliseconds = [1000 * each for each in taken]
        report.add(
            what=f"{action}, over the device's own {POWER_LAG} s",
            runs=len(taken),
            p50_ms=percentile(milliseconds, 0.5),
            p95_ms=percentile(milliseconds, 0.95),
        )


def bulk_reset(report: Report, *, quick: bool) -> None:
    """Restart 200 machines: ours through REST until all are confirmed, the others until they return."""
    count, rounds = (20, 1) if quick else (200, 5)
    unlimited = {"power": {"fleet_rate": 0, "rack_rate": 0}}
    with rack(count) as ports:
        runs: dict[str, list[float]] = {}
        with _product(unlimited) as product:
            nodes = register(product, ports)
            for _ in range(rounds):
                _note(
                    runs,
                    "cloudmanager, REST until all confirmed and recorded",
                    _switch_all,
                    product,
                    "reset",
                    nodes,
                )
                _note(runs, "ipmitool, xargs -P16", _by_ipmitool, ports, "reset")
                _note(runs, "ipmipower, its default fan-out", _by_ipmipower, ports, "--reset")
        with _product() as product:
            nodes = register(product, ports)
            for _ in range(rounds):
                _note(
                    runs,
                    "cloudmanager, with its default stagger of 50 nodes/s a rack",
                    _switch_all,
                    product,
                    "reset",
                    nodes,
                )
    for what, taken in runs.items():
        report.add(what=what, nodes=count, runs=len(taken), median_s=median(taken), slowest_s=max(taken))


def bulk_on(report: Report, *, quick: bool) -> None:
    """Switch 1,000 machines on that are off: ours until all are confirmed, `ipmipower` until all accepted."""
    count, rounds = (20, 1) if quick else (1000, 3)
    unlimited = {"power": {"fleet_rate": 0, "rack_rate": 0}}
    runs: dict[str, list[float]] = {}
    with rack(count) as ports, _product(unlimited) as product:
        nodes = register(product, ports)
        for _ in range(rounds):
            _switch_off(ports)
            what = "cloudmanager, REST until all confirmed and recorded"
            _note(runs, what, _switch_all, product, "power-on", nodes)
            _switch_off(ports)
            _note(runs, "ipmipower, its default fan-out, commands accepted", _by_ipmipower, ports, "--on")
        single: dict[str, list[float]] = {}
        for port in ports[: 4 * rounds]:
            _note(single, "ipmitool", _by_ipmitool, [port], "on")
    for what, taken in runs.items():
        report.add(what=what, nodes=count, runs=len(taken), median_s=median(taken), slowest_s=max(taken))
    by_turns = median(single["ipmitool"]) * count / IRONIC_WORKERS
    what = f"arithmetic, not measured: {IRONIC_WORKERS} workers as in Ironic, one ipmitool after another"
    report.add(what=what, nodes=count, runs=0, median_s=by_turns, slowest_s="")


def _switch_off(ports: list[int]) -> None:
    _by_ipmipower(ports, "--off")
    time.sleep(2 * POWER_LAG)


@contextmanager
def _product(config: dict[str, dict[str, Any]] | None = None) -> Iterator[Product]:
    with tempfile.TemporaryDirectory(prefix="bench.") as directory:
        quiet = {"log": {"level": "warning"}, **(config or {})}
        with Product(Path(directory) / "state", config=quiet) as product:
            yield product


def register(product: Product, ports: list[int]) -> list[int]:
    """A node and its power control for each port, in racks of 40; answers the nodes' ids."""
    return [_register(product, number, port) for number, port in enumerate(ports)]


def _register(product: Product, number: int, port: int) -> int:
    control = product.post(
        "/v1/power-controls/",
        {
            "power_control": {
                "control_type": "SupermicroRackDevice",
                "protocol_type": "ipmi",
                "host": HOST,
                "port_number": port,
                "login": LOGIN,
                "password": PASSWORD,
            }
        },
    ).json()["power_control"]
    place = {"rack_number": number // 40 + 1, "unit_number": number % 40 + 1}
    node_id: int = product.post("/v1/nodes/", {"node": {"name": f"b{number:05}", **place}}).json()["node"][
        "id"
    ]
    assignment = {"power_control_id": control["id"], "power_control_port": "1"}
    product.post(f"/v1/nodes/{node_id}/power-controls/", assignment).raise_for_status()
    return node_id


def _one_action(product: Product, node_id: int, action: str) -> float:
    begun = time.perf_counter()
    task = product.post(f"/v1/nodes/{node_id}/actions/{action}").headers["Location"]
    time.sleep(POWER_LAG)
    while (status := product.get(task).json()["status"]) not in ENDED:
        time.sleep(0.002)
    assert status == "SUCCESS", status
    return time.perf_counter() - begun


def _switch_all(product: Product, action: str, nodes: list[int]) -> None:
    path = f"/v1/nodes/actions/{action}?wait={_PATIENCE}"
    outcome = product.post(path, {"node_ids": nodes}).json()
    assert outcome["failed"] == [], outcome


def _by_ipmitool(ports: list[int], action: str) -> None:
    command = [
        *("xargs", "-P16", "-n1", _program("ipmitool"), "-I", "lanplus", "-C", "3", "-H", HOST),
        *("-U", LOGIN, "-E", "power", action, "-p"),
    ]
    subprocess.run(
        command,
        input="\n".join(map(str, ports)),
        env={**os.environ, "IPMI_PASSWORD": PASSWORD},
        text=True,
        stdout=subprocess.DEVNULL,
        check=True,
    )


def _by_ipmipower(ports: list[int], action: str) -> None:
    hosts = ",".join(f"{HOST}:{port}" for port in ports)
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as config:
        config.write(f"username {LOGIN}\npassword {PASSWORD}\ndriver-type LAN_2_0\n")
        config.flush()
        command = [_program("ipmipower"), "--config-file", config.name, "-h", hosts, action]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.count(": ok") == len(ports), said[:500]


def _program(name: str) -> str:
    found = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin")
    if found is None:
        raise SystemExit(f"{name} is not installed: run `make peers`")
    return found


def _note(runs: dict[str, list[float]], what: str, action: Any, *arguments: Any) -> Any:
    begun = time.perf_counter()
    done = action(*arguments)
    runs.setdefault(what, []).append(time.perf_counter() - begun)
    return done
