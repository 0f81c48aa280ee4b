"""`RedfishDevice` against an emulator that other people wrote, and against our own simulator."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import ssl

import pytest

from cloudmanager.drivers.base import Action, PowerState, Settings
from cloudmanager.errors import DeviceRefused, DeviceUnreachable, Unsupported
from tests.contract.drivers.contract import PowerDriverContract, until
from tests.contract.drivers.redfish_peers import SimulatorPeer, SushyPeer, TlsSimulatorPeer
from tests.contract.drivers.simulator_contract import (
    ConnectionContract,
    SessionContract,
    SimulatorContract,
    driver_of,
    fixture_of,
    read,
)

PEERS = [
    pytest.param(SushyPeer, id="sushy_tools", marks=pytest.mark.peer),
    pytest.param(SimulatorPeer, id="simulator"),
    pytest.param(TlsSimulatorPeer, id="simulator_tls"),
]
peer = fixture_of(*PEERS)
simulator = fixture_of(SimulatorPeer)
tls_simulator = fixture_of(TlsSimulatorPeer)


class TestRedfishDevice(PowerDriverContract):
    pass


def asked(peer):
    """How many requests the simulator has seen."""
    return peer.server.report()["requests"]


class TestSessions(SessionContract):
    async def test_a_session_is_kept_and_deleted(self, simulator):
        opened = simulator.server.report()["sessions_opened"]
        async with driver_of(simulator) as driver:
            await read(driver)
            before = asked(simulator)
            for _ in range(3):
                await read(driver)
            assert asked(simulator) == before + 3
            assert simulator.sessions() == 1
        assert simulator.sessions() == 0
        assert simulator.server.report()["sessions_opened"] == opened + 1

    async def test_an_expired_session_costs_one_log_on(self, simulator):
        simulator.set_on(False)
        async with driver_of(simulator) as driver:
            await read(driver)
            simulator.call(simulator.server._sessions.clear)
            before = asked(simulator)
            await driver.apply("1", Action.ON)
            assert asked(simulator) == before + 3  # refused, log-on, reset
            await until(simulator.is_on)

    async def test_a_changed_password(self, simulator):
        """As DSP0266 has it, sessions outlive it; a new one needs the new password, and is asked for once."""
        account = simulator.device.accounts[1]
        old = account.password
        async with driver_of(simulator) as driver:
            await read(driver)
            simulator.call(simulator.world.set_password, simulator.device.name, 1, "another")
            simulator.call(simulator.server._sessions.clear)
            try:
                before = asked(simulator)
                with pytest.raises(DeviceRefused, match="credentials"):
                    await read(driver)
                assert asked(simulator) == before + 2
            finally:
                account.password = old

    async def test_a_service_without_sessions_gets_basic_authentication(self, simulator):
        simulator.set_on(True)
        with simulator.memory(sessions=False):
            async with driver_of(simulator) as driver:
                assert await read(driver) is PowerState.ON
            async with driver_of(simulator, password="wrong") as driver:
                with pytest.raises(DeviceRefused, match="credentials"):
                    await read(driver)

    async def test_a_cancelled_log_on_leaves_no_session(self, simulator):
        """Its answer, which alone names the session, is still on the way when the caller gives up."""
        with simulator.faults(lag=0.2):
            async with driver_of(simulator) as driver:
                reading = asyncio.create_task(read(driver))
                await until(lambda: simulator.sessions() == 1)
                reading.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await reading
        assert simulator.sessions() == 0


class TestMakers:
    """What services of different makers do differently."""

    @pytest.mark.parametrize("memory", [{}, {"action_info": True}])
    @pytest.mark.parametrize(
        ("offered", "action", "sent"),
        [
            (["On", "ForceOff"], Action.ON, "On"),
            (["ForceOn"], Action.ON, "ForceOn"),
            (["PushPowerButton"], Action.ON, "PushPowerButton"),
            (["ForceOff", "PushPowerButton"], Action.OFF, "ForceOff"),
            (["GracefulShutdown", "PushPowerButton"], Action.SOFT_OFF, "GracefulShutdown"),
            (["PushPowerButton"], Action.SOFT_OFF, "PushPowerButton"),
            (["ForceRestart", "PowerCycle"], Action.RESET, "ForceRestart"),
            (["PowerCycle"], Action.RESET, "PowerCycle"),
        ],
    )
    async def test_the_kind_of_reset(self, simulator, memory, offered, action, sent):
        simulator.set_on(action is not Action.ON)
        before = simulator.server.resets.copy()
        with simulator.memory(reset_types=offered, **memory):
            async with driver_of(simulator) as driver:
                await driver.apply("1", action)
        assert simulator.server.resets - before == {sent: 1}
        await until(lambda: simulator.is_on() == (action in {Action.ON, Action.RESET}))

    @pytest.mark.parametrize(
        ("offered", "action", "on"),
        [
            (["PushPowerButton"], Action.ON, True),
            (["PushPowerButton"], Action.OFF, True),
            (["GracefulRestart"], Action.RESET, True),
            (["ForceOff"], Action.SOFT_OFF, True),
        ],
    )
    async def test_what_would_mean_something_else_is_not_sent(self, simulator, offered, action, on):
        simulator.set_on(on)
        before = simulator.server.resets.copy()
        with simulator.memory(reset_types=offered):
            async with driver_of(simulator) as driver:
                with pytest.raises(Unsupported, match=offered[0]):
                    await driver.apply("1", action)
        assert simulator.server.resets == before

    async def test_a_task_is_accepted(self, simulator):
        simulator.set_on(True)
        with simulator.memory(tasks=True):
            async with driver_of(simulator) as driver:
                await driver.apply("1", Action.OFF)
                await until(lambda: not simulator.is_on())

    @pytest.mark.parametrize(("action", "on"), [(Action.ON, True), (Action.OFF, False)])
    async def test_a_service_that_refuses_what_is_so_already(self, simulator, action, on):
        simulator.set_on(on)
        with simulator.memory(strict=True):
            async with driver_of(simulator) as driver:
                await driver.apply("1", action)
                await asyncio.sleep(0.2)
                assert simulator.is_on() == on

    async def test_next_boot_where_a_version_must_be_named(self, simulator):
        with simulator.memory(wants_etag=True):
            async with driver_of(simulator) as driver:
                await driver.set_next_boot_from_network("1")
            assert simulator.next_boot() == "pxe"

    @pytest.mark.parametrize("state", ["PoweringOn", "PoweringOff", "Paused"])
    async def test_on_the_way_is_unknown(self, simulator, state):
        with simulator.memory(state=state):
            async with driver_of(simulator) as driver:
                assert await read(driver) is PowerState.UNKNOWN

    async def test_several_systems_are_ports_in_the_order_of_their_numbers(self, simulator):
        for number in range(2, 12):
            simulator.world.add_node(f"more{number}", on=number == 10)
            simulator.call(simulator.world.plug, simulator.device.name, str(number), f"more{number}")
        simulator.set_on(False)
        try:
            async with driver_of(simulator) as driver:
                states = await driver.read_states([str(number) for number in range(1, 12)])
                assert [outlet for outlet, state in states.items() if state is PowerState.ON] == ["10"]
                assert await driver.read_states([]) == states
                await driver.apply("11", Action.ON)
                await until(lambda: simulator.world.is_on("more11"))
                with pytest.raises(DeviceRefused, match=r"no port '12'; its ports are 1\.\.11"):
                    await read(driver, "12")
        finally:
            for number in range(2, 12):
                del simulator.device.outlets[str(number)], simulator.world.nodes[f"more{number}"]


class TestFaults(SimulatorContract, ConnectionContract):
    async def test_a_slow_service(self, simulator):
        simulator.set_on(True)
        with simulator.faults(lag=0.2):
            async with driver_of(simulator, timeout=3) as driver:
                assert await read(driver) is PowerState.ON
                await driver.apply("1", Action.RESET)

    @pytest.mark.parametrize("fault", ["drop", "garbage"])
    async def test_reads_survive_a_bad_connection(self, simulator, fault):
        simulator.set_on(True)
        good = 0
        async with driver_of(simulator, timeout=3) as driver:
            await read(driver)
            with simulator.faults(**{fault: 0.2}):
                for _ in range(20):
                    with contextlib.suppress(DeviceRefused, DeviceUnreachable):
                        good += await read(driver) is PowerState.ON
        assert good >= 15
        simulator.restart()  # a log-out may have been lost

    @pytest.mark.parametrize(
        ("status", "error", "words"),
        [
            (400, DeviceRefused, "general error"),
            (403, DeviceRefused, "ConfigureComponents"),
            (404, DeviceRefused, "no such resource"),
            (405, DeviceRefused, "refuses this|does not allow"),
            (500, DeviceUnreachable, "error inside itself"),
            (503, DeviceUnreachable, "busy"),
        ],
    )
    async def test_a_refused_command(self, simulator, status, error, words):
        simulator.set_on(True)
        with simulator.faults(refuse=status):
            async with driver_of(simulator) as driver:
                with pytest.raises(error, match=words):
                    await driver.apply("1", Action.RESET)


class TestTls:
    """No password is sent to a service that is not the one that was meant."""

    def fingerprint(self, peer):
        return ssl.PEM_cert_to_DER_cert(peer.server.web.certificate.decode())

    @pytest.mark.parametrize("trust", ["ca_file", "fingerprint", "colons"])
    async def test_a_known_certificate(self, tls_simulator, tmp_path, trust):
        certificate = tls_simulator.server.web.certificate
        (tmp_path / "ca.pem").write_bytes(certificate)
        digest = hashlib.sha256(self.fingerprint(tls_simulator)).hexdigest()
        colons = ":".join(digest[place : place + 2] for place in range(0, 64, 2)).upper()
        settings = {
            "ca_file": {"ca_file": str(tmp_path / "ca.pem")},
            "fingerprint": {"fingerprint": digest},
            "colons": {"fingerprint": colons},
        }[trust]
        tls_simulator.set_on(True)
        async with driver_of(tls_simulator, tls="verify", **settings) as driver:
            assert await read(driver) is PowerState.ON

    @pytest.mark.parametrize("settings", [{}, {"fingerprint": "00" * 32}, {"fingerprint": "x"}])
    async def test_an_unknown_certificate(self, tls_simulator, settings):
        before = asked(tls_simulator)
        async with driver_of(tls_simulator, tls="verify", **settings) as driver:
            with pytest.raises(DeviceRefused, match="not trusted, so no password was sent"):
                await read(driver)
        assert asked(tls_simulator) == before

    async def test_plain_settings_verify(self, tls_simulator):
        plain = Settings(**tls_simulator.address(), timeout=1.5)
        driver = tls_simulator.driver(plain)
        with pytest.raises(DeviceRefused, match="not trusted"):
            await read(driver)
        await driver.close()

    async def test_no_tls_at_the_other_end(self, simulator):
        async def refuse(_, writer):
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            writer.close()

        async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            async with driver_of(simulator, tls="insecure", port=port) as driver:
                with pytest.raises(DeviceUnreachable, match="does not speak TLS"):
                    await read(driver)

    async def test_a_ca_file_that_is_not_there(self, tls_simulator):
        async with driver_of(tls_simulator, tls="verify", ca_file="/nonexistent/ca.pem") as driver:
            with pytest.raises(DeviceRefused, match=r"ca_file '/nonexistent/ca\.pem'"):
                await read(driver)
