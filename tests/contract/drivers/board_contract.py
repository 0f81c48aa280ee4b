"""What a device with several outlets promises beyond the contract of every driver.

Its peers have, besides the methods of `Peer`: `outlets`, all that have a machine; `contacts()` and `set_contacts()`,
the truth about them as `{outlet: bool}`; `requests()`, how many requests the device got, or None.
"""

from __future__ import annotations

import asyncio

import pytest

from cloudmanager.drivers.base import Action, PowerState
from cloudmanager.errors import DeviceRefused
from tests.contract.drivers.contract import PowerDriverContract, until


def told(contacts):
    return {outlet: PowerState.ON if on else PowerState.OFF for outlet, on in contacts.items()}


class BoardContract(PowerDriverContract):
    one_read_is = 1
    """Requests that a read of all outlets costs."""

    async def test_one_read_serves_the_whole_board(self, peer, driver):
        wanted = {outlet: place % 2 == 0 for place, outlet in enumerate(peer.outlets)}
        peer.set_contacts(wanted)
        before = peer.requests()
        states = await driver.read_states(driver.valid_outlets())
        assert set(states) == set(driver.valid_outlets())
        assert {outlet: states[outlet] for outlet in peer.outlets} == told(wanted)
        if before is not None:
            assert peer.requests() - before == self.one_read_is

    async def test_each_outlet_is_read_by_itself(self, peer, driver):
        for outlet in peer.outlets:
            wanted = {each: each == outlet for each in peer.outlets}
            peer.set_contacts(wanted)
            assert await driver.read_states(peer.outlets) == told(wanted)

    @pytest.mark.parametrize("action", [Action.ON, Action.OFF])
    async def test_outlets_are_independent(self, peer, driver, action):
        for outlet in peer.outlets:
            others = dict.fromkeys(peer.outlets, action is Action.OFF)
            peer.set_contacts(others)
            await driver.apply(outlet, action)
            wanted = {**others, outlet: action is Action.ON}
            await until(lambda wanted=wanted: peer.contacts() == wanted)

    async def test_outlets_at_once(self, peer, driver):
        peer.set_contacts(dict.fromkeys(peer.outlets, False))
        await asyncio.gather(*(driver.apply(outlet, Action.ON) for outlet in peer.outlets))
        await until(lambda: all(peer.contacts().values()))

    async def test_no_outlet_behind_the_last(self, peer, driver):
        last = driver.valid_outlets()[-1]
        assert set(await driver.read_states([last])) == {last}
        for verb in (driver.read_states([last, "9"]), driver.apply("9", Action.ON)):
            with pytest.raises(DeviceRefused, match=r"its ports are 1\.\.8"):
                await verb
