"""OpenStack Ironic's API beside ours: its stock server, noauth, SQLite, in its own virtual environment."""

from __future__ import annotations

import json
import socket
import sqlite3
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from bench.peer_environment import Missing, install

if TYPE_CHECKING:
    from collections.abc import Iterator

HOME = Path(__file__).parents[1] / ".bench" / "ironic"
PACKAGES = ("ironic>=39,<40",)
START_WITHIN = 60.0
CONFIGURATION = """\
[DEFAULT]
auth_strategy = noauth
enabled_hardware_types = fake-hardware
rpc_transport = json-rpc
host = bench
log_dir = {directory}
[api]
host_ip = 127.0.0.1
port = {port}
api_workers = 1
max_limit = 100000
[database]
connection = sqlite:///{directory}/ironic.db
[oslo_messaging_notifications]
driver = noop
"""


@contextmanager
def ironic(directory: Path, count: int) -> Iterator[httpx.Client]:
    """A running API with so many nodes, and a client for it."""
    install(HOME, PACKAGES)
    port = _free_port()
    config = directory / "ironic.conf"
    config.write_text(CONFIGURATION.format(directory=directory, port=port))
    log = (directory / "ironic.out").open("wb")
    create = [HOME / "bin" / "ironic-dbsync", "--config-file", config, "create_schema"]
    subprocess.run(create, check=True, stdout=log, stderr=log)
    _fill(directory / "ironic.db", count)
    serve = [HOME / "bin" / "ironic-api", "--config-file", config]
    with subprocess.Popen(serve, stdout=log, stderr=log, start_new_session=True) as process:
        headers = {"X-OpenStack-Ironic-API-Version": "latest"}
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=600) as client:
                _await(client, process)
                yield client
        finally:
            process.terminate()
            process.wait(START_WITHIN)


def _fill(path: Path, count: int) -> None:
    """Nodes with what Ironic itself keeps of a node that is in use."""
    columns = (
        "uuid", "name", "driver", "driver_info", "properties", "extra", "instance_info",
        "driver_internal_info", "power_state", "provision_state", "resource_class", "owner", "description",
        "maintenance", "console_enabled", "conductor_group", "version", "created_at", "updated_at",
        "bios_interface", "boot_interface", "console_interface", "deploy_interface", "firmware_interface",
        "inspect_interface", "management_interface", "network_interface", "power_interface", "raid_interface",
        "rescue_interface", "storage_interface", "vendor_interface",
    )  # fmt: skip
    say = "from ironic.objects.node import Node; print(Node.VERSION)"
    command = [HOME / "bin" / "python", "-W", "ignore", "-c", say]
    version = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    with sqlite3.connect(path) as connection:
        marks = ", ".join("?" * len(columns))
        rows = [_row(number, version) for number in range(1, count + 1)]
        connection.executemany(f"INSERT INTO nodes ({', '.join(columns)}) VALUES ({marks})", rows)
    connection.close()


def _row(number: int, version: str) -> tuple[object, ...]:
    address = {"ipmi_address": f"10.{number >> 8 & 255}.{number & 255}.9", "ipmi_username": "ADMIN"}
    properties = {"cpus": 64, "memory_mb": 524288, "local_gb": 7680, "cpu_arch": "x86_64"}
    place = {"rack": 1 + number // 40, "unit": 1 + number % 40, "inventory_code": f"{number:08}"}
    texts = [json.dumps(each) for each in (address, properties, place, {}, {})]
    time_ = "2026-01-01 00:00:00.000000"
    return (
        uuid(number), f"node{number:05}", "fake-hardware", *texts, "power on", "active", "baremetal",
        "infrastructure", "bought in 2024, support until 2029", 0, 0, "", version, time_, time_, "no-bios",
        "fake", "no-console", "fake", "no-firmware", "no-inspect", "fake", "noop", "fake", "no-raid",
        "no-rescue", "noop", "no-vendor",
    )  # fmt: skip


def uuid(number: int) -> str:
    """The UUID of a node."""
    return f"00000000-0000-4000-8000-{number:012}"


def _free_port() -> int:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        port: int = opened.getsockname()[1]
        return port


def _await(client: httpx.Client, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + START_WITHIN
    while time.monotonic() < end and process.poll() is None:
        try:
            if client.get("/v1/nodes?limit=1").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise Missing("does not start")
