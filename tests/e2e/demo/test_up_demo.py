"""`cloudmanager demo`: the seeded fleet."""

from __future__ import annotations

import json
import stat
import subprocess
from collections import Counter
from pathlib import Path

import httpx

from cloudmanager import config
from cloudmanager.oidc import IssuerKeys, Verifier
from tests.e2e.openrc import log_in
from tests.e2e.product import wait_until


def test_the_fleet_is_there(demo):
    nodes = demo.get("/v1/nodes").json()["nodes"]

    assert Counter(node["rack_number"] for node in nodes) == {1: 20, 2: 20, 3: 20, 4: 6, 5: 7, 6: 4, 7: 2}
    assert Counter(node["power_state"] for node in nodes)["power_on"] > 40
    assert {node["unit_number"] for node in nodes} == set(range(1, 21))
    assert demo.get("/v1/nodes/count").json() == {"count": 79}
    controls = demo.get("/v1/power-controls").json()["power_controls"]
    assert Counter(control["control_type"] for control in controls) == {
        "SupermicroRackDevice": 62,
        "ET7067": 1,
        "DaenetIP2": 1,
        "DaenetIP2_ACPI": 1,
        "RedfishDevice": 2,
        "IntelAMT": 2,
        "SshDevice": 1,
    }


def test_machines_of_all_kinds_are_switched(demo):
    nodes = {node["name"]: node for node in demo.get("/v1/nodes").json()["nodes"]}
    wanted = [nodes[f"{name}.demo.local"]["id"] for name in ("r4n03", "r5n01", "r5n06", "r6n01")]
    assert demo.post("/v1/nodes/actions/reset", {"node_ids": wanted}).json() == {
        "success": wanted,
        "failed": [],
    }


def test_hypervisors_find_their_nodes(demo):
    def known():
        return [node for node in demo.get("/v1/nodes").json()["nodes"] if node["hypervisor_id"]]

    wait_until(lambda: len(known()) == 60, within=60, why=lambda: f"{len(known())} are known")
    assert demo.get("/v1/nodes/count").json() == {"count": 79}
    assert all(node["cpu_allocation_ratio"] and node["active"] for node in known())
    node = demo.get(f"/v1/nodes/{known()[0]['id']}?with_os_object=true").json()["node"]
    assert node["os_hypervisor"]["id"] == node["hypervisor_id"]
    assert node["os_hypervisor"]["cpu_info"]["arch"]
    assert "0 created, 0 updated, 0 vanished" in demo.cli("inventory", "sync", "--dry-run").stdout


def test_lab_commands_speak_to_the_simulated_machines(demo):
    status = json.loads(demo.cli("lab", "status", "--json").stdout)
    assert len(status["nodes"]) == 79
    assert "r1n01" in demo.cli("lab", "status").stdout

    fault = demo.cli("lab", "fault", "bmc-r1n01", "lag=0.1", "dead=true")
    assert json.loads(fault.stdout) == {"lag": 0.1, "dead": True}
    assert "dead=true" in demo.cli("lab", "status").stdout
    assert demo.cli("lab", "heal", "bmc-r1n01").returncode == 0
    assert "dead" not in demo.cli("lab", "status").stdout

    unknown = demo.cli("lab", "fault", "bmc-nowhere", "dead=true")
    assert (unknown.returncode, unknown.stderr.count("\n")) == (2, 1)


def test_lab_commands_disturb_the_cloud(demo):
    services = json.loads(demo.cli("lab", "status", "--json").stdout)["services"]
    assert {row["name"] for row in services} == {
        "keystone",
        "nova",
        "placement",
        "cinder",
        "glance",
        "neutron",
        "keycloak",
    }
    cinder = next(row for row in services if row["name"] == "cinder")
    url = f"http://{cinder['host']}:{cinder['port']}/v3/volumes"
    assert httpx.get(url, headers={"X-Auth-Token": demo.token}).status_code == 200
    assert json.loads(demo.cli("lab", "fault", "cinder", "status=503").stdout) == {"status": 503}
    assert "[status=503]" in demo.cli("lab", "status").stdout
    assert httpx.get(url, headers={"X-Auth-Token": demo.token}).status_code == 503
    assert demo.cli("lab", "heal", "cinder").returncode == 0
    assert httpx.get(url, headers={"X-Auth-Token": demo.token}).status_code == 200
    wrong = demo.cli("lab", "fault", "cinder", "fail=everything")
    assert (wrong.returncode, "known are create, delete" in wrong.stderr) == (2, True)


