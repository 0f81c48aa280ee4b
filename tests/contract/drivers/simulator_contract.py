"""What every driver does with a device of ours that lies, forgets, loses an answer or has no session left.

A test module gives a fixture `simulator`; `fixture_of` makes it, and those of other peers.
"""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from cloudmanager.drivers.base import Action, PowerState
from cloudmanager.errors import DeviceRefused, DeviceUnreachable

TIMEOUT = 1.5  # seconds for one answer of a simulator on a busy machine


def fixture_of(*kinds):
    """A fixture that opens each kind of peer once for the tests of a module."""

    @pytest.fixture(scope="module", params=kinds)
    def opened(request):
        with contextlib.ExitStack() as stack:
            yield request.param(stack)

    return opened


@contextlib.asynccontextmanager
async def driver_of(peer, **changes):
    """A driver of the peer, closed at the end."""
    driver = peer.driver(peer.settings(**{"timeout": TIMEOUT, **changes}))
    try:
        yield driver
    finally:
        await driver.close()


async def read(driver, outlet="1"):
    return (await driver.read_states([outlet]))[outlet]


class SimulatorContract:
    async def test_a_lie_is_read_as_it_is_told(self, simulator):
        simulator.set_on(False)
        with simulator.faults(lie_state="on"):
            async with driver_of(simulator) as driver:
                assert await read(driver, simulator.outlet) is PowerState.ON

    async def test_a_forgotten_command_is_accepted(self, simulator):
        simulator.set_on(True)
        with simulator.faults(ignore_commands=True):
            async with driver_of(simulator) as driver:
                await driver.apply(simulator.outlet, Action.OFF)
                assert await read(driver, simulator.outlet) is PowerState.ON
        assert simulator.is_on()


class ConnectionContract:
    """Of devices that are spoken to over a connection, which can break."""

    @pytest.mark.parametrize("used_before", [False, True])
    async def test_a_reset_without_an_answer_is_not_sent_again(self, simulator, used_before):
        simulator.set_on(True)
        before = simulator.resets()
        async with driver_of(simulator) as driver:
            if used_before:
                await read(driver, simulator.outlet)
            with (
                simulator.faults(power_on_lag=0.0),
                simulator.no_answer_once(lambda: simulator.resets() > before),
                pytest.raises(DeviceUnreachable) as caught,
            ):
                await driver.apply(simulator.outlet, Action.RESET)
        assert caught.value.maybe_applied
        assert simulator.resets() == before + 1


class SessionContract:
    """Of devices that count their sessions."""

    async def test_all_sessions_taken(self, simulator):
        with simulator.faults(session_limit=0):
            async with driver_of(simulator, timeout=1.0) as driver:
                with pytest.raises(DeviceUnreachable, match="no free session"):
                    await read(driver)

    async def test_a_session_becomes_free(self, simulator):
        simulator.set_on(True)
        async with driver_of(simulator) as driver:
            with simulator.faults(session_limit=0):
                reading = asyncio.create_task(read(driver))
                await asyncio.sleep(0.3)
            assert await reading is PowerState.ON

    @pytest.mark.parametrize(
        "changes", [{}, {"password": "wrong"}, {"login": "nobody"}, {"timeout": 0.001}, {"timeout": 0.0001}]
    )
    async def test_no_session_is_left_after_every_kind_of_end(self, simulator, changes):
        simulator.set_on(True)
        async with driver_of(simulator, **changes) as driver:
            with contextlib.suppress(DeviceRefused, DeviceUnreachable):
                await read(driver)
        assert simulator.sessions() == 0
