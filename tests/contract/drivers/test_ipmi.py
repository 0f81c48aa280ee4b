"""`SupermicroRackDevice` against BMCs that other people wrote, and against our own simulator."""

from __future__ import annotations

import pytest

from cloudmanager.drivers.base import Action, PowerState
from cloudmanager.errors import DeviceRefused, DeviceUnreachable
from tests.contract.drivers.contract import PowerDriverContract, until
from tests.contract.drivers.ipmi_peers import IpmiSimPeer, PyghmiPeer, SimulatorPeer
from tests.contract.drivers.simulator_contract import (
    SessionContract,
    SimulatorContract,
    driver_of,
    fixture_of,
    read,
)
from tests.peers.relay import Relay

PEERS = [
    pytest.param(IpmiSimPeer, id="ipmi_sim", marks=pytest.mark.peer),
    pytest.param(PyghmiPeer, id="pyghmi", marks=pytest.mark.peer),
    pytest.param(SimulatorPeer, id="simulator"),
]
peer = fixture_of(*PEERS)
ipmi_sim = fixture_of(IpmiSimPeer)
simulator = fixture_of(SimulatorPeer)


class TestSupermicroRackDevice(PowerDriverContract):
    pass


@pytest.mark.parametrize("fault", ["lose", "double", "delay_some"])
async def test_a_bad_network(peer, fault):
    peer.set_on(True)
    with Relay(peer.settings().port) as relay:
        async with driver_of(peer, port=relay.port, timeout=5.0) as driver:
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


class TestFaults(SimulatorContract, SessionContract):
    """What real BMCs do to their clients."""

    @pytest.mark.parametrize("suite", ["3", "17", "auto"])
    async def test_cipher_suites(self, simulator, suite):
        simulator.set_on(True)
        async with driver_of(simulator, cipher_suite=suite) as driver:
            assert await read(driver) is PowerState.ON

    async def test_a_slow_bmc(self, simulator):
        simulator.set_on(True)
        with simulator.faults(lag=0.4):
            async with driver_of(simulator, timeout=5.0) as driver:
                assert await read(driver) is PowerState.ON
                await driver.apply("1", Action.RESET)
        assert simulator.sessions() == 0

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

    async def test_a_changed_password(self, simulator):
        """The kept session lives on, as the standard has it; a new one needs the new password."""
        old = simulator.device.accounts[2].password
        async with driver_of(simulator, timeout=5.0) as driver:
            await read(driver)
            simulator.call(simulator.world.set_password, simulator.device.name, 2, "another")
            try:
                simulator.restart()
                with pytest.raises(DeviceRefused, match="wrong password"):
                    await read(driver)
            finally:
                simulator.call(simulator.world.set_password, simulator.device.name, 2, old)
