"""`cloudmanager power`, without and with the database, against BMCs of OpenIPMI and those of the demo."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.peers.ipmi_sim import IpmiSim
from tests.peers.programs import program


@pytest.fixture(scope="module")
def sim():
    with IpmiSim(5, program=program("ipmi_sim")) as sim:
        yield sim


@pytest.fixture
def devices(sim, tmp_path):
    """The options that name the five BMCs; the password is in a file of its own."""
    listed, secret = tmp_path / "devices.csv", tmp_path / "password"
    lines = (f"SupermicroRackDevice,{bmc.host},{bmc.port},{bmc.login}," for bmc in sim.bmcs)
    listed.write_text("control_type,host,port,login,password\n" + "\n".join(lines))
    secret.write_text(f"{sim.bmcs[0].password}\n")
    return "--from-file", str(listed), "--password-file", str(secret)


def power(*arguments):
    command = [sys.executable, "-m", "cloudmanager", "power", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.peer
def test_a_file_of_devices_is_enough(sim, devices):
    on = power("on", *devices)
    assert on.returncode == 0, on.stderr
    assert "5 of 5 done" in on.stderr
    assert [sim.is_on(number) for number in range(5)] == [True] * 5
    assert power("reset", *devices).returncode == 0
    assert [sim.resets(number) for number in range(5)] == [1] * 5
    sim.set_on(3, False)
    status = json.loads(power("status", *devices, "--repeat", "3", "--json").stdout)
    assert status["devices"] == 5
    assert [result["state"] for result in status["results"]] == ["on", "on", "on", "off", "on"]
    assert status["results"][0] == {
        "host": sim.bmcs[0].host,
        "port": sim.bmcs[0].port,
        "state": "on",
        "error": None,
    }
    assert [(each["on"], each["off"], each["unknown"]) for each in status["polls"]] == [(4, 1, 0)] * 3
    assert all(each["wall_s"] > 0 and each["cpu_s"] > 0 for each in status["polls"])
    off = json.loads(power("off", *devices, "--json").stdout)
    assert {result["status"] for result in off["results"]} == {"SUCCESS"}
    assert [sim.is_on(number) for number in range(5)] == [False] * 5


@pytest.mark.peer
def test_what_cannot_be_read_is_unknown_and_told(sim, devices, tmp_path):
    wrong = tmp_path / "wrong"
    wrong.write_text("guessed")
    said = power("status", *devices[:2], "--password-file", str(wrong), "--timeout", "1")
    assert said.returncode == 1
    assert said.stdout.count("unknown") == 5
    assert "refused the credentials" in said.stdout
    assert "guessed" not in said.stdout + said.stderr


def test_nodes_of_the_inventory_by_name_and_with_their_locks(demo):
    assert "r1n01.demo.local: on" in demo.cli("power", "status", "r1n01*").stdout
    assert demo.cli("power", "off", "r1n01.demo.local").returncode == 0
    assert demo.get("/v1/nodes/1").json()["node"]["power_state"] == "power_off"
    [*_, action] = demo.get("/v1/nodes/1/power-actions/").json()["power_actions"]
    assert (action["action"], action["result"]) == ("power_off", "SUCCESS")
    assert action["user_name"].startswith("command line: ")
    assert demo.cli("power", "on", "1").returncode == 0
    assert demo.get("/v1/nodes/1").json()["node"]["power_state"] == "power_on"


def test_all_are_those_with_a_control(demo):
    made = demo.post("/v1/nodes/", {"node": {"name": "without-control"}}).json()["node"]["id"]
    said = demo.cli("power", "status", "--all")
    alone = demo.cli("power", "status", "without-control")
    demo.request("DELETE", f"/v1/nodes/{made}")
    assert "r3n20.demo.local: o" in said.stdout
    assert "without-control" not in said.stdout
    assert (alone.returncode, "has no power control" in alone.stderr) == (2, True)


def test_a_node_that_a_task_holds_is_left_alone(demo):
    demo.cli("lab", "fault", "bmc-r1n02", "lag=1")
    try:
        task = demo.post("/v1/nodes/2/actions/reset").headers["Location"].rsplit("/", 1)[1]
        said = demo.cli("power", "off", "2")
    finally:
        demo.cli("lab", "heal", "bmc-r1n02")
    assert said.returncode == 1
    assert task in said.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "say which"),
        (("nobody",), "no node has the id or name 'nobody'"),
        (("--all", "1"), "say which"),
        (("1", "--from-file", "x.csv"), "not both"),
        (("--from-file", "x.csv"), "x.csv: No such file"),
        (("1", "--password-file", "x"), "goes with --from-file"),
    ],
)
def test_mistakes_are_told_in_one_line(demo, arguments, words):
    said = demo.cli("power", "status", *arguments)
    assert (said.returncode, said.stderr.count("\n")) == (2, 1), said.stderr
    assert words in said.stderr
