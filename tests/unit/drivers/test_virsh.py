"""What virsh is told and what it says, without any host."""

from __future__ import annotations

import shlex
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudmanager.drivers.base import Action, PowerState
from cloudmanager.drivers.ssh import SshDevice, virsh
from cloudmanager.ssh.session import Ran

ON, OFF, UNKNOWN = PowerState.ON, PowerState.OFF, PowerState.UNKNOWN

HEADING = " Id    Name                           State\n" + "-" * 52 + "\n"


@pytest.mark.parametrize(
    ("words", "state"),
    [
        ("running", ON),
        ("idle", ON),
        ("in shutdown", ON),
        ("shut off", OFF),
        ("paused", UNKNOWN),
        ("crashed", UNKNOWN),
        ("pmsuspended", UNKNOWN),
        ("dying", UNKNOWN),
        ("no state", UNKNOWN),
    ],
)
def test_every_state_of_a_domain(words, state):
    assert virsh.parse_list(f"{HEADING} 3     web      {words}\n\n") == {"web": state}


LISTS = {
    "libvirt 9": (
        (
            " Id   Name         State\n"
            "-----------------------------\n"
            " 1    web server   running\n"
            " 12   db           paused\n"
            " -    ümläut       shut off\n"
            "\n"
        ),
        {"web server": ON, "db": UNKNOWN, "ümläut": OFF},
    ),
    "libvirt 1": (
        HEADING
        + " 2     a-name-longer-than-its-column-is running\n - old                            shut off\n",
        {"a-name-longer-than-its-column-is": ON, "old": OFF},
    ),
    "no domains": (" Id   Name   State\n--------------------\n\n", {}),
    "states in names": (
        HEADING + " 1     shut off   running\n -     running    shut off\n 2     in a paused   idle\n",
        {"shut off": ON, "running": OFF, "in a paused": ON},
    ),
    "numbers as names": (HEADING + " 7     12     running\n -     -      shut off\n", {"12": ON, "-": OFF}),
}


@pytest.mark.parametrize("name", LISTS)
def test_lists(name):
    text, domains = LISTS[name]
    assert virsh.parse_list(text) == domains


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        "error: failed to connect",
        " Id   Name   Status\n-----------\n",  # another language
        " Id   Name   State\n",
        HEADING + " 1   web   läuft\n",
        HEADING + " 1   web\n",
        HEADING + " x   web   running\n",
        HEADING + " 1   web   running\n 2   web   running\n",
        HEADING + " 1   web   run",
        HEADING + "running\n",
    ],
)
def test_what_is_no_list_is_never_believed(text):
    with pytest.raises(ValueError):
        virsh.parse_list(text)


@given(st.text(max_size=200) | st.text(" -01aIdNmeSt\nshutofrunig", max_size=120).map(HEADING.__add__))
def test_any_text_is_a_list_or_no_list(text):
    try:
        domains = virsh.parse_list(text)
    except ValueError:
        return
    assert all(isinstance(state, PowerState) and name for name, state in domains.items())


NAMES = st.text(st.characters(blacklist_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=20)


@given(st.dictionaries(NAMES.map(str.strip).filter(str), st.sampled_from(sorted(virsh.STATES)), max_size=5))
def test_a_list_is_read_as_it_was_written(domains):
    domains = {name: state for name, state in domains.items() if virsh.why_not(name) == ""}
    rows = [f" {'-' if state == 'shut off' else 5}   {name}   {state}\n" for name, state in domains.items()]
    assert virsh.parse_list(HEADING + "".join(rows)) == {n: virsh.STATES[s] for n, s in domains.items()}


@pytest.mark.parametrize(
    ("action", "verb"),
    [
        (Action.ON, "start"),
        (Action.OFF, "destroy"),
        (Action.SOFT_OFF, "shutdown"),
        (Action.RESET, "reset"),
    ],
)
def test_commands(action, verb):
    command = virsh.acting("sudo -n virsh", "qemu+unix:///system?a=b c", action, "web server")
    assert command == (
        f"env LC_ALL=C sudo -n virsh --connect 'qemu+unix:///system?a=b c' {verb} 'web server'"
    )


def test_the_command_that_lists():
    assert (
        virsh.listing("virsh", "qemu:///system") == "env LC_ALL=C virsh --connect qemu:///system list --all"
    )


@pytest.mark.parametrize(
    "name",
    ["", " ", "a ", "-x", "--all", "12", "+5", "-0", "a'b", "a\\b", "a!b", "a\nb", "a\0b", "a\x1bb", "x" * 256,
     "=ls", "~root", "$(id)", "\ud800"],
)  # fmt: skip
def test_names_that_are_never_told_to_virsh(name):
    assert virsh.why_not(name)
    with pytest.raises(ValueError):
        virsh.acting("virsh", "qemu:///system", Action.ON, name)


@pytest.mark.parametrize(
    "outlet", ["1", "12", "web", "web server", "a$(id)", "a;b", 'a"b', "ümläut", "0a", "x" * 255]
)
def test_outlets_that_there_may_be(outlet):
    assert SshDevice.may_have_outlet(outlet)


@pytest.mark.parametrize("outlet", ["", "0", "01", "-1", "١", "a'b", "-x", "a\nb", "x" * 256])  # noqa: RUF001
def test_outlets_that_there_cannot_be(outlet):
    assert not SshDevice.may_have_outlet(outlet)


HOSTILE = st.text(st.sampled_from("ab1_ $`\"'\\!;&|<>(){}[]*?~#=%\n\t-äé"), max_size=12)


@settings(max_examples=150, deadline=None)
@given(HOSTILE | st.text(max_size=12))
def test_a_shell_hands_any_name_on_as_it_is(name):
    """A real shell runs it: one word more or less, or a word that is not the name, is an injection."""
    if virsh.why_not(name):
        return
    program = "printf %s\\\\n"  # instead of virsh: says each word on a line
    command = virsh.acting(program, "uri", Action.OFF, name)
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, check=True, timeout=10)
    assert done.stdout.decode() == f"--connect\nuri\ndestroy\n{name}\n"
    assert done.stderr == b""


