"""The operating systems of simulated nodes, asked by a real SSH client."""

from __future__ import annotations

import asyncssh
import pytest

from cloudmanager.simulators.clock import ManualClock
from cloudmanager.simulators.node_os import NodeOs
from cloudmanager.simulators.node_os.packages import BROKEN, UPDATE_SECONDS
from cloudmanager.simulators.node_os.server import add_os
from cloudmanager.simulators.node_os.shell import SAYS, SUDO, NodeShell
from cloudmanager.simulators.node_os.system import BOOT_SECONDS, System
from cloudmanager.simulators.node_os.units import REMOVED
from cloudmanager.simulators.world import World

DROP_IN = "/etc/ssh/sshd_config.d/00-cloudmanager.conf"
CLOSED = b"Match Address *,!10.0.0.1\n    DenyUsers *\nMatch all\n"


@pytest.fixture
def world():
    made = World(clock=ManualClock())
    made.add_node("n1.demo.local", on=True)
    made.clock.advance(BOOT_SECONDS)
    return made


@pytest.fixture
def system(world):
    return System(world, add_os(world, "n1.demo.local", password="secret").name)


@pytest.fixture
def shell(system):
    return NodeShell(system)


def shown(shell, unit):
    answer = shell.execute(f"systemctl show --property=ActiveState,UnitFileState {unit}")
    return dict(line.split("=", 1) for line in answer.out.splitlines())


def test_files_of_every_linux(shell, system):
    assert "ID=debian" in shell.execute("cat /etc/os-release").out
    assert shell.execute("cat /proc/sys/kernel/random/boot_id").out.strip() == system.node.boot_id
    missing = shell.execute("cat /nowhere")
    assert (missing.status, missing.err) == (1, "cat: /nowhere: No such file or directory\n")


def test_written_files_are_kept_with_the_world(shell, system, world):
    assert shell.execute("sudo -n install -D -m 0644 /dev/stdin '/etc/a b'", b"x=1\n").status == 0
    kept = World.from_dict(world.to_dict(), clock=world.clock)
    again = NodeShell(System(kept, system.device.name))
    assert again.execute("cat '/etc/a b'").out == "x=1\n"
    again.execute("rm -f '/etc/a b'")
    assert again.execute("cat '/etc/a b'").status == 1


@pytest.mark.parametrize(
    "prefix", ["", "sudo -n ", "sudo -n -- ", "env LC_ALL=C ", "LC_ALL=C timeout -k 1 5 "]
)
def test_what_comes_before_a_program(shell, prefix):
    assert shell.execute(f"{prefix}systemctl is-active rsyslog").out == "active\n"


def test_what_there_is_not(shell):
    assert shell.execute("frobnicate").status == 127
    assert shell.execute("sh -c 'echo hello'").status == 127, "scripts are known by their names only"
    assert shell.execute("echo 'open").status == 2
    assert shell.execute("").status == 127


def test_units(shell, world):
    assert shown(shell, "snmpd") | {"ActiveState": "inactive", "UnitFileState": "disabled"} == shown(
        shell, "snmpd"
    )
    before = shown(shell, "rsyslog")["InvocationID"]
    assert shell.execute("systemctl enable --now snmpd.service").status == 0
    assert shell.execute("systemctl is-active snmpd").status == 0
    assert shell.execute("systemctl restart rsyslog").status == 0
    assert shown(shell, "rsyslog")["InvocationID"] != before
    shell.execute("systemctl stop rsyslog")
    assert shell.execute("systemctl is-active rsyslog").status == 3
    world.reset("n1.demo.local")
    assert shell.execute("systemctl is-active rsyslog").status == 0, "enabled units start with the node"
    assert shell.execute("systemctl is-active snmpd").status == 0
    assert shell.execute("systemctl restart nothing").status == 5


def test_a_unit_that_is_not_installed(shell, system):
    system.part(REMOVED, []).append("snmpd.service")
    assert shown(shell, "snmpd")["LoadState"] == "not-found"
    assert "does not exist" in shell.execute("systemctl enable --now snmpd").err


