"""The simulated BMC against programs of other people: ipmitool, FreeIPMI and pyghmi."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys

import pytest

from cloudmanager.simulators.ipmi import Bmc
from cloudmanager.simulators.world import Account, World

pytestmark = [pytest.mark.peer, pytest.mark.timeout(60)]

PASSWORD = "s3cret of n1"
PATH = os.environ.get("PATH", "") + ":/usr/bin:/usr/sbin"
PYGHMI = """
import json, sys
from pyghmi.ipmi.command import Command
from pyghmi.exceptions import IpmiException
port, password, steps = int(sys.argv[1]), sys.stdin.readline(), sys.argv[2:]
try:
    bmc = Command(bmc="127.0.0.1", port=port, userid="ADMIN", password=password)
    results = []
    for step in steps:
        name, _, argument = step.partition("=")
        results.append(getattr(bmc, name)(*([argument] if argument else [])))
    bmc.ipmi_session.logout()
    print(json.dumps(results))
except IpmiException as problem:
    print(json.dumps({"error": str(problem)}))
"""


def program(name):
    found = shutil.which(name, path=PATH)
    if found is None:
        said = f"{name} is not installed; `make peers` installs it"
        if os.environ.get("CI") == "true":
            pytest.fail(said)
        pytest.skip(said)
    return found


async def run(*command, seconds=20, stdin=b"", **environment):
    """Exit code and all output of a program, which never outlives this call."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={"PATH": PATH, "HOME": "/nonexistent", **environment},
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(stdin), seconds)
    except TimeoutError:
        process.kill()
        await process.communicate()
        pytest.fail(f"{command[0]} did not end within {seconds} s")
    return process.returncode, output.decode()


class Rig:
    """One node with its BMC on a real socket."""

    def __init__(self):
        self.world = World()
        self.world.add_node("n1", on=True)
        self.world.add_device("bmc-n1", "bmc", accounts={2: Account("ADMIN", PASSWORD)})
        self.world.plug("bmc-n1", "1", "n1")
        self.world.set_faults("bmc-n1", power_on_lag=0.05, power_off_lag=0.05, soft_off_delay=0.1)
        self.bmc = Bmc(self.world, "bmc-n1")
        self.node = self.world.node("n1")
        self.port = 0

    async def until(self, reached):
        """Wait for what the hardware does in its own time."""
        deadline = asyncio.get_running_loop().time() + 5
        while not reached():
            assert asyncio.get_running_loop().time() < deadline, "it does not happen"
            await asyncio.sleep(0.01)

    async def becomes(self, *, on):
        await self.until(lambda: self.node.on is on)

    async def resets_become(self, count):
        await self.until(lambda: self.node.resets == count and self.node.on)

    async def sessions_become(self, count):
        """The close command of a client may still be on its way when the client has ended."""
        await self.until(lambda: self.bmc.counters.sessions_open == count)


@pytest.fixture
async def rig():
    made = Rig()
    made.port = await made.bmc.start()
    yield made
    await made.bmc.stop()


