"""The programs of a simulated node by name. One file for each program; a new one is a line here.

A program gets the system, its arguments and its standard input, answers what it prints (or an `Answer`), and
raises `Failed`. A script (`sh -c TEXT NAME …`) is found by its NAME in `SCRIPTS`: nobody reads the text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cloudmanager.simulators.node_os import (
    daemons,
    files,
    lvm,
    machine,
    packages,
    sanlock,
    sshd,
    systemd,
)
from cloudmanager.simulators.node_os.system import System
from cloudmanager.simulators.ssh.answer import Answer

Program = Callable[[System, Sequence[str], bytes], str | Answer]

PROGRAMS: dict[str, Program] = {
    "cat": files.cat,
    "install": files.install,
    "lvchange": lvm.lvchange,
    "lvconvert": lvm.lvconvert,
    "lvm": lvm.lvm,
    "printenv": machine.printenv,
    "pvmove": lvm.pvmove,
    "needs-restarting": packages.needs_restarting,
    "rm": files.rm,
    "rsyslogd": daemons.rsyslogd,
    "sanlock": sanlock.sanlock,
    "sshd": sshd.sshd,
    "systemctl": systemd.systemctl,
    "systemd-run": systemd.systemd_run,
    "tail": files.tail,
    "test": files.test,
    "true": lambda _system, _words, _stdin: "",
    "uptime": machine.uptime,
}

READERS = frozenset({"cat", "install"})
"""Programs and scripts that wait for the end of their input."""

SCRIPTS: dict[str, Program] = {}
