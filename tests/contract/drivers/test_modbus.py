"""`ET7067` against pymodbus's server and our own simulator, and what a C client then sees."""

from __future__ import annotations

import contextlib

import pytest

from cloudmanager.drivers.base import Action, PowerState
from cloudmanager.errors import DeviceRefused, DeviceUnreachable
from tests.contract.drivers.board_contract import BoardContract
from tests.contract.drivers.contract import until
from tests.contract.drivers.modbus_peers import Et7067SimulatorPeer, PymodbusPeer
from tests.contract.drivers.simulator_contract import (
    SimulatorContract,
    driver_of,
    fixture_of,
)

PEERS = [
    pytest.param(PymodbusPeer, id="pymodbus", marks=pytest.mark.peer),
    pytest.param(Et7067SimulatorPeer, id="simulator"),
]
peer = fixture_of(*PEERS)
simulator = fixture_of(Et7067SimulatorPeer)


class TestET7067(BoardContract):
    pass


class TestFaults(SimulatorContract):
    async def test_one_connection_serves_many_requests(self, simulator):
        before = simulator.server.counters.connections
        async with driver_of(simulator) as driver:
            for _ in range(5):
                await driver.read_states(["1"])
                await driver.apply("1", Action.OFF)
        assert simulator.server.counters.connections == before + 1

    async def test_a_free_relay_is_switched_as_well(self, simulator):
        async with driver_of(simulator) as driver:
            await driver.apply("1", Action.ON)
            assert await driver.read_states(["1"]) == {"1": PowerState.ON}
            await driver.apply("1", Action.OFF)
            assert await driver.read_states(["1"]) == {"1": PowerState.OFF}

    async def test_a_slow_board(self, simulator):
        with simulator.faults(lag=0.3):
            async with driver_of(simulator) as driver:
                await driver.apply("2", Action.ON)
                assert await driver.read_states(["2"]) == {"2": PowerState.ON}

    async def test_answers_that_come_twice(self, simulator):
        with simulator.faults(duplicate=1.0):
            async with driver_of(simulator) as driver:
                for action, state in [(Action.ON, "power_on"), (Action.OFF, "power_off")] * 5:
                    await driver.apply("2", action)
                    assert await driver.read_states(["2"]) == {"2": state}

    async def test_garbage_is_never_believed(self, simulator):
        """A flipped bit in the data cannot be noticed: Modbus/TCP has no check sum."""
        with simulator.faults(garbage=1.0):
            for _ in range(40):
                async with driver_of(simulator, timeout=0.1) as driver:
                    with contextlib.suppress(DeviceUnreachable, DeviceRefused):
                        states = await driver.read_states(["2"])
                        assert set(states) == {"2"}
        async with driver_of(simulator) as driver:
            assert set(await driver.read_states(["2"])) == {"2"}

    async def test_connections_are_cut(self, simulator):
        with simulator.faults(refuse_connections=True):
            async with driver_of(simulator) as driver:
                with pytest.raises(DeviceUnreachable, match="connect") as caught:
                    await driver.read_states(["2"])
                assert not caught.value.maybe_applied

    async def test_a_lie_is_of_free_relays_as_well(self, simulator):
        simulator.set_on(False)
        with simulator.faults(lie_state="on"):
            async with driver_of(simulator) as driver:
                assert await driver.read_states(["2", "1"]) == {"2": PowerState.ON, "1": PowerState.ON}

    @pytest.mark.parametrize(
        ("code", "error", "words", "maybe_applied"),
        [
            (1, DeviceRefused, "does not know this function", None),
            (2, DeviceRefused, "no such coil", None),
            (3, DeviceRefused, "not take this value", None),
            (4, DeviceRefused, "hardware failed", None),
            (5, DeviceUnreachable, "needs longer", True),
            (6, DeviceUnreachable, "busy", False),
            (8, DeviceRefused, "memory is damaged", None),
            (10, DeviceUnreachable, "gateway has no path", False),
            (11, DeviceUnreachable, "did not answer the gateway", True),
            (77, DeviceRefused, "unknown", None),
        ],
    )
    async def test_every_exception(self, simulator, code, error, words, maybe_applied):
        simulator.set_on(False)
        with simulator.faults(refuse=code):
            async with driver_of(simulator) as driver:
                with pytest.raises(error, match=rf"exception {code}: .*{words}") as caught:
                    await driver.apply("2", Action.ON)
                assert getattr(caught.value, "maybe_applied", None) is maybe_applied
        assert not simulator.is_on()

    async def test_another_unit(self, simulator):
        async with driver_of(simulator, unit_id=9, timeout=0.3) as driver:
            with pytest.raises(DeviceUnreachable):
                await driver.read_states(["2"])
        async with driver_of(simulator, unit_id=255) as driver:
            assert set(await driver.read_states(["2"])) == {"2"}

    async def test_the_machine_starts_and_stops(self, simulator):
        simulator.set_on(False)
        before = simulator.resets()
        async with driver_of(simulator) as driver:
            await driver.apply("2", Action.ON)
            await until(simulator.is_on)
            await driver.apply("2", Action.OFF)
            await until(lambda: not simulator.is_on())
        assert simulator.resets() == before + 1
