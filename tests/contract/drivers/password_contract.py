"""The promises of `Driver.set_password` and `log_in`, against any peer whose driver can change its password."""

from __future__ import annotations

import contextlib

import pytest

from cloudmanager.drivers.base import PowerState
from cloudmanager.errors import CredentialsRefused, DeviceError, DeviceRefused, DeviceUnreachable
from tests.contract.drivers.contract import frozen


@contextlib.asynccontextmanager
async def driver_of(peer, **changes):
    driver = peer.driver(peer.settings(**{"timeout": peer.timeout, **changes}))
    try:
        yield driver
    finally:
        await driver.close()


@contextlib.asynccontextmanager
async def changed(peer, password):
    """The device has another password; answers the settings that were good before."""
    old = peer.settings()
    async with driver_of(peer, password=old.password) as driver:
        await driver.set_password(password)
    try:
        yield old.password
    finally:
        async with driver_of(peer, password=password) as driver:
            await driver.set_password(old.password)


class PasswordContract:
    async def test_the_new_password_logs_in_and_the_old_does_not(self, peer):
        async with (
            changed(peer, "New-Passw0rd") as old,
            driver_of(peer, password="New-Passw0rd") as now,
            driver_of(peer, password=old) as before,
        ):
            await now.log_in()
            assert (await now.read_states([peer.outlet]))[peer.outlet] in PowerState
            with pytest.raises(CredentialsRefused, match="credentials"):
                await before.log_in()

    @pytest.mark.parametrize("size", [8, 15, 16, 17, 19, 20])
    async def test_every_length(self, peer, size):
        password = "aB3-" * 5
        if size > peer.password_bytes:
            async with driver_of(peer) as driver:
                with pytest.raises(DeviceRefused, match="the old one was put back"):
                    await driver.set_password(password[:size])
                await driver.log_in()
            return
        async with changed(peer, password[:size]), driver_of(peer, password=password[:size]) as driver:
            await driver.log_in()
            if size > 8:
                async with driver_of(peer, password=password[: size - 1]) as shorter:
                    with pytest.raises(CredentialsRefused):
                        await shorter.log_in()

    async def test_twice_is_once(self, peer):
        """What is told again after a crash: the device may have it already."""
        async with changed(peer, "New-Passw0rd"), driver_of(peer, password="New-Passw0rd") as driver:
            await driver.set_password("New-Passw0rd")
            await driver.log_in()

    async def test_a_session_that_is_open_proves_nothing(self, peer):
        """It may be older than the password."""
        async with driver_of(peer) as driver:
            await driver.read_states([peer.outlet])
            await driver.log_in()
            async with changed(peer, "New-Passw0rd"):
                with pytest.raises(CredentialsRefused):
                    await driver.log_in()
            await driver.log_in()

    async def test_nothing_is_left_behind(self, peer):
        async with changed(peer, "New-Passw0rd"), driver_of(peer, password="wrong one") as driver:
            with pytest.raises(CredentialsRefused):
                await driver.log_in()
            with pytest.raises(CredentialsRefused):
                await driver.set_password("never to be")
        assert peer.sessions() in (0, None)

    async def test_silence(self, peer):
        async with driver_of(peer) as driver:
            with frozen(peer):
                for verb in (driver.log_in(), driver.set_password("New-Passw0rd")):
                    with pytest.raises(DeviceUnreachable):
                        await verb
            await driver.log_in()

    async def test_no_new_password_comes_out(self, peer, caplog):
        caplog.set_level(0)
        secret = "Very-s3cret"
        async with driver_of(peer, password="wrong one") as driver:
            with pytest.raises(DeviceError) as caught:
                await driver.set_password(secret)
            said = [repr(caught.value), str(caught.value), repr(driver), caplog.text]
            assert not any(secret in each for each in said)
            assert not any(secret in repr(each) for each in vars(driver).values())

    async def test_a_password_that_is_too_long(self, peer):
        async with driver_of(peer) as driver:
            secret = "Aa1-" * (driver.longest_password // 4 + 1)
            with pytest.raises(DeviceRefused, match=f"up to {driver.longest_password} bytes") as caught:
                await driver.set_password(secret)
            assert secret not in caught.value.message
            await driver.log_in()
