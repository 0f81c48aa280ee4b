"""The programs of a simulated node by name. One file for each program; a new one is a line here.

A program gets the system, its arguments and its standard input, answers what it prints (or an `Answer`), and
raises `Failed`. A script (`sh -c TEXT NAME …`) is found by its NAME in `SCRIPTS`: nobody reads the text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cloudmanager.simulators.node_os import (
    daemons,
    files,
    firmware,
    hardware,
    iscsi,
    lvm,
    machine,
    packages,
    scripts,
    shared_groups,
    sshd,
    systemd,
    virsh,
)
from cloudmanager.simulators.node_os.system import System
from cloudmanager.simulators.ssh.answer import Answer

Program = Callable[[System, Sequence[str], bytes], str | Answer]

PROGRAMS: dict[str, Program] = {
    "cat": files.cat,
    "dmidecode": hardware.dmidecode,
    "install": files.install,
    "iscsiadm": iscsi.iscsiadm,
    "lsblk": hardware.lsblk,
    "lscpu": hardware.lscpu,
    "lvchange": shared_groups.lvchange,
    "lvconvert": lvm.lvconvert,
    "lvm": lvm.lvm,
    "lvs": shared_groups.lvs,
    "multipathd": iscsi.multipathd,
    "needs-restarting": packages.needs_restarting,
    "printenv": machine.printenv,
    "pvmove": lvm.pvmove,
    "rm": files.rm,
    "rsyslogd": daemons.rsyslogd,
    "sanlock": shared_groups.sanlock_status,
    "sha256sum": firmware.sha256sum,
    "sshd": sshd.sshd,
    "systemctl": systemd.systemctl,
    "systemd-run": systemd.systemd_run,
    "tail": files.tail,
    "test": files.test,
    "true": lambda _system, _words, _stdin: "",
    "uptime": machine.uptime,
    "virsh": virsh.virsh,
    "vgchange": shared_groups.vgchange,
}

READERS = frozenset({"cat", "install"})
"""Programs and scripts that wait for the end of their input."""

SCRIPTS: dict[str, Program] = {
    "attach-controller": scripts.attach_controller,
    "cpu-models": hardware.cpu_models,
    "nodesafe-look": scripts.nodesafe_look,
    "numa": hardware.numa,
    "restart-needed": scripts.restart_needed,
}
