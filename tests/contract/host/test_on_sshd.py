"""The Host port on a real `sshd`, with real commands."""

from __future__ import annotations

import asyncio
import contextlib
import os
from dataclasses import replace
from pathlib import Path

import asyncssh
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloudmanager.errors import CommandFailed, HostRefused, HostUnreachable, InvalidInput
from cloudmanager.host.login import Limits
from tests.peers.sockets import free_tcp_port, silent_port

from .conftest import Site

pytestmark = pytest.mark.peer

OS_RELEASE = Path("/etc/os-release").read_text()
BOOT_ID = Path("/proc/sys/kernel/random/boot_id").read_text()


def connections_of(sshd):
    """How many log-ons there were, by the log of sshd."""
    return (sshd.directory / "log").read_text().count("Accepted publickey")


def processes_with(word):
    """Command lines on this machine that hold the word."""
    lines = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            lines.append(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return [line for line in lines if word in line]


async def until(condition):
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.02)


# --- what comes of commands ---------------------------------------------------------------------------------


async def test_commands_of_the_product(site):
    assert (await site.run("os-release")).out == OS_RELEASE
    assert (await site.run("boot-id")).out == BOOT_ID
    assert float((await site.run("uptime")).out.split()[0]) > 0


async def test_answers_are_in_english_whatever_the_login_speaks(site):
    assert (await site.run("language")).out == "C\n"


async def test_a_failure_says_what_the_command_said(site):
    with pytest.raises(CommandFailed, match="fail failed with exit status 3: no such volume group") as caught:
        await site.run("fail", status="3")
    assert caught.value.status == 3
    assert caught.value.output.endswith("no such volume group")


async def test_other_statuses_can_be_a_success(site):
    output = await site.run("fail", status="7")
    assert (output.status, output.out) == (7, "begun\n")
    assert output.err.endswith("no such volume group\n")


async def test_what_is_done_already_is_not_done_again(site, tmp_path):
    assert (await site.run("touch", path=f"{tmp_path}/it's new")).changed
    file = tmp_path / "it's new"
    os.utime(file, (1, 1))
    assert not (await site.run("touch", path=str(file))).changed
    assert file.stat().st_mtime == 1


async def test_the_words_of_the_family_are_run(site):
    wanted = (
        "deb"
        if "debian" in OS_RELEASE
        else "rpm"
        if "rhel" in OS_RELEASE or "fedora" in OS_RELEASE
        else "other"
    )
    assert (await site.run("of-family")).out == f"{wanted}\n"


async def test_input(site):
    data = os.urandom(3_000_000)
    assert (await site.run("count", data=data)).out.split() == ["3000000"]
    assert (await site.run("count")).out.split() == ["0"]
    assert (await site.run("ignore", data=data)).status == 0
    with pytest.raises(InvalidInput, match="takes no standard input"):
        await site.run("boot-id", data=b"x")


async def test_a_hundred_megabytes_are_cut_and_it_is_said(site):
    output = await site.run("flood", megabytes="100")
    assert output.left_out == 100_000_005 - 1000
    assert output.out.startswith("x" * 500 + f"\n[{output.left_out} bytes are left out here]\n")
    assert output.out.endswith("x" * 495 + "done\n")


# --- arguments ----------------------------------------------------------------------------------------------

NASTY = [
    "$(id)",
    "`id`",
    "'; id; '",
    '"; id; "',
    "\\",
    "\n",
    "!!",
    "*",
    "~",
    "#",
    "a b",
    "&& id",
    "{first}",
    "",
]


TEXT = st.one_of(
    st.sampled_from(NASTY),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40),
    st.text("'\"\\$`!;&|<>(){}[]*?~#=% \t\n-", max_size=40),
)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(TEXT, min_size=8, max_size=8))
def test_no_text_becomes_a_command(injected, texts):
    said, scripted = injected(texts)
    assert said == "".join(f"{text}\0x{text}y\0" for text in texts)
    assert scripted == "".join(f"{text}\0" for text in texts)


