import asyncio
import json
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cloudmanager.simulators.control import Control, ControlError, ControlServer
from cloudmanager.simulators.datacentre import DataCentre
from cloudmanager.simulators.world import Action

PING = b"\x06\x00\xff\x06\x00\x00\x11\xbe\x80\x2a\x00\x00"
SERVE = """
import asyncio, sys
from pathlib import Path
from cloudmanager.simulators.datacentre import serve
asyncio.run(serve(Path(sys.argv[1]), Path(sys.argv[2]), racks=1, nodes_per_rack=8))
"""


def answers(port, timeout=2.0):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(timeout)
        client.sendto(PING, ("127.0.0.1", port))
        try:
            return client.recvfrom(100)[0][8] == 0x40
        except TimeoutError:
            return False


@pytest.fixture
def state(tmp_path):
    return tmp_path / "state" / "lab.json"


def test_seeded_is_the_same_each_time():
    first, second = DataCentre.seeded(), DataCentre.seeded()
    names = list(first.world.nodes)
    assert (names[0], names[-1], len(names)) == ("r1n01.demo.local", "r3n20.demo.local", 60)
    off = [number for number, node in enumerate(first.world.nodes.values(), 1) if not node.on]
    assert off == [7, 14, 21, 28, 35, 42, 49, 56]
    node = first.world.node("r2n05.demo.local")
    assert (node.rack, node.unit) == (2, 5)
    assert first.world.wired("bmc-r2n05", "1") is node
    passwords = [device.accounts[2].password for device in first.world.devices.values()]
    assert passwords == [device.accounts[2].password for device in second.world.devices.values()]
    assert len(set(passwords)) == 60


async def test_a_second_start_finds_everything(state):
    centre = DataCentre.seeded(1, 3, state_file=state)
    await centre.start()
    try:
        ports = [device.port for device in centre.world.devices.values()]
        assert await asyncio.to_thread(answers, ports[0])
        centre.world.power_off("r1n02.demo.local")
        centre.world.set_faults("bmc-r1n03", dead=True)
    finally:
        await centre.stop()
    assert stat.S_IMODE(state.stat().st_mode) == 0o600
    assert [file.name for file in state.parent.iterdir()] == [state.name]
    again = DataCentre.load(state)
    await again.start()
    try:
        assert [device.port for device in again.world.devices.values()] == ports
        assert [node.on for node in again.world.nodes.values()] == [True, False, True]
        assert await asyncio.to_thread(answers, ports[1])
        assert not await asyncio.to_thread(answers, ports[2], 0.2)
    finally:
        await again.stop()


async def test_changes_are_saved_while_it_runs(state, monkeypatch):
    monkeypatch.setattr("cloudmanager.simulators.datacentre.SAVE_DELAY", 0.02)
    centre = DataCentre.seeded(1, 2, state_file=state)
    await centre.start()
    try:
        centre.world.power_off("r1n02.demo.local")
        for _ in range(100):
            await asyncio.sleep(0.02)
            if not DataCentre.load(state).world.is_on("r1n02.demo.local"):
                break
        else:
            pytest.fail("the change did not reach the file")
    finally:
        await centre.stop()


async def test_a_taken_port_is_replaced_and_said(state, caplog):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        taken = other.getsockname()[1]
        centre = DataCentre(state_file=state)
        device = centre.add_node("n1.demo.local", 1, 1, bmc_port=taken)
        await centre.start()
        try:
            assert device.port not in (0, taken)
            assert await asyncio.to_thread(answers, device.port)
            assert f"bmc-n1: port {taken} is not free" in caplog.text
            assert DataCentre.load(state).world.device("bmc-n1").port == device.port
        finally:
            await centre.stop()


async def test_nodes_can_be_added_later():
    centre = DataCentre.seeded(1, 1)
    await centre.start()
    try:
        late = centre.add_node("late.demo.local", 9, 1)
        await centre.start()
        assert await asyncio.to_thread(answers, late.port)
    finally:
        await centre.stop()
    assert not await asyncio.to_thread(answers, late.port, 0.1)


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", '{"world-1": {}}', '{"world-1": {"seed": 1, "nodes": [{}]}}']
)
def test_a_broken_state_file_is_named(tmp_path, content):
    file = tmp_path / "lab.json"
    file.write_text(content)
    with pytest.raises(ValueError, match=r"lab\.json is not a state"):
        DataCentre.load(file)


async def test_a_failed_start_does_not_touch_the_state_file(state, monkeypatch):
    centre = DataCentre.seeded(1, 1, state_file=state)
    await centre.stop()
    assert not state.exists()


