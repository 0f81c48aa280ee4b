"""Which daemons start with the configuration that a node has."""

from __future__ import annotations

import configparser
from typing import TYPE_CHECKING

from cloudmanager.simulators.ssh.answer import Answer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudmanager.simulators.node_os.system import System

_CPU_MODES = ("host-model", "host-passthrough", "custom", "none")
RSYSLOG = "/etc/rsyslog.d/"
NOVA = "/etc/nova/nova.conf.d/"


def starts(system: System, unit: str) -> bool:
    """Whether the daemon of a unit takes its configuration."""
    if "nova-compute" in unit:
        return all(_nova_takes(text) for text in _within(system, NOVA))
    if unit == "rsyslog.service":
        return not _rsyslog_complaint(system)
    return True


def rsyslogd(system: System, words: Sequence[str], _stdin: bytes) -> Answer:
    """`rsyslogd -N1`: a run that only checks, in the words of rsyslogd 8.2302."""
    if list(words) != ["-N1"]:
        return Answer(err="rsyslogd: invalid or yet-unknown config file command\n", status=1)
    began = "rsyslogd: version 8.2302.0, config validation run (level 1), master config /etc/rsyslog.conf\n"
    if complaint := _rsyslog_complaint(system):
        return Answer(err=f"{began}{complaint}", status=1)
    return Answer(err=f"{began}rsyslogd: End of config validation run. Bye.\n")


def _within(system: System, directory: str) -> list[str]:
    return [text for path, text in sorted(system.files.items()) if path.startswith(directory)]


def _nova_takes(text: str) -> bool:
    """What oslo.config and nova.virt.libvirt check when the service starts."""
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(text)
    except configparser.Error:
        return False
    mode = parser.get("libvirt", "cpu_mode", fallback=None)
    models = parser.get("libvirt", "cpu_models", fallback="")
    return mode is None or (mode in _CPU_MODES and bool(models) == (mode == "custom"))


def _rsyslog_complaint(system: System) -> str:
    for path, text in sorted(system.files.items()):
        if path.startswith(RSYSLOG) and text.count('"') % 2:
            return f"rsyslogd: error during parsing file {path}, on or before line 1: syntax error\n"
    return ""