@pytest.fixture
def injected(commands, login):
    """Runs with such texts on one connection, from code that has no event loop."""
    with asyncio.Runner() as runner:
        site = Site(commands)
        site.logins[1] = login

        async def run(texts):
            values = {f"text{number}": text for number, text in enumerate(texts)}
            outputs = await asyncio.gather(site.run("many", **values), site.run("many-by-script", **values))
            return [output.out for output in outputs]

        yield lambda texts: runner.run(run(texts))
        runner.run(site.port.close())


async def test_what_no_program_can_be_given_is_refused(site):
    for text in ("a\0b", "\ud800"):
        with pytest.raises(InvalidInput, match="first"):
            await site.run("say", first=text)
    with pytest.raises(InvalidInput, match="up to 130048 bytes"):
        await site.run("say", first="x" * 131_000)
    assert len((await site.run("say", first="x" * 129_000)).out) == 129_004


# --- time ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "arguments", "trace", "others"),
    [("sleep", {"seconds": "77.125"}, "sleep 77.125", "1.3"), ("ignore-the-end", {}, "trap '' TERM", "2.7")],
    ids=["obeys", "does not"],
)
async def test_a_command_that_hangs_is_ended_there_too(site, command, arguments, trace, others):
    waiting = asyncio.create_task(site.run("wait", seconds=others))
    with pytest.raises(HostUnreachable, match="longer than") as caught:
        await site.run(command, **arguments)
    assert caught.value.maybe_applied
    await until(lambda: not processes_with(trace))  # the login's shell takes a moment more
    assert (await waiting).status == 0  # on the same connection


async def test_who_is_cancelled_takes_no_others_along(site, sshd):
    await site.run("boot-id")
    before = connections_of(sshd)
    waiting = asyncio.create_task(site.run("wait", seconds="1"))
    running = asyncio.create_task(site.run("wait", seconds="2.125"))
    await until(lambda: processes_with("sleep 2.125"))
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (await site.run("boot-id")).status == 0
    assert (await waiting).status == 0
    assert connections_of(sshd) == before


# --- sudo ---------------------------------------------------------------------------------------------------


@pytest.fixture
def sudo(sshd):
    """What stands for sudo on the node."""
    file = sshd.directory / "bin" / "sudo"

    def install(text):
        file.write_text(f"#!/bin/sh\n{text}\n")
        file.chmod(0o755)

    yield install
    file.unlink(missing_ok=True)


async def test_sudo_runs_what_needs_it_and_nothing_else(site, sudo):
    sudo('[ "$1 $2" = "-n --" ] || exit 9; shift 2; echo by sudo; exec "$@"')
    assert (await site.run("root", word="x")).out == "by sudo\nx\n"
    assert (await site.run("say", first="x")).out == "x\0xy\0"
    site.logins[1] = replace(site.logins[1], sudo=False)
    assert (await site.run("root", word="x")).out == "x\n"


@pytest.mark.parametrize(
    "words",
    [
        "sudo: a password is required",
        "bob is not in the sudoers file.",
        "Sorry, user bob is not allowed to execute '/usr/bin/env' as root on n1.",
        "sudo: sorry, you must have a tty to run sudo",
        "sudo-rs: interactive authentication is required",
    ],
)
async def test_sudo_that_says_no(site, sudo, words):
    sudo(f'echo "{words}" >&2; exit 1')
    with pytest.raises(HostRefused, match="NOPASSWD: ALL") as caught:
        await site.run("root", word="x")
    assert words in caught.value.message


async def test_warnings_of_sudo_are_not_a_no(site, sudo):
    sudo('echo "sudo: unable to resolve host n1: Name or service not known" >&2; exit 1')
    with pytest.raises(CommandFailed):
        await site.run("root", word="x")


async def test_no_sudo(site):
    with pytest.raises(HostRefused, match="has no sudo"):
        await site.run("root", word="x")


# --- the way in ---------------------------------------------------------------------------------------------


async def test_connections_are_kept_and_shared(site, sshd):
    before = connections_of(sshd)
    await asyncio.gather(*(site.run("say", first=str(number)) for number in range(12)))
    await site.run("boot-id")
    assert connections_of(sshd) == before + 1


async def test_another_host_key(site, login):
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
    site.logins[1] = replace(login, host_key=other)
    with pytest.raises(HostRefused, match="which is not the one that is known"):
        await site.run("boot-id")


