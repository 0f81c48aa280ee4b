"""The registry, the contract's own code, and what `SupermicroRackDevice` checks before any packet."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from cloudmanager.drivers import DRIVERS, driver_for
from cloudmanager.drivers.base import Action, Driver, PowerState, Settings
from cloudmanager.drivers.ipmi import IpmiSettings, SupermicroRackDevice
from cloudmanager.drivers.ipmi.ciphers import SUITE_3, SUITE_17
from cloudmanager.errors import DeviceRefused, InvalidInput, Unsupported
from tests.peers import sockets


class Relay(Driver):
    """A board with two outlets that can only switch."""

    control_type = "Relay"
    protocol_type = "test"
    default_port = 1
    coils_count = 2
    actions = frozenset({Action.ON, Action.OFF})

    def __init__(self):
        super().__init__(Settings(host="host", port=1, password="the password", ssh_key="the key"))
        self.calls = []

    async def _read_states(self, outlets):
        self.calls.append(("read", tuple(outlets)))
        await asyncio.sleep(0)
        return dict.fromkeys(outlets, PowerState.UNKNOWN)

    async def _apply(self, outlet, action):
        self.calls.append((action, outlet))

    async def _close(self):
        self.calls.append("close")


class TestRegistry:
    def test_types_are_found_by_name(self):
        assert [driver_for(driver.control_type) for driver in DRIVERS] == list(DRIVERS)

    def test_an_unknown_type_names_the_known(self):
        with pytest.raises(InvalidInput, match=r"Toaster.*SupermicroRackDevice") as caught:
            driver_for("Toaster")
        assert "control_type" in caught.value.fields

    def test_importing_says_nothing_and_opens_nothing(self):
        code = "import cloudmanager.drivers, sys; assert 'cloudmanager.config' not in sys.modules"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=30, check=True)
        assert (done.stdout, done.stderr) == (b"", b"")


class TestDriver:
    async def test_an_action_it_does_not_declare(self):
        driver = Relay()
        with pytest.raises(Unsupported, match="test://Relay@host:1 cannot do reset; it can do off, on"):
            await driver.apply("1", Action.RESET)
        assert driver.calls == []

    async def test_an_outlet_it_does_not_have(self):
        driver = Relay()
        for verb in (driver.read_states(["1", "3"]), driver.apply("3", Action.ON)):
            with pytest.raises(DeviceRefused, match=r"no port '3'; its ports are 1\.\.2"):
                await verb
        assert driver.calls == []

    async def test_next_boot_is_off_unless_declared(self):
        with pytest.raises(Unsupported):
            await Relay().set_next_boot_from_network("1")

    def test_it_shows_no_secret(self):
        assert "the " not in repr(Relay()) + str(Relay()) + repr(Relay().settings)


def driver(**changes):
    return SupermicroRackDevice(IpmiSettings(**{"host": "127.0.0.1", "port": 1, "login": "ADMIN", **changes}))


class TestSupermicroRackDevice:
    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"login": "a" * 17}, "login of 16 bytes"),
            ({"login": "\u044f" * 9}, "login of 16 bytes"),
            ({"password": "a" * 21}, "password of 20 bytes"),
            ({"password": "\u044f" * 11}, "password of 20 bytes"),
        ],
    )
    async def test_what_ipmi_cannot_carry_is_refused_before_any_packet(self, changes, words):
        refused = driver(**changes)
        with pytest.raises(DeviceRefused, match=words) as caught:
            await refused.apply("1", Action.ON)
        assert changes.get("password", "-") not in caught.value.message
        assert refused._bmc is None
        assert refused._transport._sockets == {}
        await refused.close()

    def test_the_longest_that_ipmi_can_carry(self):
        account = driver(login="\u044f" * 8, password="\u044f" * 10)._account()
        assert (len(account.name), len(account.password)) == (16, 20)

    @pytest.mark.parametrize(
        ("setting", "suites"), [("auto", (SUITE_3, SUITE_17)), ("3", (SUITE_3,)), ("17", (SUITE_17,))]
    )
    def test_cipher_suites(self, setting, suites):
        assert driver(cipher_suite=setting)._suites() == suites

    def test_plain_settings_will_do(self):
        plain = SupermicroRackDevice(Settings(host="127.0.0.1", port=623))
        assert plain._suites() == (SUITE_3, SUITE_17)

    async def test_a_cancelled_verb_leaves_nothing(self):
        with sockets.silent_port() as port:
            device = driver(port=port)
            reading = asyncio.create_task(device.read_states(["1"]))
            await asyncio.sleep(0.05)
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
            assert not device._bmc._requests
            assert not device._transport._sessions
            assert len(device._transport._timers) == 0
            await device.close()

    async def test_a_status_without_the_status_is_an_error_and_not_off(self, monkeypatch):
        device = driver()

        async def nothing(command, deadline):
            return b""

        monkeypatch.setattr(device, "_ask", nothing)
        with pytest.raises(DeviceRefused, match="without the status"):
            await device.read_states(["1"])
