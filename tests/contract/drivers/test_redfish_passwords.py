"""Changing the password of a Redfish service, against our own simulator; the proof of it against others'."""

from __future__ import annotations

import contextlib

import pytest

from cloudmanager.errors import CredentialsRefused, DeviceRefused, DeviceUnreachable, Unsupported
from cloudmanager.simulators.redfish.messages import problem
from tests.contract.drivers.password_contract import PasswordContract, changed, driver_of
from tests.contract.drivers.redfish_peers import SimulatorPeer, SushyPeer, TlsSimulatorPeer

NEW = "New-Passw0rd"


@pytest.fixture(scope="module", params=[SimulatorPeer, TlsSimulatorPeer])
def peer(request):
    with contextlib.ExitStack() as stack:
        yield request.param(stack)


@pytest.fixture(scope="module")
def simulator():
    with contextlib.ExitStack() as stack:
        yield SimulatorPeer(stack)


@pytest.fixture(scope="module")
def sushy():
    with contextlib.ExitStack() as stack:
        yield SushyPeer(stack)


class TestRedfishDevice(PasswordContract):
    pass


@pytest.mark.peer
class TestSushyTools:
    """Its accounts are in a file: it has no AccountService."""

    async def test_the_proof(self, sushy):
        async with driver_of(sushy) as driver, driver_of(sushy, password="wrong") as other:
            await driver.log_in()
            with pytest.raises(CredentialsRefused):
                await other.log_in()

    async def test_it_cannot_change_a_password(self, sushy):
        async with driver_of(sushy) as driver:
            with pytest.raises(Unsupported, match="no accounts that could be changed"):
                await driver.set_password(NEW)


class TestMakers:
    """What services of different makers do differently."""

    @pytest.mark.parametrize(
        "memory",
        [
            {"wants_etag": True},
            {"weak_etags": True, "wants_etag": True},
            {"sessions": False},
            {"must_change": True},
            {"must_change": True, "wants_etag": False, "sessions": False},
        ],
        ids=str,
    )
    async def test_it_is_changed(self, simulator, memory):
        with simulator.memory(**memory):
            async with changed(simulator, NEW), driver_of(simulator, password=NEW) as driver:
                await driver.log_in()
                await driver.read_states(["1"])

    async def test_who_must_change_it_first_can_do_nothing_else(self, simulator):
        with simulator.memory(must_change=True):
            async with driver_of(simulator) as driver:
                await driver.log_in()
                with pytest.raises(DeviceRefused, match="wants the password changed before anything else"):
                    await driver.read_states(["1"])

    async def test_only_our_account_is_changed(self, simulator):
        accounts = simulator.device.accounts
        others = {7: type(accounts[1])("guest", "guests own"), 8: type(accounts[1])("", "")}
        accounts.update(others)
        try:
            async with changed(simulator, NEW):
                assert (accounts[7].password, accounts[8].password) == ("guests own", "")
                assert accounts[1].password == NEW
        finally:
            for number in others:
                del accounts[number]

    @pytest.mark.parametrize(
        ("password", "words"), [("Ab1-", "at least 8 characters"), ("Ab1-" * 6, "at most 20 characters")]
    )
    async def test_a_length_that_the_service_does_not_take(self, simulator, password, words):
        async with driver_of(simulator) as driver:
            with pytest.raises(DeviceRefused, match=words):
                await driver.set_password(password)
            await driver.log_in()

    async def test_a_refusal_that_quotes_the_password(self, simulator):
        with simulator.memory(refuses_passwords=True):
            async with driver_of(simulator) as driver:
                with pytest.raises(DeviceRefused, match="refuses this") as caught:
                    await driver.set_password(NEW)
                await driver.log_in()
        assert NEW not in caught.value.message

    async def test_an_account_that_may_not(self, simulator):
        with simulator.memory(may_not_change=True):
            async with driver_of(simulator) as driver:
                with pytest.raises(DeviceRefused, match="ConfigureSelf"):
                    await driver.set_password(NEW)

    async def test_an_account_of_a_directory_server(self, simulator):
        """It can log in, and is not among the accounts."""
        account = simulator.device.accounts[1]
        simulator.server._accounts.numbers, kept = list, simulator.server._accounts.numbers
        try:
            async with driver_of(simulator) as driver:
                with pytest.raises(DeviceRefused, match=f"does not show the account '{account.name}'"):
                    await driver.set_password(NEW)
        finally:
            simulator.server._accounts.numbers = kept

    async def test_a_change_without_an_answer_is_not_sent_again(self, simulator):
        """It may have been obeyed, and the session may be over."""
        old = simulator.settings().password
        async with driver_of(simulator) as driver:
            with (
                simulator.no_answer_once(lambda: simulator.settings().password == NEW),
                pytest.raises(DeviceUnreachable) as caught,
            ):
                await driver.set_password(NEW)
            assert caught.value.maybe_applied
        async with driver_of(simulator) as driver:
            await driver.log_in()
            await driver.set_password(old)
        simulator.restart()  # the log-out may have been lost with the connection

    @pytest.mark.parametrize(
        ("status", "error"), [(401, CredentialsRefused), (403, CredentialsRefused), (429, DeviceUnreachable)]
    )
    async def test_what_is_a_wrong_password_and_what_is_not(self, simulator, monkeypatch, status, error):
        monkeypatch.setattr(simulator.server, "_log_on", lambda request: problem(status))
        async with driver_of(simulator) as driver:
            with pytest.raises(error) as caught:
                await driver.log_in()
        assert type(caught.value) is error
