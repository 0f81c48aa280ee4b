"""What the scripts of the catalogue do on a simulated node, by their names."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from cloudmanager.simulators.node_os.packages import reboot_required
from cloudmanager.simulators.ssh.answer import Answer, Failed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudmanager.simulators.node_os.system import System

NODESAFE_SILENT = "what does not answer the watchdog"  # key of the system's state: peers and paths
_CONTROLLER = "/etc/cloudmanager/controller"


def restart_needed(system: System, _words: Sequence[str], _stdin: bytes) -> Answer:
    """Status 1: packages wait for a restart."""
    return Answer(status=1 if reboot_required(system) else 0)


def nodesafe_look(system: System, _words: Sequence[str], _stdin: bytes) -> str:
    """One look of the watchdog with its options: it says what answers."""
    options = system.files.get("/etc/default/cloudmanager-nodesafe", "").partition("=")[2]
    if "/usr/local/libexec/cloudmanager-nodesafe" not in system.files or not options:
        raise Failed("sh: 1: .: cannot open /etc/default/cloudmanager-nodesafe: No such file", 2)
    words = shlex.split(shlex.split(options)[0])
    silent = system.part(NODESAFE_SILENT, [])
    alive = [
        f"{option.removeprefix('--')} {value}"
        for option, value in zip(words[::2], words[1::2], strict=True)
        if option in ("--peer", "--storage") and value not in silent
    ]
    return f"alive: {', '.join(alive)}\n" if alive else "cut off\n"


def attach_controller(system: System, words: Sequence[str], _stdin: bytes) -> str:
    """Write the controller's id and address."""
    controller, address = words
    system.files[_CONTROLLER] = f"CONTROLLER={controller}\nADDRESS={address}\n"
    system.changed()
    return ""