def test_a_daemon_that_does_not_take_its_configuration(shell):
    shell.execute(
        "install -D -m 0644 /dev/stdin /etc/nova/nova.conf.d/x.conf", b"[libvirt]\ncpu_mode = turbo\n"
    )
    assert shell.execute("systemctl restart nova-compute").status == 1
    assert shown(shell, "nova-compute")["ActiveState"] == "failed"


def test_rules_of_sshd_hold_from_the_reload_on(shell, system):
    from cloudmanager.simulators.node_os import sshd

    shell.execute(f"install -D -m 0600 /dev/stdin {DROP_IN}", CLOSED)
    assert sshd.admits(system, "10.0.0.2")
    told = {
        each: shell.execute(f"sshd -T -C user=x,host=x,addr={each}").out for each in ("10.0.0.1", "10.0.0.2")
    }
    assert ["denyusers *" in text for text in told.values()] == [False, True]
    shell.execute("systemctl reload ssh")
    assert [sshd.admits(system, each) for each in ("10.0.0.1", "10.0.0.2")] == [True, False]


def test_a_timer_takes_the_rules_back(shell, system, world):
    from cloudmanager.simulators.node_os import sshd

    shell.execute(f"install -D -m 0600 /dev/stdin {DROP_IN}", CLOSED)
    assert shell.execute("systemd-run --unit=u --on-active=60 sh -c TEXT ssh-undo").status == 0
    assert "already exists" in shell.execute("systemd-run --unit=u --on-active=60 sh -c TEXT ssh-undo").err
    shell.execute("systemctl reload ssh")
    world.clock.advance(59)
    shell.execute("true")
    assert not sshd.admits(system, "10.0.0.2")
    world.clock.advance(2)
    shell.execute("true")
    assert sshd.admits(system, "10.0.0.2")


@pytest.mark.parametrize(("broken", "ends"), [(False, "active"), (True, "failed")])
def test_an_update(shell, system, world, broken, ends):
    system.part(BROKEN, broken)
    run = "systemd-run --unit=update-1 --remain-after-exit sh -c TEXT update-system"
    assert shell.execute(run).status == 0
    assert shown(shell, "update-1")["SubState"] == "running"
    world.clock.advance(UPDATE_SECONDS)
    after = shown(shell, "update-1")
    assert (after["ActiveState"], after["ExecMainStatus"]) == (ends, "100" if broken else "0")
    assert "6 upgraded" in shell.execute("tail -c 1000 /var/log/update-1.log").out
    assert shell.execute("test -e /run/reboot-required").status == (1 if broken else 0)


def test_what_a_test_makes_it_say(shell, system):
    system.part(SAYS, {})["lscpu"] = ["garbage", "", 0]
    assert shell.execute("lscpu -J").out == "garbage"
    system._state()[SUDO] = "sudo: a password is required"
    assert shell.execute("sudo -n systemctl stop rsyslog").err == "sudo: a password is required\n"


async def test_it_is_there_while_the_node_runs(world, system):
    server = NodeOs(world, system.device.name)
    port = await server.start()
    try:
        async with log_on(server, port) as connection:
            assert (await connection.run("cat", input="hello")).stdout == "hello"
            assert (await connection.run("printenv SSH_CONNECTION")).stdout.startswith("127.0.0.1 ")
            world.power_off("n1.demo.local")
            with pytest.raises((asyncssh.Error, OSError)):
                await connection.run("true", check=True)
        with pytest.raises((asyncssh.Error, OSError)):
            await log_on(server, port)
        world.power_on("n1.demo.local")
        with pytest.raises((asyncssh.Error, OSError)):
            await log_on(server, port)
        world.clock.advance(BOOT_SECONDS)
        async with log_on(server, port) as connection:
            await connection.run(
                f"install -D -m 0600 /dev/stdin {DROP_IN}", input=CLOSED.decode(), check=True
            )
            await connection.run("systemctl reload ssh", check=True)
            assert (await connection.run("true")).exit_status == 0, "who is in stays in"
        with pytest.raises(asyncssh.PermissionDenied):
            await log_on(server, port)
    finally:
        await server.stop()


def log_on(server, port):
    trusted = asyncssh.import_public_key(server.host_key)
    return asyncssh.connect(
        "127.0.0.1",
        port,
        username="cloudmanager",
        password="secret",
        known_hosts=([trusted], [], []),
        client_keys=None,
        config=None,
    )
