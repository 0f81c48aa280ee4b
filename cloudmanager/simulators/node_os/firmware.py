"""Firmware of servers (OVMF), and digests of files as sha256sum of coreutils 9.1 tells them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from cloudmanager.simulators.node_os import files
from cloudmanager.simulators.ssh.answer import Failed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudmanager.simulators.node_os.system import System

LOADER = "/usr/share/OVMF/OVMF_CODE_4M.fd"
VARIABLES = "/usr/share/OVMF/OVMF_VARS_4M.fd"
_NVRAM = "/var/lib/libvirt/qemu/nvram/"


def nvram_of(name: str) -> str:
    """Where libvirt keeps the firmware's variables of a server."""
    return f"{_NVRAM}{name}_VARS.fd"


def sha256sum(system: System, words: Sequence[str], _stdin: bytes) -> str:
    """`sha256sum [--binary] FILE…`."""
    return "".join(
        f"{hashlib.sha256(_content(system, path).encode()).hexdigest()} *{path}\n"
        for path in words
        if path not in ("--binary", "-b")
    )


def _content(system: System, path: str) -> str:
    """A file; firmware is there from the beginning, NVRAM as its template has it."""
    held = files.content(system, path)
    if held is not None:
        return held
    if path in (LOADER, VARIABLES):
        return f"OVMF 2022.11 {path}"
    if path.startswith(_NVRAM):
        return f"OVMF 2022.11 {VARIABLES}"
    raise Failed(f"sha256sum: {path}: No such file or directory")
