"""The boards that speak SNMP, against net-snmp's daemon and our own simulator."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest

from cloudmanager.drivers.base import Action, PowerState
from cloudmanager.errors import DeviceRefused, DeviceUnreachable
from tests.contract.drivers.board_contract import BoardContract
from tests.contract.drivers.contract import until
from tests.contract.drivers.simulator_contract import driver_of, fixture_of
from tests.contract.drivers.snmp_peers import ButtonsSimulator, ButtonsSnmpd, MainsSimulator, MainsSnmpd

mains = fixture_of(MainsSimulator)
buttons = fixture_of(ButtonsSimulator)
mains_peer = fixture_of(
    pytest.param(MainsSnmpd, id="snmpd", marks=pytest.mark.peer),
    pytest.param(MainsSimulator, id="simulator"),
)
buttons_peer = fixture_of(
    pytest.param(ButtonsSnmpd, id="snmpd", marks=pytest.mark.peer),
    pytest.param(ButtonsSimulator, id="simulator"),
)


class TestDaenetIP2(BoardContract):
    @pytest.fixture
    def peer(self, mains_peer):
        return mains_peer


class TestDaenetIP2Acpi(BoardContract):
    one_read_is = 8

    @pytest.fixture
    def peer(self, buttons_peer):
        return buttons_peer

    async def test_reads_digital_lines(self, peer, open_driver):
        peer.set_contacts({"2": True, "5": False, "8": True})
        driver = open_driver(sense="digital")
        on, off = PowerState.ON, PowerState.OFF
        assert await driver.read_states(["2", "5", "8"]) == {"2": on, "5": off, "8": on}

    async def test_a_machine_that_is_on_is_never_started(self, peer, driver, machine_on):
        """The press that starts a machine would shut this one down."""
        await driver.apply(peer.outlet, Action.ON)
        await asyncio.sleep(0.8)
        assert peer.is_on()

    @pytest.mark.parametrize("action", [Action.OFF, Action.SOFT_OFF])
    async def test_a_machine_that_is_off_is_never_stopped(self, peer, driver, machine_off, action):
        """The press that stops a machine would start this one."""
        before = peer.resets()
        await driver.apply(peer.outlet, action)
        await asyncio.sleep(0.3)
        assert not peer.is_on()
        assert peer.resets() == before


class TestFaultsOfMains:
    async def test_a_lie_is_read_as_it_is_told(self, mains):
        mains.set_on(False)
        with mains.faults(lie_state="on"):
            async with driver_of(mains) as driver:
                assert await driver.read_states(["2", "1"]) == {"2": PowerState.ON, "1": PowerState.ON}

    async def test_lost_packets_are_sent_again(self, mains):
        with mains.faults(drop=0.2):
            async with driver_of(mains, timeout=10.0) as driver:
                for action, state in [(Action.ON, PowerState.ON), (Action.OFF, PowerState.OFF)]:
                    await driver.apply("1", action)
                    assert await driver.read_states(["1"]) == {"1": state}

    @pytest.mark.parametrize("fault", [{"duplicate": 1.0}, {"reorder": 0.5}, {"lag": 0.1}])
    async def test_a_bad_network(self, mains, fault):
        with mains.faults(**fault):
            async with driver_of(mains, timeout=5.0) as driver:
                for action, state in [(Action.ON, PowerState.ON), (Action.OFF, PowerState.OFF)] * 3:
                    await driver.apply("1", action)
                    assert await driver.read_states(["1"]) == {"1": state}

    async def test_garbage_is_never_believed(self, mains):
        with mains.faults(garbage=1.0):
            for _ in range(40):
                async with driver_of(mains, timeout=0.05) as driver:
                    with contextlib.suppress(DeviceUnreachable, DeviceRefused):
                        assert set(await driver.read_states(["2"])) == {"2"}

    async def test_rejected_credentials_are_silence(self, mains):
        with mains.faults(reject_credentials=True):
            async with driver_of(mains, timeout=0.3) as driver:
                with pytest.raises(DeviceUnreachable, match="credentials"):
                    await driver.read_states(["2"])

    async def test_a_community_that_may_only_read(self, mains):
        async with driver_of(mains, password=mains.login) as driver:
            await driver.read_states(["2"])
            with pytest.raises(DeviceRefused, match="may not write"):
                await driver.apply("2", Action.ON)

    @pytest.mark.parametrize(
        ("code", "words"),
        [
            (1, "too big"),
            (2, "no such object"),
            (3, "not take this value"),
            (4, "only be read"),
            (5, "does not say why"),
            (77, "unknown"),
        ],
    )
    async def test_every_error(self, mains, code, words):
        mains.set_on(False)
        with mains.faults(refuse=code):
            async with driver_of(mains) as driver:
                with pytest.raises(DeviceRefused, match=f"SNMP error {code}: .*{words}"):
                    await driver.apply("2", Action.ON)
        assert not mains.is_on()


class TestPresses:
    """What becomes of the contact when something goes wrong while it is closed."""

    async def opened(self, peer):
        await until(lambda: peer.pressed() == 0)

    async def test_cancelled_while_pressing(self, buttons):
        buttons.set_on(True)
        async with driver_of(buttons, long_press=30.0) as driver:
            off = asyncio.create_task(driver.apply("2", Action.OFF))
            await until(lambda: buttons.pressed() == 0b10)
            off.cancel()
            with pytest.raises(asyncio.CancelledError):
                await off
            assert buttons.pressed() == 0

    async def test_cancelled_again_and_again(self, buttons):
        buttons.set_on(True)
        with buttons.faults(lag=0.2):
            async with driver_of(buttons, long_press=30.0) as driver:
                off = asyncio.create_task(driver.apply("2", Action.OFF))
                await until(lambda: buttons.pressed() == 0b10)
                while not off.done():
                    off.cancel()
                    await asyncio.sleep(0.01)
                assert off.cancelled()
                assert asyncio.all_tasks() == {asyncio.current_task()}
                assert buttons.pressed() == 0

    @pytest.mark.parametrize("turns", range(12))
    async def test_cancelled_at_any_time(self, buttons, turns):
        buttons.set_on(False)
        async with driver_of(buttons) as driver:
            on = asyncio.create_task(driver.apply("2", Action.ON))
            for _ in range(turns):
                await asyncio.sleep(0.0003)
            on.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await on
        await self.opened(buttons)

    async def test_the_answer_to_the_press_is_lost(self, buttons):
        """It is let go of as soon as the answer is late, and then again and again until that is confirmed."""
        buttons.set_on(False)
        with buttons.faults(lag=0.45):
            async with driver_of(buttons, timeout=0.6, short_press=0.05) as driver:
                for _ in range(2):
                    with contextlib.suppress(DeviceUnreachable):
                        await driver.apply("2", Action.ON)
        await self.opened(buttons)

    async def test_the_device_dies_while_pressed(self, buttons):
        buttons.set_on(False)
        async with driver_of(buttons, short_press=0.3) as driver:
            on = asyncio.create_task(driver.apply("2", Action.ON))
            await until(lambda: buttons.pressed() == 0b10)
            buttons.freeze()
            try:
                with pytest.raises(DeviceUnreachable, match="port 2 may still be pressed") as caught:
                    await on
            finally:
                buttons.thaw()
            assert caught.value.maybe_applied
            assert str(driver) in caught.value.message
            buttons.call(buttons.server.relays.switch, 2, False)

    async def test_the_device_is_away_for_a_moment(self, buttons):
        buttons.set_on(False)
        async with driver_of(buttons, short_press=0.1, timeout=3.0) as driver:
            on = asyncio.create_task(driver.apply("2", Action.ON))
            await until(lambda: buttons.pressed() == 0b10)
            with buttons.faults(dead=True):
                await asyncio.sleep(0.5)
            await on
            assert buttons.pressed() == 0

    async def test_a_press_that_is_refused_says_why(self, buttons):
        buttons.set_on(False)
        with buttons.faults(refuse=5):
            async with driver_of(buttons) as driver:
                with pytest.raises(DeviceRefused, match="SNMP error 5"):
                    await driver.apply("2", Action.ON)
        assert not buttons.is_on()
        assert buttons.pressed() == 0

    async def test_soft_off_that_nobody_listens_to(self, buttons):
        buttons.set_on(True)
        with buttons.faults(soft_off_ignored=True):
            async with driver_of(buttons) as driver:
                await driver.apply("2", Action.SOFT_OFF)
                await asyncio.sleep(0.3)
                assert buttons.is_on()
                await driver.apply("2", Action.OFF)
                await until(lambda: not buttons.is_on())

    async def test_the_lengths_of_presses(self, buttons):
        async with driver_of(buttons, short_press=0.1, long_press=0.6) as driver:
            for on, action, seconds in (
                (False, Action.ON, 0.1),
                (True, Action.SOFT_OFF, 0.1),
                (True, Action.OFF, 0.6),
            ):
                buttons.set_on(on)
                started = time.monotonic()
                await driver.apply("2", action)
                assert seconds <= time.monotonic() - started < seconds + 2

    @pytest.mark.parametrize(("threshold", "state"), [(676, PowerState.ON), (677, PowerState.OFF)])
    async def test_the_threshold(self, buttons, threshold, state):
        buttons.set_on(True)
        async with driver_of(buttons, threshold=threshold) as driver:
            assert await driver.read_states(["2"]) == {"2": state}