async def test_an_unknown_host_key_is_refused_or_pinned(site, login, sshd, tmp_path):
    (tmp_path / "known").touch()
    site.logins[1] = replace(login, host_key="", known_hosts=str(tmp_path / "known"))
    with pytest.raises(HostRefused, match="is not known: compare it there"):
        await site.run("boot-id")
    site.logins[1] = replace(site.logins[1], pins=True)
    assert (await site.run("boot-id")).status == 0
    assert site.pinned[1].split()[:2] == sshd.host_key.split()[:2]


async def test_a_key_that_others_have_pinned_meanwhile_is_the_one_that_counts(site, login, tmp_path):
    (tmp_path / "known").touch()
    site.pinned[1] = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
    site.logins[1] = replace(login, host_key="", known_hosts=str(tmp_path / "known"), pins=True)
    with pytest.raises(HostRefused, match="which is not the one that is known"):
        await site.run("boot-id")


async def test_the_wrong_key(site, login):
    other = asyncssh.generate_private_key("ssh-ed25519").export_private_key("pkcs8-pem").decode()
    site.logins[1] = replace(login, ssh_key=other)
    with pytest.raises(HostRefused, match="refused the credentials of the login"):
        await site.run("boot-id")


async def test_no_sshd(site, login):
    site.logins[1] = replace(login, port=free_tcp_port())
    with pytest.raises(HostUnreachable, match="cannot be connected to") as caught:
        await site.run("boot-id")
    assert not caught.value.maybe_applied


async def test_a_node_without_an_address(site, login):
    site.logins[1] = replace(login, host="")
    with pytest.raises(HostRefused, match="neither an address nor a name"):
        await site.run("boot-id")


async def test_a_connection_that_is_lost_in_the_middle(site, sshd, tmp_path):
    await site.run("boot-id")
    running = asyncio.create_task(site.run("append-slowly", path=f"{tmp_path}/once"))
    again = asyncio.create_task(site.run("append-slowly-or-twice", path=f"{tmp_path}/twice"))
    await until(lambda: (tmp_path / "once").exists() and (tmp_path / "twice").exists())
    sshd.restart()
    with pytest.raises(HostUnreachable) as caught:
        await running
    assert caught.value.maybe_applied
    assert (await again).status == 0
    assert (tmp_path / "once").read_text() == "line\n"
    assert (tmp_path / "twice").read_text() == "line\nline\n"


async def test_after_a_restart_of_sshd_nobody_notices(site, sshd, tmp_path):
    await site.run("boot-id")
    sshd.restart()
    await site.run("append", path=f"{tmp_path}/lines")
    assert (tmp_path / "lines").read_text() == "line\n"


async def test_a_silent_node_delays_nobody(commands, login):
    site = Site(commands, Limits(connect_timeout=2))
    site.logins[1] = login
    with silent_port() as port:
        site.logins[2] = replace(login, port=port)
        dead = [asyncio.create_task(site.run("boot-id", 2)) for _ in range(3)]
        await asyncio.sleep(0)
        assert (await site.run("boot-id")).status == 0
        assert not any(task.done() for task in dead)
        found = await asyncio.gather(*dead, return_exceptions=True)
    assert {type(each) for each in found} == {HostUnreachable}
    await site.port.close()


async def test_many_nodes_over_few_connections(commands, login, sshd):
    site = Site(commands, Limits(connections=2))
    site.logins = {number: replace(login, log_ons=number) for number in range(1, 5)}
    before = connections_of(sshd)
    outputs = await asyncio.gather(*(site.run("say", each % 4 + 1, first=str(each)) for each in range(10)))
    assert [output.out.split("\0")[0] for output in outputs] == [str(each) for each in range(10)]
    assert connections_of(sshd) - before >= 4
    assert len(site.port._connections._kept) <= 2
    await site.port.close()


async def test_idle_connections_are_closed(commands, login):
    site = Site(commands, Limits(idle=0.2))
    site.logins[1] = login
    await site.run("boot-id")
    assert list(site.port._connections._kept) == [1]
    await until(lambda: not site.port._connections._kept)
    await site.run("boot-id")
    await site.port.close()
