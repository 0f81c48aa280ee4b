"""`SshDevice` against OpenSSH's `sshd` and our own simulator."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses

import asyncssh
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudmanager.drivers.base import Action, PowerState, Settings
from cloudmanager.drivers.ssh import SshDevice
from cloudmanager.errors import DeviceRefused, DeviceUnreachable
from tests.contract.drivers.contract import PowerDriverContract, until
from tests.contract.drivers.ssh_peers import (
    DOMAIN,
    OTHERS,
    PASSWORD,
    SshdPeer,
    SshSimulatorPeer,
    private_text,
)

PEERS = [
    pytest.param(SshdPeer, id="sshd", marks=pytest.mark.peer),
    pytest.param(SshSimulatorPeer, id="simulator"),
]


@pytest.fixture(scope="module", params=PEERS)
def peer(request):
    with contextlib.ExitStack() as stack:
        yield request.param(stack)


@contextlib.asynccontextmanager
async def driver_of(peer, settings=None):
    driver = SshDevice(settings or peer.settings())
    try:
        yield driver
    finally:
        await driver.close()


class TestSshDevice(PowerDriverContract):
    async def test_all_that_there_is(self, peer, driver, machine_on):
        assert await driver.read_states([]) == {
            DOMAIN: PowerState.ON,
            **dict.fromkeys(OTHERS, PowerState.OFF),
        }

    async def test_a_number_is_a_place_in_the_order_of_names(self, peer, driver, machine_off):
        names = sorted([DOMAIN, *OTHERS])
        assert set(await driver.read_states(["1", "2", "3", DOMAIN])) == {"1", "2", "3", DOMAIN}
        await driver.apply(str(names.index(DOMAIN) + 1), Action.ON)
        await until(peer.is_on)
        states = await driver.read_states(["1", "2", "3"])
        assert [names[int(n) - 1] for n, state in states.items() if state is PowerState.ON] == [DOMAIN]

    async def test_one_that_is_gone_keeps_nobody_from_reading_the_others(self, peer, driver, machine_on):
        states = await driver.read_states(["gone", DOMAIN, "77"])
        assert states == {"gone": PowerState.UNKNOWN, DOMAIN: PowerState.ON, "77": PowerState.UNKNOWN}

    @pytest.mark.parametrize("name", OTHERS)
    async def test_names_of_all_kinds(self, peer, driver, machine_off, name):
        await driver.apply(name, Action.ON)
        async with asyncio.timeout(5):
            while (await driver.read_states([name]))[name] is not PowerState.ON:
                await asyncio.sleep(0.02)
        assert not peer.is_on()
        await driver.apply(name, Action.OFF)

    async def test_plain_settings_check_the_host_key_too(self, peer):
        settings = peer.settings()
        plain = Settings(**{each.name: getattr(settings, each.name) for each in dataclasses.fields(Settings)})
        async with driver_of(peer, plain) as driver:
            with pytest.raises(DeviceRefused, match=r"SHA256:\S+, which is not known: .*ssh-keyscan -p"):
                await driver.read_states([DOMAIN])

    async def test_another_host_key(self, peer, tmp_path):
        known = tmp_path / "known_hosts"
        for wrong in (asyncssh.generate_private_key("ssh-ed25519"), asyncssh.generate_private_key("ssh-rsa")):
            line = wrong.export_public_key().decode().strip()
            known.write_text(f"[127.0.0.1]:{peer.settings().port} {line}\n")
            for changes in ({"host_key": line}, {"host_key": "", "known_hosts": str(known)}):
                async with driver_of(peer, peer.settings(**changes)) as driver:
                    with pytest.raises(DeviceRefused, match="is not the one that is known") as caught:
                        await driver.apply(DOMAIN, Action.ON)
                    assert PASSWORD not in caught.value.message

    async def test_a_known_host_key(self, peer, tmp_path, machine_on):
        known = tmp_path / "known_hosts"
        known.write_text(f"[127.0.0.1]:{peer.settings().port} {peer.settings().host_key}\n")
        async with driver_of(peer, peer.settings(host_key="", known_hosts=str(known))) as driver:
            assert await self.state(driver, peer) is PowerState.ON

    @pytest.mark.parametrize("encrypted", [False, True])
    async def test_log_on_by_key(self, peer, machine_on, encrypted):
        password = "opens the key" if encrypted else ""
        key = private_text(password or None)
        async with driver_of(peer, peer.settings(password=password, ssh_key=key)) as driver:
            assert await self.state(driver, peer) is PowerState.ON

    @pytest.mark.parametrize("key", ["not a key", "of somebody else"])
    async def test_a_key_that_does_not_open(self, peer, key):
        if key == "of somebody else":
            key = asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()
        async with driver_of(peer, peer.settings(password="", ssh_key=key)) as driver:
            with pytest.raises(DeviceRefused, match="credentials") as caught:
                await driver.read_states([DOMAIN])
            assert key not in caught.value.message


@pytest.fixture(scope="module")
def simulator():
    with contextlib.ExitStack() as stack:
        yield SshSimulatorPeer(stack)


@pytest.fixture(scope="module")
def host():
    with contextlib.ExitStack() as stack:
        yield SshdPeer(stack)


@pytest.mark.peer
class TestAgainstSshd:
    """A real shell, and a virsh that notes what it was called with."""

    @pytest.mark.parametrize(
        "name",
        ["a;touch ../../hit", "$(touch ../../hit)", "`touch ../../hit`", "a && touch ../../hit", "a|cat", "a > ../../hit",
         'a" ; touch ../../hit ; "', "a #b", "a  b", "*", "~root", "$HOME", "{a,b}", "%s", "?", "web --force"],
    )  # fmt: skip
    async def test_no_name_is_more_than_a_word(self, host, name):
        before = len(host.sshd.calls())
        async with driver_of(host) as driver:
            for action in Action:
                with pytest.raises(DeviceRefused):
                    await driver.apply(name, action)
        assert not list(host.sshd.directory.glob("hit"))
        assert all(call.startswith("2 ") and call.endswith(name) for call in host.sshd.calls()[before:])

    async def test_hostile_names(self, host):
        """Many at a time, as one word each: more would cost a minute."""
        characters = st.sampled_from("ab1_ $`\"'\\!;&|<>(){}[]*?~#=%\n\t-äé")
        names = set()

        @settings(max_examples=100, database=None)
        @given(st.text(characters, min_size=1, max_size=10))
        def collect(name):
            names.add(name)

        collect()
        names = [name for name in names if SshDevice.may_have_outlet(name) and not name.isdecimal()][:25]
        before = len(host.sshd.calls())
        async with driver_of(host) as driver:
            for name in names:
                with pytest.raises(DeviceRefused, match="no such domain"):
                    await driver.apply(name, Action.OFF)
        calls = [" ".join(call.split()) for call in host.sshd.calls()[before:]]
        assert calls == [" ".join(f"2 destroy {name}".split()) for name in names]

    async def test_the_setting_for_virsh(self, host):
        async with driver_of(host, host.settings(virsh="nice -n 1 virsh", uri="test:///a b")) as driver:
            await driver.read_states([])
        assert (host.sshd.directory / "uri").read_text() == "test:///a b\n"
        async with driver_of(host, host.settings(virsh="'")) as driver:
            with pytest.raises(DeviceRefused, match="setting virsh"):
                await driver.read_states([])
        async with driver_of(host, host.settings(virsh="no-such-virsh")) as driver:
            with pytest.raises(DeviceRefused, match="there is no virsh"):
                await driver.read_states([])

    async def test_words_of_libvirt(self, host):
        host.sshd.complain("error: failed to connect to the hypervisor\n")
        try:
            async with driver_of(host) as driver:
                for verb in (driver.read_states([]), driver.apply(DOMAIN, Action.RESET)):
                    with pytest.raises(DeviceUnreachable, match="libvirt does not run") as caught:
                        await verb
                    assert not caught.value.maybe_applied
        finally:
            host.sshd.complain("")

    @pytest.mark.parametrize(
        ("state", "read"), [("in shutdown", "power_on"), ("paused", "unknown"), ("crashed", "unknown")]
    )
    async def test_states_between(self, host, state, read):
        host.sshd.set_state(DOMAIN, state)
        async with driver_of(host) as driver:
            assert await driver.read_states([DOMAIN]) == {DOMAIN: read}
            await driver.apply(DOMAIN, Action.OFF)
            assert await driver.read_states([DOMAIN]) == {DOMAIN: PowerState.OFF}

    async def test_output_is_bounded(self, host):
        async with driver_of(host, host.settings(virsh="sh -c 'exec yes' virsh")) as driver:
            with pytest.raises(DeviceUnreachable, match="says more than 1000000 bytes"):
                await driver.read_states([])

    async def test_a_command_that_hangs(self, host):
        async with driver_of(host, host.settings(virsh="sh -c 'sleep 1' virsh", timeout=0.6)) as driver:
            with pytest.raises(DeviceUnreachable, match="in time") as caught:
                await driver.apply(DOMAIN, Action.RESET)
            assert caught.value.maybe_applied

    @pytest.mark.parametrize(("whom", "words"), [("$$", "signal KILL"), ("$PPID", "no answer came")])
    async def test_a_command_or_its_server_is_killed(self, host, whom, words):
        async with driver_of(host, host.settings(virsh=f"sh -c 'kill -9 {whom}; sleep 1' virsh")) as driver:
            with pytest.raises(DeviceUnreachable, match=words) as caught:
                await driver.apply(DOMAIN, Action.ON)
            assert caught.value.maybe_applied

    async def test_a_login_without_a_shell_of_its_own(self, host):
        """Restricted to one command, as operators do it: whatever is asked, that runs."""
        keys = host.sshd.directory / "authorized_keys"
        line = keys.read_text()
        keys.write_text(f'command="echo no" {line}')
        try:
            async with driver_of(host) as driver:
                with pytest.raises(DeviceRefused, match="something else: it has no heading"):
                    await driver.read_states([])
        finally:
            keys.write_text(line)


class TestFaults:
    async def test_one_connection_serves_many_requests(self, simulator):
        before = simulator.server.counters.connections
        async with driver_of(simulator) as driver:
            for _ in range(5):
                await driver.read_states([DOMAIN])
                await driver.apply(DOMAIN, Action.OFF)
        assert simulator.server.counters.connections == before + 1

    async def test_a_slow_host(self, simulator):
        simulator.set_on(True)
        with simulator.faults(lag=0.4):
            async with driver_of(simulator) as driver:
                assert await driver.read_states([DOMAIN]) == {DOMAIN: PowerState.ON}

    async def test_rejected_credentials(self, simulator):
        with simulator.faults(reject_credentials=True):
            for changes in ({}, {"password": "", "ssh_key": private_text()}):
                async with driver_of(simulator, simulator.settings(**changes)) as driver:
                    with pytest.raises(DeviceRefused, match="credentials of the login 'root'"):
                        await driver.read_states([DOMAIN])

    async def test_a_passphrase_is_not_sent_to_the_host(self, simulator):
        """It would log on with it: it is the account's password as well."""
        key = asyncssh.generate_private_key("ssh-ed25519").export_private_key("pkcs8-pem", PASSWORD).decode()
        async with driver_of(simulator, simulator.settings(ssh_key=key)) as driver:
            with pytest.raises(DeviceRefused, match="credentials"):
                await driver.read_states([DOMAIN])

    @pytest.mark.parametrize("changes", [{"session_limit": 0}, {"refuse_connections": True}])
    async def test_no_connection_is_taken(self, simulator, changes):
        with simulator.faults(**changes):
            async with driver_of(simulator) as driver:
                with pytest.raises(DeviceUnreachable, match="cannot be connected to") as caught:
                    await driver.apply(DOMAIN, Action.RESET)
                assert not caught.value.maybe_applied

    @pytest.mark.parametrize("action", list(Action))
    async def test_an_answer_that_is_lost_is_a_doubt(self, simulator, action):
        """The command was obeyed, its answer is gone, and it is not sent again."""
        simulator.set_on(action is not Action.ON)
        before = simulator.server.shell.commands.total()
        async with driver_of(simulator) as driver:
            with simulator.faults(drop=1.0):
                with pytest.raises(DeviceUnreachable) as caught:
                    await driver.apply(DOMAIN, action)
                assert caught.value.maybe_applied
        assert simulator.server.shell.commands.total() == before + 1

    async def test_a_read_whose_answer_is_lost_is_repeated(self, simulator):
        async with driver_of(simulator) as driver:
            await driver.read_states([DOMAIN])
            before = simulator.server.shell.commands["list"]
            with simulator.faults(drop=1.0), pytest.raises(DeviceUnreachable) as caught:
                await driver.read_states([DOMAIN])
            assert not caught.value.maybe_applied
            assert simulator.server.shell.commands["list"] == before + 2

    async def test_garbage_is_never_believed(self, simulator):
        simulator.set_on(True)
        with simulator.faults(garbage=1.0):
            async with driver_of(simulator) as driver:
                for _ in range(60):
                    with contextlib.suppress(DeviceRefused):
                        states = await driver.read_states([DOMAIN])
                        assert states == {DOMAIN: PowerState.ON}

    @pytest.mark.parametrize(
        ("words", "error", "maybe_applied"),
        [
            ("error: End of file while reading data: Input/output error", DeviceUnreachable, True),
            ("error: Timed out: cannot acquire state change lock", DeviceUnreachable, False),
            ("error: authentication unavailable", DeviceRefused, None),
        ],
    )
    async def test_a_refused_command(self, simulator, words, error, maybe_applied):
        with simulator.faults(refuse=1), simulator.memory(refusal=words):
            async with driver_of(simulator) as driver:
                with pytest.raises(error, match=words[7:30]) as caught:
                    await driver.apply(DOMAIN, Action.RESET)
                assert getattr(caught.value, "maybe_applied", None) is maybe_applied

    async def test_a_lie_and_a_forgotten_command(self, simulator):
        simulator.set_on(False)
        async with driver_of(simulator) as driver:
            with simulator.faults(lie_state="on"):
                assert await driver.read_states([DOMAIN]) == {DOMAIN: PowerState.ON}
            with simulator.faults(ignore_commands=True):
                await driver.apply(DOMAIN, Action.ON)
                assert await driver.read_states([DOMAIN]) == {DOMAIN: PowerState.OFF}

    async def test_a_domain_whose_name_is_a_number(self, simulator):
        """virsh takes a number for the id of a running domain, which is another one."""
        outlets = dict(simulator.device.outlets)
        simulator.device.outlets.clear()
        simulator.device.outlets.update({"2": "node of web server", DOMAIN: simulator.node})
        simulator.set_on(True)
        try:
            async with driver_of(simulator) as driver:
                assert await driver.read_states(["1", "2"]) == {"1": PowerState.OFF, "2": PowerState.ON}
                with pytest.raises(DeviceRefused, match=r"the domain '2': virsh would take a number"):
                    await driver.apply("1", Action.OFF)
        finally:
            simulator.device.outlets.clear()
            simulator.device.outlets.update(outlets)
        assert simulator.is_on()

    async def test_the_host_key_stays(self, simulator):
        before = simulator.server.host_key
        simulator.restart()
        assert simulator.server.host_key == before

    async def test_the_simulator_counts(self, simulator):
        before = simulator.server.report()
        async with driver_of(simulator) as driver:
            await driver.read_states([DOMAIN])
        after = simulator.server.report()
        assert [after[key] - before[key] for key in ("connections", "log_ons", "commands")] == [1, 1, 1]
        assert after["virsh"]["list"] == before["virsh"].get("list", 0) + 1
        assert simulator.sessions() == 0