def test_credentials_are_for_their_owner_alone(demo):
    for file in (demo.directory.openrc, demo.directory.reader_openrc, demo.directory.token_file):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    reader = log_in(demo.directory.reader_openrc)
    assert httpx.get(f"{demo.url}/v1/nodes/1", headers={"X-Auth-Token": reader}).status_code == 200
    off = httpx.post(f"{demo.url}/v1/nodes/1/actions/power-off", headers={"X-Auth-Token": reader})
    assert off.status_code == 403
    assert httpx.get(f"{demo.url}/v1/nodes/1", headers={"X-Auth-Token": "nonsense"}).status_code == 401


def test_a_tenant_gets_tokens_that_the_portal_takes(demo):
    options = config.load(demo.directory.config_file).oidc
    tokens = {tenant: _tenants_token(demo, f"{tenant}-owner") for tenant in ("shop", "lab")}
    for tenant, token in tokens.items():
        claims = Verifier(options, IssuerKeys(options)).verify(token)
        assert claims["groups"] == [f"/tenants/{tenant}"]
    kid = demo.cli("lab", "rotate-keys").stdout.strip()
    assert IssuerKeys(options).find(kid)["kty"] == "RSA"
    for token in (tokens["shop"], _tenants_token(demo, "shop-owner")):
        headers = {"Authorization": f"Bearer {token}"}
        overview = httpx.get(f"{demo.url}/api/cloud/compute/overview", headers=headers).json()
        assert overview["instances"]["limit"] == 1000 >= overview["instances"]["used"] > 300
    spoilt = {"Authorization": f"Bearer {tokens['shop'][:-4]}AAAA"}
    assert httpx.get(f"{demo.url}/api/cloud/compute/overview", headers=spoilt).status_code == 401


def _tenants_token(demo, name):
    """What the script of the demo prints."""
    script = demo.directory.portal_token_script(name)
    assert stat.S_IMODE(script.stat().st_mode) == 0o600
    got = subprocess.run(["sh", script], capture_output=True, text=True, check=True, timeout=30)
    return got.stdout.strip()


def test_the_calls_of_the_readme_work_when_pasted(demo):
    readme = Path(__file__).parents[3] / "README.md"
    section = readme.read_text().partition("## The main job")[2]
    script = section.partition("```bash\n")[2].partition("```")[0]
    script = script.replace("http://127.0.0.1:9362", demo.url).replace(".demo", str(demo.state_dir))

    assert script.count("curl ") == 5
    result = subprocess.run(
        ["bash", "-eu", "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert '"name":"r1n01.demo.local"' in result.stdout
    assert '"name":"power-off"' in result.stdout
    assert "HTTP/1.1 202" in result.stdout
    assert '"success":[2,3,4],"failed":[]' in result.stdout
    wait_until(lambda: demo.get("/v1/nodes/1").json()["node"]["power_state"] == "power_on", within=20)


def test_a_volume_is_moved_to_another_disk(demo):
    backends = demo.get("/v1/volume-backends/").json()
    assert [backend["host"] for backend in backends] == ["storage1.demo.local", "storage2.demo.local"]
    assert [backend["error"] for backend in backends] == [None, None]
    volumes = [each for each in demo.get("/v1/volumes/").json()["volumes"] if each["logical_volume"]]
    small = min(volumes, key=lambda each: float(each["logical_volume"]["lv_size"].rstrip("g")))
    [device] = small["logical_volume"]["devices"]
    wanted = next(
        disk["pv_name"]
        for backend in backends
        if backend["host"] == small["host"]
        for disk in backend["physical_volumes"]
        if disk["pv_name"] != device["pv"] and float(disk["pv_free"].rstrip("g")) > 100
    )
    path = f"/v1/volumes/{small['volume_id']}"
    body = {"source_pv": device["pv"], "dest_pv": wanted}
    started = demo.post(f"{path}/actions/pv-migrate", body)
    assert (started.status_code, started.content) == (202, b"")

    def task():
        return demo.get(started.headers["Location"]).json()

    wait_until(lambda: task()["ended_at"], within=60, why=lambda: task()["message"])
    assert (task()["status"], task()["error"]) == ("SUCCESS", None)
    assert task()["progress"]["done"] == task()["progress"]["total"] > 0
    shown = demo.get(path).json()["volume"]["logical_volume"]
    assert shown["devices"] == [{"pv": wanted, "seg_size": device["seg_size"]}]
    refused = demo.post(f"{path}/actions/mirror", {"mirror_count": 9})
    assert refused.status_code == 409
    assert "each on physical volumes of its own" in refused.json()["error"]["message"]
