"""`SupermicroRackDevice` against BMCs that other people wrote, and against our own simulator."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from cloudmanager.drivers.base import Action, PowerState
from cloudmanager.errors import DeviceRefused, DeviceUnreachable
from tests.contract.drivers.contract import PowerDriverContract, until
from tests.contract.drivers.ipmi_peers import IpmiSimPeer, PyghmiPeer, SimulatorPeer
from tests.peers.relay import Relay

PEERS = [
    pytest.param(IpmiSimPeer, id="ipmi_sim", marks=pytest.mark.peer),
    pytest.param(PyghmiPeer, id="pyghmi", marks=pytest.mark.peer),
    pytest.param(SimulatorPeer, id="simulator"),
]


@pytest.fixture(scope="module", params=PEERS)
def peer(request):
    with contextlib.ExitStack() as stack:
        yield request.param(stack)


@pytest.fixture(scope="module")
def ipmi_sim():
    with contextlib.ExitStack() as stack:
        yield IpmiSimPeer(stack)


@pytest.fixture(scope="module")
def simulator():
    with contextlib.ExitStack() as stack:
        yield SimulatorPeer(stack)


@contextlib.asynccontextmanager
async def driver_of(peer, **changes):
    driver = peer.driver(peer.settings(**changes))
    try:
        yield driver
    finally:
        await driver.close()


async def read(driver):
    return (await driver.read_states(["1"]))["1"]


class TestSupermicroRackDevice(PowerDriverContract):
    pass


@pytest.mark.parametrize("fault", ["lose", "double", "delay_some"])
async def test_a_bad_network(peer, fault):
    peer.set_on(True)
    with Relay(peer.settings().port) as relay:
        async with driver_of(peer, port=relay.port) as driver:
            setattr(relay, fault, 0.1)
            for _ in range(30):
                assert await read(driver) is PowerState.ON
            await driver.apply("1", Action.OFF)
            await until(lambda: not peer.is_on())


@pytest.mark.peer
class TestAgainstIpmitool:
    """What we do is what a client of other people then sees."""

    async def test_power(self, ipmi_sim):
        async with driver_of(ipmi_sim) as driver:
            for action, state in ((Action.ON, "on"), (Action.OFF, "off"), (Action.ON, "on")):
                await driver.apply("1", action)
                assert ipmi_sim.ask_ipmitool("power", "status") == f"Chassis Power is {state}\n"
                assert await read(driver) == f"power_{state}"

    async def test_what_ipmitool_does_is_what_we_read(self, ipmi_sim):
        async with driver_of(ipmi_sim) as driver:
            for state in ("off", "on"):
                ipmi_sim.ask_ipmitool("power", state)
                assert await read(driver) == f"power_{state}"

    async def test_no_session_stays_open(self, ipmi_sim):
        """OpenIPMI's BMC tells how many sessions are active (§22.20): ipmitool's own and no other."""
        async with driver_of(ipmi_sim) as driver:
            await read(driver)
            assert "active sessions               : 2" in ipmi_sim.ask_ipmitool("session", "info", "active")
        assert "active sessions               : 1" in ipmi_sim.ask_ipmitool("session", "info", "active")


class TestFaults:
    """What real BMCs do to their clients."""

    @pytest.mark.parametrize("suite", ["3", "17", "auto"])
    async def test_cipher_suites(self, simulator, suite):
        simulator.set_on(True)
        async with driver_of(simulator, cipher_suite=suite) as driver:
            assert await read(driver) is PowerState.ON

    async def test_a_slow_bmc(self, simulator):
        simulator.set_on(True)
        with simulator.faults(lag=0.4):
            async with driver_of(simulator) as driver:
                assert await read(driver) is PowerState.ON
                await driver.apply("1", Action.RESET)
        assert simulator.sessions() == 0

    async def test_all_sessions_taken(self, simulator):
        with simulator.faults(session_limit=0):
            async with driver_of(simulator, timeout=1.2) as driver:
                with pytest.raises(DeviceUnreachable, match="no free session"):
                    await read(driver)

    async def test_a_session_becomes_free(self, simulator):
        simulator.set_on(True)
        async with driver_of(simulator) as driver:
            with simulator.faults(session_limit=0):
                reading = asyncio.create_task(read(driver))
                await asyncio.sleep(0.3)
            assert await reading is PowerState.ON

    async def test_rejected_credentials(self, simulator):
        with simulator.faults(reject_credentials=True):
            async with driver_of(simulator) as driver:
                with pytest.raises(DeviceRefused, match="credentials"):
                    await read(driver)

    @pytest.mark.parametrize(("code", "words"), [(0xC1, "unknown command"), (0xD5, "present state")])
    async def test_a_refused_command(self, simulator, code, words):
        simulator.set_on(True)
        with simulator.faults(refuse=code):
            async with driver_of(simulator) as driver:
                with pytest.raises(DeviceRefused, match=words):
                    await driver.apply("1", Action.RESET)

    async def test_a_busy_bmc_may_be_asked_again(self, simulator):
        with simulator.faults(refuse=0xC0):
            async with driver_of(simulator) as driver:
                with pytest.raises(DeviceUnreachable, match="busy") as caught:
                    await driver.apply("1", Action.OFF)
                assert not caught.value.maybe_applied

    async def test_a_lie_is_read_as_it_is_told(self, simulator):
        simulator.set_on(False)
        with simulator.faults(lie_state="on"):
            async with driver_of(simulator) as driver:
                assert await read(driver) is PowerState.ON

    async def test_a_changed_password(self, simulator):
        """The kept session lives on, as the standard has it; a new one needs the new password."""
        old = simulator.device.accounts[2].password
        async with driver_of(simulator) as driver:
            await read(driver)
            simulator.call(simulator.world.set_password, simulator.device.name, 2, "another")
            try:
                simulator.restart()
                with pytest.raises(DeviceRefused, match="wrong password"):
                    await read(driver)
            finally:
                simulator.call(simulator.world.set_password, simulator.device.name, 2, old)

    async def test_no_session_is_left_after_every_kind_of_end(self, simulator):
        simulator.set_on(True)
        for changes in ({}, {"password": "wrong"}, {"login": "nobody"}, {"timeout": 0.001}):
            async with driver_of(simulator, **changes) as driver:
                with contextlib.suppress(DeviceRefused, DeviceUnreachable):
                    await read(driver)
        assert simulator.sessions() == 0
