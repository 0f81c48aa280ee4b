"""Programs of coreutils that read and write files; words and exit codes are those of coreutils 9.1."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.simulators.node_os.packages import reboot_required
from cloudmanager.simulators.ssh.answer import Answer, Failed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudmanager.simulators.node_os.system import System

_RELEASES = {
    "debian": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian GNU/Linux"\nVERSION_ID="12"\n'
    "ID=debian\n",
    "redhat": 'NAME="Rocky Linux"\nVERSION="9.4 (Blue Onyx)"\nID="rocky"\nID_LIKE="rhel centos fedora"\n'
    'VERSION_ID="9.4"\nPRETTY_NAME="Rocky Linux 9.4 (Blue Onyx)"\n',
}


def content(system: System, path: str) -> str | None:
    """What a file holds; None when there is none."""
    match path:
        case "/etc/os-release":
            return _RELEASES[system.family]
        case "/proc/sys/kernel/random/boot_id":
            return f"{system.node.boot_id}\n"
        case "/proc/uptime":
            up = system.world.clock.now() - system.node.power_changed_at
            return f"{up:.2f} {up:.2f}\n"
        case "/run/reboot-required":
            return "*** System restart required ***\n" if reboot_required(system) else None
    return system.files.get(path)


def cat(system: System, words: Sequence[str], stdin: bytes) -> Answer:
    """Print files; `-` and none at all are the standard input."""
    out, err = "", ""
    for path in [word for word in words if not word.startswith("--")] or ["-"]:
        held = stdin.decode(errors="replace") if path == "-" else content(system, path)
        if held is None:
            err += f"cat: {path}: No such file or directory\n"
        else:
            out += held
    return Answer(out, err, 1 if err else 0)


def tail(system: System, words: Sequence[str], _stdin: bytes) -> str:
    """`tail -c N FILE`."""
    match words:
        case ["-c", count, path] if count.isdecimal():
            held = content(system, path)
            if held is None:
                raise Failed(f"tail: cannot open '{path}' for reading: No such file or directory")
            return held.encode()[-int(count) :].decode(errors="replace")
    raise Failed("tail: invalid option")


def install(system: System, words: Sequence[str], stdin: bytes) -> str:
    """`install -D -m MODE /dev/stdin FILE`."""
    match words:
        case ["-D", "-m", _mode, "/dev/stdin", path]:
            system.files[path] = stdin.decode(errors="replace")
            system.changed()
            return ""
    raise Failed("install: missing file operand\nTry 'install --help' for more information.")


def rm(system: System, words: Sequence[str], _stdin: bytes) -> str:
    """`rm -f FILE…`."""
    match words:
        case ["-f", *paths]:
            for path in paths:
                system.files.pop(path, None)
            system.changed()
            return ""
    raise Failed("rm: missing operand")


def test(system: System, words: Sequence[str], _stdin: bytes) -> Answer:
    """`test -e FILE`."""
    match words:
        case ["-e", path]:
            return Answer(status=0 if content(system, path) is not None else 1)
    raise Failed("test: missing argument", 2)
