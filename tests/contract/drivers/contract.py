"""Every promise of `cloudmanager.drivers.base`, as tests that any driver must pass against any peer.

A test module gives a fixture `peer` and a subclass of `PowerDriverContract`. A peer is a device, real or simulated,
with the methods of `Peer`; what it tells of itself must not come through the driver.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Protocol

import pytest

from cloudmanager.drivers import DRIVERS, driver_for
from cloudmanager.drivers.base import Action, PowerState
from cloudmanager.errors import DeviceError, DeviceRefused, DeviceUnreachable, Unsupported

TIMEOUT = 0.8
SLACK = 3.0


class Peer(Protocol):
    """A device under test with one machine on outlet `outlet`. Real peers inherit it for the defaults."""

    driver: type
    outlet: str = "1"
    has_credentials: bool = True
    """Whether the protocol has any; a device that has them and stays silent to wrong ones tells of none."""
    tells_of_wrong_login: bool = True
    tells_of_wrong_password: bool = True
    says_first: str = "hello"
    """What a fresh driver sends first when it is to act: a "hello", a "look" at the state, or the "command"."""
    missed_log_outs: bool = False
    password_bytes: int = 20
    """How many bytes of a password it keeps."""
    timeout: float = TIMEOUT
    """Seconds that it has for an answer on a busy machine."""

    def settings(self, **changes): ...
    def is_on(self): ...
    def set_on(self, on): ...
    def resets(self): ...
    def next_boot(self): ...
    def freeze(self):
        """Answer nothing until `thaw`."""

    def thaw(self): ...
    def restart(self):
        """Forget every session, as a device does that lost its power."""

    def sessions(self):
        """How many sessions are open, or None if it does not tell."""


async def until(reached, seconds=5.0):
    end = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < end, "the machine did not change"
        await asyncio.sleep(0.02)


@contextlib.contextmanager
def frozen(peer):
    """What is sent to the device meanwhile may be lost, and a log-out with it."""
    peer.freeze()
    peer.missed_log_outs = peer.sessions() is not None
    try:
        yield
    finally:
        peer.thaw()


class PowerDriverContract:
    @pytest.fixture
    async def open_driver(self, peer):
        """Makes drivers; at the end all are closed, and nothing of them is left on the loop or on the device."""
        async with contextlib.AsyncExitStack() as stack:

            def open_driver(**changes):
                driver = peer.driver(peer.settings(**{"timeout": peer.timeout, **changes}))
                stack.push_async_callback(driver.close)
                return driver

            yield open_driver
        assert asyncio.all_tasks() == {asyncio.current_task()}
        if peer.missed_log_outs:
            peer.restart()
            peer.missed_log_outs = False
        assert peer.sessions() in (0, None)

    @pytest.fixture
    def driver(self, open_driver):
        return open_driver()

    @pytest.fixture
    def machine_on(self, peer):
        peer.set_on(True)

    @pytest.fixture
    def machine_off(self, peer):
        peer.set_on(False)

    async def state(self, driver, peer):
        return (await driver.read_states([peer.outlet]))[peer.outlet]

    # The declaration.

    def test_it_is_registered_under_its_type(self, peer):
        assert peer.driver in DRIVERS
        assert driver_for(peer.driver.control_type) is peer.driver

    def test_it_declares_itself(self, peer, driver):
        assert driver.actions >= {Action.ON, Action.OFF}
        assert driver.default_port > 0
        assert driver.valid_outlets() == tuple(str(n + 1) for n in range(driver.coils_count))
        host, port = driver.settings.host, driver.settings.port
        assert str(driver) == f"{driver.protocol_type}://{driver.control_type}@{host}:{port}"

    # Reading.

    async def test_reads_on(self, peer, driver, machine_on):
        assert await self.state(driver, peer) is PowerState.ON

    async def test_reads_off(self, peer, driver, machine_off):
        assert await self.state(driver, peer) is PowerState.OFF

    async def test_reads_what_changed_behind_its_back(self, peer, driver, machine_off):
        await self.state(driver, peer)
        peer.set_on(True)
        assert await self.state(driver, peer) is PowerState.ON

    async def test_reads_exactly_the_outlets_that_were_asked_for(self, peer, driver):
        assert set(await driver.read_states([peer.outlet])) == {peer.outlet}

    async def polled(self, driver, *outlets):
        polled = asyncio.get_running_loop().create_future()
        driver.poll(outlets, polled.set_result)
        assert not polled.done(), "the answer came before poll returned"
        return await polled

    async def test_polls(self, peer, driver):
        for on, state in ((True, PowerState.ON), (False, PowerState.OFF)):
            peer.set_on(on)
            assert await self.polled(driver, peer.outlet) == {peer.outlet: state}

    async def test_a_poll_that_fails_tells_the_error(self, peer, driver, open_driver, machine_on):
        if peer.has_credentials:
            expected = DeviceRefused if peer.tells_of_wrong_password else DeviceUnreachable
            assert isinstance(
                await self.polled(open_driver(password="not the passwd"), peer.outlet), expected
            )
        with frozen(peer):
            assert isinstance(await self.polled(driver, peer.outlet), DeviceUnreachable)

    async def test_a_poll_without_outlets_reads_all(self, peer, driver, machine_on):
        polled = await self.polled(driver)
        assert polled == await driver.read_states([])
        assert polled[peer.outlet] is PowerState.ON

    @pytest.mark.parametrize("outlet", ["0", "", "x", "-1", "99999"])
    async def test_a_poll_refuses_an_outlet_that_is_not_there(self, peer, driver, outlet):
        refusal = await self.polled(driver, outlet)
        assert isinstance(refusal, DeviceRefused)
        assert str(driver) in refusal.message

    @pytest.mark.parametrize("outlet", ["0", "", "x", "-1", "99999"])
    async def test_refuses_an_outlet_that_is_not_there(self, peer, driver, machine_off, outlet):
        with pytest.raises(DeviceRefused, match=str(driver)):
            await driver.read_states([outlet])
        with pytest.raises(DeviceRefused):
            await driver.apply(outlet, Action.ON)
        assert not peer.is_on()

    # Acting.

    async def test_switches_on(self, peer, driver, machine_off):
        await driver.apply(peer.outlet, Action.ON)
        await until(peer.is_on)

    async def test_switches_off(self, peer, driver, machine_on):
        await driver.apply(peer.outlet, Action.OFF)
        await until(lambda: not peer.is_on())

    async def test_on_does_not_touch_a_running_machine(self, peer, driver, machine_on):
        before = peer.resets()
        await driver.apply(peer.outlet, Action.ON)
        await asyncio.sleep(0.4)
        assert peer.is_on()
        assert peer.resets() == before

    async def test_off_leaves_an_off_machine_off(self, peer, driver, machine_off):
        await driver.apply(peer.outlet, Action.OFF)
        await asyncio.sleep(0.2)
        assert not peer.is_on()

    async def test_shuts_down_softly(self, peer, driver, machine_on):
        if Action.SOFT_OFF in driver.actions:
            await driver.apply(peer.outlet, Action.SOFT_OFF)
            await until(lambda: not peer.is_on())

    async def test_soft_off_does_not_start_an_off_machine(self, peer, driver, machine_off):
        if Action.SOFT_OFF in driver.actions:
            with contextlib.suppress(DeviceRefused):
                await driver.apply(peer.outlet, Action.SOFT_OFF)
            await asyncio.sleep(0.4)
            assert not peer.is_on()

    async def test_resets_once(self, peer, driver, machine_on):
        if Action.RESET in driver.actions:
            before = peer.resets()
            await driver.apply(peer.outlet, Action.RESET)
            await until(lambda: peer.resets() > before and peer.is_on())
            assert peer.resets() == before + 1

    async def test_reset_does_not_start_an_off_machine(self, peer, driver, machine_off):
        if Action.RESET in driver.actions:
            before = peer.resets()
            with contextlib.suppress(DeviceRefused):
                await driver.apply(peer.outlet, Action.RESET)
            await asyncio.sleep(0.4)
            assert not peer.is_on()
            assert peer.resets() == before

    async def test_says_what_it_cannot_do(self, peer, driver):
        for action in set(Action) - driver.actions:
            with pytest.raises(Unsupported, match="it can do"):
                await driver.apply(peer.outlet, action)

    async def test_next_boot_from_network(self, peer, driver, machine_off):
        if driver.boots_from_network:
            await driver.set_next_boot_from_network(peer.outlet)
            assert peer.next_boot() == "pxe"
            assert not peer.is_on()
        else:
            with pytest.raises(Unsupported):
                await driver.set_next_boot_from_network(peer.outlet)

    async def test_a_password_that_cannot_be_changed(self, driver):
        if not driver.longest_password:
            for verb in (driver.set_password("another"), driver.log_in()):
                with pytest.raises(Unsupported, match=str(driver)):
                    await verb

    # Errors.

    async def test_wrong_password_is_refused(self, peer, open_driver, machine_off):
        driver = open_driver(password="not the passwd")
        if not peer.has_credentials:
            assert await self.state(driver, peer) is PowerState.OFF
            return
        expected = DeviceRefused if peer.tells_of_wrong_password else DeviceUnreachable
        for verb in (driver.read_states([peer.outlet]), driver.apply(peer.outlet, Action.ON)):
            with pytest.raises(expected, match="credentials") as caught:
                await verb
            assert str(driver) in caught.value.message
        assert not peer.is_on()

    async def test_wrong_login_is_an_error(self, peer, open_driver):
        if not peer.has_credentials:
            return
        expected = DeviceRefused if peer.tells_of_wrong_login else DeviceUnreachable
        with pytest.raises(expected, match="login"):
            await self.state(open_driver(login="nobody"), peer)

    async def test_no_secret_comes_out(self, peer, open_driver, caplog, unused_udp_port):
        caplog.set_level(0)
        secret = "not the passwd"
        port = peer.settings().port if peer.has_credentials else unused_udp_port
        driver = open_driver(password=secret, port=port)
        with pytest.raises(DeviceError) as caught:
            await self.state(driver, peer)
        said = [
            repr(caught.value),
            str(caught.value),
            repr(driver),
            str(driver),
            repr(driver.settings),
            caplog.text,
        ]
        assert not any(secret in each for each in said)
        assert not any(secret in repr(each) for each in vars(driver).values())

    async def test_silence_is_unreachable_and_never_off(self, peer, driver, machine_on):
        with frozen(peer):
            started = time.monotonic()
            with pytest.raises(DeviceUnreachable, match=str(driver)) as caught:
                await self.state(driver, peer)
            assert time.monotonic() - started < peer.timeout + SLACK
            assert not caught.value.maybe_applied
        assert await self.state(driver, peer) is PowerState.ON

    async def test_silence_in_a_session_is_unreachable(self, peer, driver, machine_on):
        await self.state(driver, peer)
        with frozen(peer):
            with pytest.raises(DeviceUnreachable) as caught:
                await self.state(driver, peer)
            assert not caught.value.maybe_applied
        assert await self.state(driver, peer) is PowerState.ON

    async def test_an_action_that_may_have_been_obeyed_says_so(self, peer, driver, machine_off):
        await driver.apply(peer.outlet, Action.OFF)
        with frozen(peer):
            with pytest.raises(DeviceUnreachable) as caught:
                await driver.apply(peer.outlet, Action.ON)
            assert caught.value.maybe_applied == (peer.says_first != "look")

    async def test_an_action_that_never_left_says_so(self, peer, driver, machine_off):
        with frozen(peer):
            with pytest.raises(DeviceUnreachable) as caught:
                await driver.apply(peer.outlet, Action.ON)
            assert caught.value.maybe_applied == (peer.says_first == "command")
        await asyncio.sleep(0.3)
        assert caught.value.maybe_applied or not peer.is_on()

    async def test_nobody_at_the_address(self, peer, open_driver, unused_udp_port):
        driver = open_driver(port=unused_udp_port)
        with pytest.raises(DeviceUnreachable, match=str(driver)):
            await self.state(driver, peer)

    async def test_host_without_address(self, peer, open_driver):
        with pytest.raises(DeviceUnreachable, match=r"no-such-host\.invalid"):
            await self.state(open_driver(host="no-such-host.invalid"), peer)

    async def test_host_name(self, peer, open_driver, machine_on):
        assert await self.state(open_driver(host="localhost"), peer) is PowerState.ON

    # Sessions, time and company.

    async def test_a_device_that_restarted_is_served_as_before(self, peer, open_driver, machine_on):
        driver = open_driver(timeout=5.0)
        await self.state(driver, peer)
        peer.restart()
        assert await self.state(driver, peer) is PowerState.ON

    async def test_an_action_after_a_restart(self, peer, open_driver, machine_on):
        driver = open_driver(timeout=5.0)
        await self.state(driver, peer)
        peer.restart()
        await driver.apply(peer.outlet, Action.OFF)
        await until(lambda: not peer.is_on())

    async def test_close_without_use(self, open_driver):
        open_driver()

    async def test_close_of_a_silent_device_is_short_and_quiet(self, peer, machine_on):
        driver = peer.driver(peer.settings())
        await self.state(driver, peer)
        with frozen(peer):
            async with asyncio.timeout(2.0):
                await driver.close()

    async def test_many_callers_at_once(self, peer, driver, machine_on):
        states = await asyncio.gather(*(self.state(driver, peer) for _ in range(20)))
        assert set(states) == {PowerState.ON}

    async def test_two_drivers_of_one_device(self, peer, open_driver, machine_on):
        states = await asyncio.gather(*(self.state(open_driver(timeout=5.0), peer) for _ in range(5)))
        assert set(states) == {PowerState.ON}

    async def test_interval_between_commands(self, peer, open_driver, machine_on):
        driver = open_driver(min_interval=0.3)
        started = time.monotonic()
        for _ in range(3):
            await self.state(driver, peer)
        assert time.monotonic() - started >= 0.6

    async def test_a_dead_device_delays_nobody(self, peer, open_driver, machine_on, silent_port):
        dead = [open_driver(port=silent_port) for _ in range(20)]
        waiting = [asyncio.create_task(self.state(driver, peer)) for driver in dead]
        async with asyncio.timeout(max(1.0, peer.timeout)):
            assert await self.state(open_driver(), peer) is PowerState.ON
        assert not any(task.done() for task in waiting)
        failures = await asyncio.gather(*waiting, return_exceptions=True)
        assert {type(failure) for failure in failures} == {DeviceUnreachable}

    @pytest.mark.parametrize("turns", [0, 1, 2, 3, 5, 8, 13])
    async def test_cancelling_leaves_nothing(self, peer, driver, machine_on, turns):
        task = asyncio.create_task(self.state(driver, peer))
        for _ in range(turns):
            await asyncio.sleep(0.0005)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert await self.state(driver, peer) is PowerState.ON