@given(st.text(max_size=30))
def test_no_setting_breaks_out_of_its_word(uri):
    assert shlex.split(virsh.listing("virsh", uri)) == [
        "env",
        "LC_ALL=C",
        "virsh",
        "--connect",
        uri,
        "list",
        "--all",
    ]


@pytest.mark.parametrize(
    ("err", "status", "words", "again", "may_obey"),
    [
        ("error: failed to get domain 'x'", 1, "no such domain", False, False),
        ("error: Domain not found: no domain with matching name 'x'", 1, "no such domain", False, False),
        ("error: Failed to reset domain 'x'\nerror: Requested operation is not valid: domain is not running", 1, "is off", False, False),
        ("error: Timed out during operation: cannot acquire state change lock (held by x)", 1, "another command", True, False),
        ("error: End of file while reading data: Input/output error", 1, "died", True, True),
        ("error: Cannot recv data: Connection reset by peer", 1, "died", True, True),
        ("sudo: a password is required", 1, "sudo", False, False),
        ("sudo: virsh: command not found", 1, "no virsh", False, False),
        ("sh: 1: virsh: not found", 127, "no virsh", False, False),
        ("env: 'virsh': No such file or directory", 127, "no virsh", False, False),
        ("error: authentication unavailable: no polkit agent available", 1, "group libvirt", False, False),
        ("error: failed to connect to the hypervisor\nerror: Failed to connect socket to '/run/libvirt/libvirt-sock': Permission denied", 1, "group libvirt", False, False),
        ("error: access denied: 'QEMU' denied access", 1, "manage it", False, False),
        ("error: failed to connect to the hypervisor\nerror: Failed to connect socket to '/run/libvirt/libvirt-sock': No such file or directory", 1, "does not run", True, False),
        ("error: internal error: something new", 1, "virsh failed", False, False),
        ("", 3, "virsh failed", False, False),
    ],
)  # fmt: skip
def test_what_failures_mean(err, status, words, again, may_obey):
    meaning = virsh.meaning(Ran(status, "", err))
    assert words in meaning.words
    assert (meaning.again, meaning.may_obey) == (again, may_obey)


@pytest.mark.parametrize(
    ("action", "err", "done"),
    [
        (Action.ON, "error: Domain is already active", True),
        (Action.ON, "error: Requested operation is not valid: domain is already running", True),
        (Action.ON, "error: Requested operation is not valid: domain is not running", False),
        (Action.OFF, "error: Requested operation is not valid: domain is not running", True),
        (Action.OFF, "error: Domain is already active", False),
        (Action.SOFT_OFF, "error: Requested operation is not valid: domain is not running", True),
        (Action.RESET, "error: Requested operation is not valid: domain is not running", False),
        (Action.RESET, "error: Domain is already active", False),
    ],
)
def test_failures_that_are_none(action, err, done):
    assert virsh.is_done_already(action, Ran(1, "", err)) is done


def test_the_words_of_a_failure_are_short_and_printable():
    assert virsh.said(Ran(1, "", "error:\x1b[31m bad\n" + "x" * 1000))[:16] == "error:[31m bad x"
    assert len(virsh.said(Ran(1, "", "x" * 1000))) == 300
    assert virsh.said(Ran(9, "", "\n")) == "exit code 9"
