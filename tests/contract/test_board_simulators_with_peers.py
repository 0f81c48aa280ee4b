"""The simulated relay boards against programs of other people: mbpoll on libmodbus, and the tools of net-snmp."""

from __future__ import annotations

import asyncio

import pytest

from cloudmanager.simulators.datacentre import DataCentre
from tests.peers.programs import program

pytestmark = [pytest.mark.peer, pytest.mark.timeout(60)]

BASE = ".1.3.6.1.4.1.19865.1.2"
NO_SUCH_NAME, BAD_VALUE, READ_ONLY = "(noSuchName)", "(badValue)", "(readOnly)"


@pytest.fixture
async def centre():
    centre = DataCentre()
    for name in ("n1", "n2"):
        centre.world.add_node(name)
    for name, kind in (("modbus", "et7067"), ("mains", "daenet"), ("buttons", "daenet-acpi")):
        centre.add_board(name, kind, {"1": "n1", "2": "n2"}, login="read", password="write")
        centre.world.set_faults(name, power_on_lag=0.0, power_off_lag=0.0)
    await centre.start()
    yield centre
    await centre.stop()


async def run(*command, environment=None):
    """What a program says; it never outlives this call."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=asyncio.subprocess.STDOUT, env=environment
    )  # fmt: skip
    try:
        output, _ = await asyncio.wait_for(process.communicate(), 20)
    except TimeoutError:
        process.kill()
        await process.communicate()
        raise
    return output.decode()


class TestMbpoll:
    @pytest.fixture
    def mbpoll(self, centre):
        found, port = program("mbpoll"), str(centre.world.device("modbus").port)

        async def mbpoll(*words, values=()):
            place = ["-m", "tcp", "-p", port, "-0", "-a", "1", "-o", "1"]
            return await run(found, *place, *words, "127.0.0.1", *values)

        return mbpoll

    async def test_coils(self, mbpoll, centre):
        read = ("-t", "0", "-r", "0", "-c", "8", "-1")
        assert "[7]: \t0" in await mbpoll(*read)
        assert "Written 1 references" in await mbpoll("-t", "0", "-r", "1", values=["1"])
        said = await mbpoll(*read)
        assert "[0]: \t0" in said
        assert "[1]: \t1" in said
        assert centre.world.is_on("n2")
        assert "Written 8 references" in await mbpoll("-t", "0", "-r", "0", values="10000001")
        assert centre.world.is_on("n1")
        assert not centre.world.is_on("n2")

    async def test_registers(self, mbpoll):
        assert "[310]: \t8" in await mbpoll("-t", "3", "-r", "310", "-c", "3", "-1")
        assert "[271]: \t1" in await mbpoll("-t", "4", "-r", "271", "-c", "1", "-1")

    async def test_exceptions(self, mbpoll, centre):
        assert "Illegal data address" in await mbpoll("-t", "0", "-r", "100", "-c", "8", "-1")
        assert "Illegal data address" in await mbpoll("-t", "1", "-r", "0", "-c", "8", "-1")
        for code, words in ((1, "Illegal function"), (4, "Slave device or server failure"), (6, "busy")):
            centre.world.set_faults("modbus", refuse=code)
            assert words in await mbpoll("-t", "0", "-r", "1", values=["1"])


class TestNetSnmp:
    @pytest.fixture
    def tool(self, centre, tmp_path):
        (tmp_path / "cert_indexes").mkdir()  # else the first program says that it makes it
        environment = {"SNMP_PERSISTENT_DIR": str(tmp_path), "MIBS": "", "PATH": "/usr/bin:/bin"}

        async def tool(name, board, community, *words, patience="1"):
            place = f"127.0.0.1:{centre.world.device(board).port}"
            command = [program(name), "-v1", "-On", "-t", patience, "-r", "0", "-c", community, place, *words]
            return await run(*command, environment=environment)

        return tool

    async def test_get_and_set(self, tool, centre):
        assert await tool("snmpget", "mains", "read", f"{BASE}.2.33.0") == f"{BASE}.2.33.0 = INTEGER: 0\n"
        assert (
            await tool("snmpset", "mains", "write", f"{BASE}.2.2.0", "i", "1")
            == f"{BASE}.2.2.0 = INTEGER: 1\n"
        )
        assert centre.world.is_on("n2")
        assert await tool("snmpget", "mains", "read", f"{BASE}.2.33.0") == f"{BASE}.2.33.0 = INTEGER: 2\n"

    async def test_walk(self, tool):
        said = await tool("snmpwalk", "mains", "read", ".1.3")
        assert said.splitlines()[0] == '.1.3.6.1.2.1.1.1.0 = STRING: "DAEnetIP2"'
        assert said.count("INTEGER") == 26
        assert said.splitlines()[-1] == "End of MIB"

    async def test_errors(self, tool):
        assert NO_SUCH_NAME in await tool("snmpget", "mains", "read", f"{BASE}.2.9.0")
        assert NO_SUCH_NAME in await tool("snmpset", "mains", "read", f"{BASE}.2.1.0", "i", "1")
        assert BAD_VALUE in await tool("snmpset", "mains", "write", f"{BASE}.2.1.0", "i", "2")
        assert READ_ONLY in await tool("snmpset", "mains", "write", f"{BASE}.3.1.0", "i", "2")

    async def test_a_wrong_community_is_silence(self, tool, centre):
        assert "Timeout" in await tool("snmpget", "mains", "public", f"{BASE}.2.33.0", patience="0.3")
        assert centre.status()["devices"][1]["counters"]["wrong_communities"] == 1

    async def test_a_press(self, tool, centre):
        assert await tool("snmpget", "buttons", "read", f"{BASE}.3.2.0") == f"{BASE}.3.2.0 = INTEGER: 9\n"
        await tool("snmpset", "buttons", "write", f"{BASE}.2.2.0", "i", "1")
        await asyncio.sleep(0.1)
        await tool("snmpset", "buttons", "write", f"{BASE}.2.2.0", "i", "0")
        assert centre.world.is_on("n2")
        assert await tool("snmpget", "buttons", "read", f"{BASE}.3.2.0") == f"{BASE}.3.2.0 = INTEGER: 676\n"