class TestIpmitool:
    @pytest.fixture(params=["-C3", "-C17"])
    def ipmitool(self, rig, request):
        found = program("ipmitool")

        def call(*command, user="ADMIN", password=PASSWORD, suite=request.param, retries=3):
            place = ("-I", "lanplus", "-H", "127.0.0.1", "-p", str(rig.port), "-N", "1", "-R", str(retries))
            return run(found, *place, *suite.split(), "-U", user, "-E", *command, IPMI_PASSWORD=password)

        return call

    async def test_power(self, rig, ipmitool):
        assert await ipmitool("power", "status") == (0, "Chassis Power is on\n")
        assert (await ipmitool("power", "off"))[0] == 0
        await rig.becomes(on=False)
        assert await ipmitool("power", "status") == (0, "Chassis Power is off\n")
        for verb in ("reset", "cycle", "soft"):
            code, said = await ipmitool("power", verb)
            assert code != 0
            assert "not supported in present state" in said
        assert (await ipmitool("power", "on"))[0] == 0
        await rig.becomes(on=True)
        assert (rig.node.boots, rig.node.resets) == (2, 0)
        for number, verb in enumerate(("reset", "cycle"), 1):
            assert (await ipmitool("power", verb))[0] == 0
            await rig.resets_become(number)
        assert rig.bmc.counters.resets_accepted == 2
        assert (await ipmitool("power", "soft"))[0] == 0
        await rig.becomes(on=False)
        await rig.sessions_become(0)

    async def test_what_it_is(self, ipmitool):
        code, said = await ipmitool("mc", "info")
        assert code == 0
        assert "IPMI Version              : 2.0" in said
        assert "Firmware Revision         : 2.15" in said
        assert "Super Micro" in said
        code, said = await ipmitool("chassis", "status")
        assert code == 0
        assert "System Power         : on" in said
        assert "Power Restore Policy : previous" in said
        code, said = await ipmitool("chassis", "restart_cause")
        assert (code, "unknown" in said) == (0, True)

    async def test_boot_device_for_one_start(self, rig, ipmitool):
        assert await ipmitool("chassis", "bootdev", "pxe") == (0, "Set Boot Device to pxe\n")
        _, said = await ipmitool("chassis", "bootparam", "get", "5")
        assert "Boot Flag Valid" in said
        assert "Options apply to only next boot" in said
        assert "Force PXE" in said
        rig.world.reset("n1")
        _, said = await ipmitool("chassis", "bootparam", "get", "5")
        assert "Boot Flag Invalid" in said

    async def test_password_change(self, rig, ipmitool):
        assert (await ipmitool("user", "test", "2", "16", PASSWORD))[0] == 0
        assert (await ipmitool("user", "set", "password", "2", "the next one", "16"))[0] == 0
        assert (await ipmitool("power", "status", retries=1))[0] == 1
        assert (await ipmitool("power", "status", password="the next one"))[0] == 0
        code, said = await ipmitool("user", "list", "1", password="the next one")
        assert code == 0
        assert [line.split() for line in said.splitlines()][2] == [
            "2",
            "ADMIN",
            "true",
            "false",
            "true",
            "ADMINISTRATOR",
        ]

    @pytest.mark.parametrize(
        ("wrong", "reason"),
        [({"password": "wrong"}, "RAKP 2 HMAC is invalid"), ({"user": "root"}, "unauthorized name")],
    )
    async def test_wrong_login(self, rig, ipmitool, wrong, reason):
        code, said = await ipmitool("-v", "power", "off", retries=1, **wrong)
        assert code == 1
        assert "Unable to establish IPMI v2 / RMCP+ session" in said
        assert reason in said
        assert rig.bmc.counters.sessions_opened == 0
        assert (0x00, 0x02) not in rig.bmc.counters.commands
        assert rig.node.on

    async def test_full_session_table(self, rig, ipmitool):
        rig.world.set_faults("bmc-n1", session_limit=0)
        code, said = await ipmitool("power", "status", retries=1)
        assert code == 1
        assert "insufficient resources" in said

    async def test_a_busy_bmc(self, rig, ipmitool):
        rig.world.set_faults("bmc-n1", refuse=0xC0)
        code, said = await ipmitool("power", "off")
        assert code == 1
        assert "Node busy" in said

    async def test_a_bmc_that_loses_and_doubles_packets(self, rig, ipmitool):
        rig.world.set_faults("bmc-n1", drop=0.1, duplicate=0.3, reorder=0.1)
        assert (await ipmitool("power", "reset", retries=8))[0] == 0
        await rig.resets_become(1)
        await asyncio.sleep(0.2)
        assert rig.node.resets == 1


async def test_ipmitool_chooses_the_best_suite(rig):
    place = ("-I", "lanplus", "-H", "127.0.0.1", "-p", str(rig.port), "-U", "ADMIN", "-E")
    answer = await run(program("ipmitool"), *place, "power", "status", IPMI_PASSWORD=PASSWORD)
    assert answer == (0, "Chassis Power is on\n")
    assert rig.bmc.counters.commands[0x06, 0x54] > 0


