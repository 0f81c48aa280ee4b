"""Changing the password of a BMC, against those that other people wrote and against our own simulator."""

from __future__ import annotations

import contextlib
import subprocess

import pytest

from cloudmanager.errors import DeviceRefused
from tests.contract.drivers.ipmi_peers import IpmiSimPeer, SimulatorPeer
from tests.contract.drivers.password_contract import PasswordContract, changed, driver_of

PEERS = [
    pytest.param(IpmiSimPeer, id="ipmi_sim", marks=pytest.mark.peer),
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


class TestSupermicroRackDevice(PasswordContract):
    pass


@pytest.mark.peer
class TestAgainstIpmitool:
    """What we set is what a client of other people logs in with, and the other way round."""

    @pytest.mark.parametrize("password", ["short", "sixteen-of-these"])
    async def test_ipmitool_logs_in(self, ipmi_sim, password):
        assert "Chassis Power" in ipmi_sim.ask_ipmitool("power", "status")
        async with changed(ipmi_sim, password):
            with pytest.raises(subprocess.CalledProcessError):
                ipmi_sim.ask_ipmitool("power", "status")
            assert "Chassis Power" in ipmi_sim.ask_ipmitool("power", "status", password=password)

    async def test_what_ipmitool_sets(self, ipmi_sim):
        password = "by-ipmitool"
        ipmi_sim.ask_ipmitool("user", "set", "password", "2", password, "16")
        try:
            async with driver_of(ipmi_sim, password=password) as driver:
                await driver.log_in()
        finally:
            ipmi_sim.ask_ipmitool(
                "user", "set", "password", "2", ipmi_sim.bmc.password, "16", password=password
            )


class TestBmcs:
    """What BMCs do with their accounts."""

    def passwords(self, simulator):
        return {number: account.password for number, account in simulator.device.accounts.items()}

    async def test_only_our_account_is_changed(self, simulator):
        """Whatever its number is, and however many there are."""
        accounts = dict(simulator.device.accounts)
        ours = accounts[2]
        driver = simulator.driver(simulator.settings())
        simulator.device.accounts = {1: type(ours)("", ""), 3: type(ours)("guest", "guests own"), 9: ours}
        try:
            await driver.set_password("New-Passw0rd")
            assert self.passwords(simulator) == {1: "", 3: "guests own", 9: "New-Passw0rd"}
        finally:
            await driver.close()
            simulator.device.accounts = accounts

    async def test_the_account_without_a_name(self, simulator):
        accounts = dict(simulator.device.accounts)
        simulator.device.accounts = {1: type(accounts[2])("", "secret"), **accounts}
        try:
            async with driver_of(simulator, login="", password="secret") as driver:
                await driver.set_password("New-Passw0rd")
            assert self.passwords(simulator) == {1: "New-Passw0rd", 2: accounts[2].password}
        finally:
            simulator.device.accounts = accounts

    async def test_an_account_that_is_no_administrator(self, simulator):
        simulator.device.accounts[2].privilege = 3
        try:
            async with driver_of(simulator) as driver:
                await driver.log_in()
                with pytest.raises(DeviceRefused, match="Administrator"):
                    await driver.set_password("New-Passw0rd")
                await driver.log_in()
        finally:
            simulator.device.accounts[2].privilege = 4

    async def test_a_slow_bmc(self, simulator):
        """Each of its commands has its own time."""
        with simulator.faults(lag=0.25):
            async with driver_of(simulator, timeout=2.5) as driver:
                await driver.set_password(simulator.bmc.password)