class TestControl:
    @pytest.fixture
    async def centre(self):
        centre = DataCentre.seeded(1, 8)
        await centre.start()
        yield centre
        await centre.stop()

    @pytest.fixture
    async def call(self, centre, tmp_path):
        server = ControlServer(centre, tmp_path / "control.sock")
        await server.start()
        assert stat.S_IMODE((tmp_path / "control.sock").stat().st_mode) == 0o600
        yield lambda *args, **kwargs: asyncio.to_thread(
            Control(tmp_path / "control.sock").call, *args, **kwargs
        )
        await server.stop()
        assert not (tmp_path / "control.sock").exists()

    async def test_status(self, call, centre):
        status = await call("status")
        node, device = status["nodes"][6], status["devices"][6]
        assert (node["name"], node["on"], node["boots"], node["devices"]) == (
            "r1n07.demo.local",
            False,
            0,
            ["bmc-r1n07"],
        )
        assert (device["name"], device["kind"], device["outlets"]) == (
            "bmc-r1n07",
            "bmc",
            {"1": node["name"]},
        )
        await asyncio.to_thread(answers, device["port"])
        counters = (await call("status"))["devices"][6]["counters"]
        assert (counters["packets_in"], counters["packets_out"], counters["commands"]) == (1, 1, {})
        password = centre.world.device("bmc-r1n07").accounts[2].password
        assert password not in json.dumps(status)

    async def test_fault_and_heal(self, call, centre):
        answer = await call("fault", device="bmc-r1n01", set={"dead": True, "lag": 2})
        assert answer == {"device": "bmc-r1n01", "faults": {"dead": True, "lag": 2}}
        assert centre.world.device("bmc-r1n01").faults.dead
        assert (await call("status"))["devices"][0]["faults"] == {"dead": True, "lag": 2}
        await call("heal", device=None)
        assert not centre.world.device("bmc-r1n01").faults.dead

    async def test_power(self, call, centre):
        assert await call("power", node="r1n07.demo.local", action="on") == {
            "node": "r1n07.demo.local",
            "on": True,
        }
        await call("power", node="r1n07.demo.local", action="reset")
        assert (
            centre.world.node("r1n07.demo.local").resets,
            centre.world.node("r1n07.demo.local").boots,
        ) == (1, 2)
        await call("power", node="r1n07.demo.local", action="off")
        assert not centre.world.is_on("r1n07.demo.local")

    @pytest.mark.parametrize(
        ("request_", "said"),
        [
            ({"do": "dance"}, "cannot do 'dance'; known are status, fault, heal, token, rotate-keys, power"),
            ({"do": ["status"]}, "cannot do"),
            ({"do": "status", "x": 1}, "unknown key 'x'; status takes no keys"),
            ({"do": "heal"}, "missing key 'device'"),
            ({"do": "heal", "device": "bmc-x"}, "there is no device 'bmc-x'"),
            ({"do": "heal", "device": []}, "device must be a name"),
            (
                {"do": "fault", "device": "bmc-r1n01", "set": {"dread": 1}},
                "unknown fault 'dread'; known are dead",
            ),
            ({"do": "fault", "device": "bmc-r1n01", "set": {"self": 1}}, "unknown fault 'self'"),
            ({"do": "fault", "device": "bmc-r1n01", "set": {"device": 1}}, "unknown fault 'device'"),
            ({"do": "fault", "device": "bmc-r1n01", "set": 3}, "must be an object"),
            ({"do": "power", "node": "n", "action": "on"}, "there is no node 'n'"),
            (
                {"do": "power", "node": "r1n01.demo.local", "action": "up"},
                "unknown action 'up'; known are on, off, reset",
            ),
        ],
    )
    async def test_what_is_wrong_is_said(self, call, request_, said):
        with pytest.raises(ControlError) as problem:
            await call(**request_)
        assert said in str(problem.value)

    def test_lines_that_are_no_requests(self, centre, tmp_path):
        server = ControlServer(centre, tmp_path / "unused")
        for line in (b"\n", b"{", b"[]\n", b"3\n", b"\xff\n"):
            assert "error" in server.answer(line)

    async def test_only_one_at_a_path(self, call, centre, tmp_path):
        with pytest.raises(ControlError, match="another data centre"):
            await ControlServer(centre, tmp_path / "control.sock").start()
        assert await call("status")

    async def test_a_left_over_socket_is_replaced(self, centre, tmp_path):
        path = tmp_path / "old.sock"
        with socket.socket(socket.AF_UNIX) as old:
            old.bind(str(path))
        server = ControlServer(centre, path)
        await server.start()
        assert await asyncio.to_thread(Control(path).call, "status")
        await server.stop()

    def test_nobody_there(self, tmp_path):
        with pytest.raises(ControlError, match="no data centre answers"):
            Control(tmp_path / "none").call("status")


def test_a_process_of_its_own(tmp_path):
    """Started, told to break a device, ended by SIGTERM, started again: everything is as it was."""
    state, control = tmp_path / "lab.json", Control(tmp_path / "control.sock")

    def run():
        process = subprocess.Popen([sys.executable, "-c", SERVE, str(state), str(tmp_path / "control.sock")])
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                status = control.call("status")
            except ControlError:
                time.sleep(0.05)
            else:
                if all(device["port"] for device in status["devices"]):
                    return process, status
        process.kill()
        process.wait()
        pytest.fail("the data centre did not start")

    process, before = run()
    try:
        control.call("power", node="r1n01.demo.local", action="off")
        control.call("fault", device="bmc-r1n02", set={"lie_state": "off"})
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert not Path(tmp_path / "control.sock").exists()
    process, after = run()
    process.terminate()
    assert process.wait(10) == 0
    on = [node["on"] for node in after["nodes"] if node["rack"] == 1]
    assert on == [False, True, True, True, True, True, False, True]
    assert [device["port"] for device in after["devices"]] == [device["port"] for device in before["devices"]]
    assert after["devices"][1]["faults"] == {"lie_state": "off"}


async def test_a_pending_command_is_for_the_world_that_runs():
    """What the hardware has not done when the process ends, it never does."""
    centre = DataCentre.seeded(1, 1)
    centre.world.switch("bmc-r1n01", "1", Action.OFF)
    kept = centre.world.to_dict()
    assert kept["nodes"][0]["on"] is True