async def test_ipmitool_is_not_let_in_without_cryptography(rig):
    place = (
        "-I",
        "lanplus",
        "-C",
        "0",
        "-R",
        "1",
        "-H",
        "127.0.0.1",
        "-p",
        str(rig.port),
        "-U",
        "ADMIN",
        "-E",
    )
    code, said = await run(program("ipmitool"), *place, "power", "off", IPMI_PASSWORD=PASSWORD)
    assert code == 1
    assert "no matching cipher suite" in said


class TestFreeIpmi:
    @pytest.fixture(params=["3", "17"])
    def ipmipower(self, rig, request, tmp_path):
        found, config = program("ipmipower"), tmp_path / "freeipmi.conf"

        def call(*options, password=PASSWORD):
            config.touch(mode=0o600)
            config.write_text(f'username ADMIN\npassword "{password}"\n')
            place = ("-D", "LAN_2_0", "-I", request.param, "-h", f"127.0.0.1:{rig.port}")
            return run(found, f"--config-file={config}", *place, "--session-timeout=8000", *options)

        return call

    async def test_power(self, rig, ipmipower):
        assert await ipmipower("--stat") == (0, "127.0.0.1: on\n")
        assert await ipmipower("--off") == (0, "127.0.0.1: ok\n")
        await rig.becomes(on=False)
        assert await ipmipower("--stat") == (0, "127.0.0.1: off\n")
        rig.world.set_faults("bmc-n1", power_on_lag=1.0)
        assert await ipmipower("--on", "--wait-until-on") == (0, "127.0.0.1: ok\n")
        assert rig.node.on
        assert await ipmipower("--reset") == (0, "127.0.0.1: ok\n")
        await rig.resets_become(1)
        assert await ipmipower("--soft") == (0, "127.0.0.1: ok\n")
        await rig.becomes(on=False)
        await rig.sessions_become(1)  # after a reset ipmipower leaves its session to the timeout

    async def test_wrong_password(self, rig, ipmipower):
        _, said = await ipmipower("--off", password="wrong")
        assert said == "127.0.0.1: password invalid\n"
        assert rig.node.on

    async def test_a_bmc_that_loses_packets(self, rig, ipmipower):
        """No doubled ones: ipmipower 1.6 ends itself when an answer of IPMI v1.5 comes twice."""
        rig.world.set_faults("bmc-n1", drop=0.1, reorder=0.2)
        assert await ipmipower("--stat") == (0, "127.0.0.1: on\n")


async def test_freeipmi_finds_it_by_rmcp_ping(rig):
    """ipmipower's own discovery: a ping before anything else (`--ping-interval`)."""
    found = program("ipmipower")
    process = await asyncio.create_subprocess_exec(
        found, "-D", "LAN_2_0", "-h", f"127.0.0.1:{rig.port}", "--ping-interval=200", "--ping-timeout=1000",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        await rig.until(lambda: rig.bmc.counters.packets_out >= 2)
    finally:
        process.kill()
        await process.communicate()


class TestPyghmi:
    async def call(self, rig, *steps, password=PASSWORD):
        """Run in a process of its own: it keeps sockets and a thread for ever."""
        code, said = await run(sys.executable, "-c", PYGHMI, str(rig.port), *steps, stdin=password.encode())
        assert code == 0, said
        return json.loads(said)

    async def test_power(self, rig):
        assert await self.call(rig, "get_power", "set_power=off") == [
            {"powerstate": "on"},
            {"pendingpowerstate": "off"},
        ]
        await rig.becomes(on=False)
        await self.call(rig, "set_power=on")
        await rig.becomes(on=True)
        await self.call(rig, "set_power=reset")
        await rig.resets_become(1)
        await self.call(rig, "set_power=shutdown")
        await rig.becomes(on=False)
        await rig.sessions_become(0)

    async def test_boot_device(self, rig):
        results = await self.call(rig, "set_bootdev=network", "get_bootdev")
        assert results[1]["bootdev"] == "network"
        assert results[1]["persistent"] is False

    async def test_wrong_password(self, rig):
        answer = await self.call(rig, "get_power", password="wrong")
        assert "Incorrect password" in answer["error"]
