"""`IntelAMT` against our own simulator, which clients of other people were tried on as well."""

from __future__ import annotations

import pytest

from cloudmanager.drivers.base import Action, PowerState, Settings
from cloudmanager.errors import DeviceRefused, DeviceUnreachable, Unsupported
from tests.contract.drivers.amt_peers import SimulatorPeer, TlsSimulatorPeer
from tests.contract.drivers.contract import PowerDriverContract, until
from tests.contract.drivers.simulator_contract import (
    ConnectionContract,
    SimulatorContract,
    driver_of,
    fixture_of,
    read,
)

PEERS = [pytest.param(SimulatorPeer, id="simulator"), pytest.param(TlsSimulatorPeer, id="simulator_tls")]
peer = fixture_of(*PEERS)
simulator = fixture_of(SimulatorPeer)


class TestIntelAMT(PowerDriverContract):
    pass


class TestNonces:
    async def test_a_poll_is_one_request(self, simulator):
        async with driver_of(simulator) as driver:
            await read(driver)
            before = simulator.server.report()["requests"]
            for _ in range(3):
                await read(driver)
            assert simulator.server.report()["requests"] == before + 3

    async def test_a_command_is_sent_once_and_with_proof(self, simulator):
        simulator.set_on(False)
        before = simulator.server.report()
        async with driver_of(simulator) as driver:
            await driver.apply("1", Action.ON)
        after = simulator.server.report()
        assert after["requests"] == before["requests"] + 3  # challenged, read, switched
        assert after["challenges"] == before["challenges"] + 1

    async def test_a_nonce_that_is_too_old(self, simulator):
        simulator.set_on(True)
        async with driver_of(simulator) as driver:
            await read(driver)
            simulator.call(simulator.server._nonces.clear)
            await driver.apply("1", Action.RESET)
            simulator.call(simulator.server._nonces.clear)
            await driver.apply("1", Action.OFF)
            await until(lambda: not simulator.is_on())

    async def test_a_changed_password(self, simulator):
        account = simulator.device.accounts[1]
        old = account.password
        async with driver_of(simulator) as driver:
            await read(driver)
            simulator.call(simulator.world.set_password, simulator.device.name, 1, "another")
            try:
                with pytest.raises(DeviceRefused, match="credentials"):
                    await read(driver)
            finally:
                account.password = old
            assert await read(driver) in PowerState


class TestFirmware:
    @pytest.mark.parametrize(
        ("offered", "action", "on"),
        [
            ([2, 5, 8, 10], Action.OFF, False),
            ([2, 6], Action.OFF, False),
            ([], Action.OFF, False),
            ([10], Action.RESET, True),
            ([5], Action.RESET, True),
            ([8, 12], Action.SOFT_OFF, False),
        ],
    )
    async def test_what_it_offers_is_taken(self, simulator, offered, action, on):
        simulator.set_on(True)
        resets = simulator.resets()
        with simulator.memory(states=offered):
            async with driver_of(simulator) as driver:
                await driver.apply("1", action)
        await until(lambda: simulator.is_on() == on and simulator.resets() == resets + on)

    @pytest.mark.parametrize("offered", [[], [2, 5, 8, 10]])
    async def test_no_graceful_shutdown(self, simulator, offered):
        simulator.set_on(True)
        with simulator.memory(states=offered):
            async with driver_of(simulator) as driver:
                with pytest.raises(Unsupported, match="graceful"):
                    await driver.apply("1", Action.SOFT_OFF)
        assert simulator.is_on()

    async def test_a_sleeping_machine_wakes(self, simulator):
        simulator.set_on(False)
        with simulator.memory(sleeps=True):
            async with driver_of(simulator, timeout=1.0) as driver:
                assert await read(driver) is PowerState.OFF

    async def test_plain_settings_choose_by_port(self, simulator):
        given = simulator.settings()
        simulator.set_on(True)
        plain = Settings(host=given.host, port=given.port, login=given.login, password=given.password)
        driver = simulator.driver(plain)
        assert await read(driver) is PowerState.ON
        await driver.close()
        assert not driver.settings.ssh_key
        secure = simulator.driver(Settings(host="127.0.0.1", port=16993))
        assert secure._client()._context is not None
        await secure.close()


class TestFaults(SimulatorContract, ConnectionContract):
    @pytest.mark.parametrize(
        ("code", "error", "maybe_applied", "words"),
        [
            (1, Unsupported, None, "does not support"),
            (2, DeviceRefused, None, "does not know"),
            (3, DeviceUnreachable, True, "own time"),
            (4, DeviceRefused, None, "failed"),
            (5, DeviceRefused, None, "parameter"),
            (6, DeviceUnreachable, False, "in use"),
            (4097, DeviceRefused, None, "present state"),
            (77, DeviceRefused, None, r"ReturnValue 77"),
        ],
    )
    async def test_return_values(self, simulator, code, error, maybe_applied, words):
        simulator.set_on(True)
        with simulator.faults(refuse=code):
            async with driver_of(simulator) as driver:
                with pytest.raises(error, match=words) as caught:
                    await driver.apply("1", Action.OFF)
        assert getattr(caught.value, "maybe_applied", None) is maybe_applied

    async def test_a_job_is_accepted(self, simulator):
        with simulator.faults(refuse=4096):
            async with driver_of(simulator) as driver:
                await driver.apply("1", Action.OFF)

    @pytest.mark.parametrize(("action", "on"), [(Action.ON, True), (Action.OFF, False)])
    async def test_what_is_so_already_may_be_refused(self, simulator, action, on):
        simulator.set_on(on)
        with simulator.faults(refuse=4097):
            async with driver_of(simulator) as driver:
                await driver.apply("1", action)

    async def test_reads_survive_a_bad_connection(self, simulator):
        simulator.set_on(True)
        async with driver_of(simulator, timeout=3) as driver:
            with simulator.faults(drop=0.2):
                for _ in range(20):
                    assert await read(driver) is PowerState.ON
