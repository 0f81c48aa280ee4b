"""The update of a node's packages: what the package manager says, and what it leaves behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.simulators.ssh.answer import Answer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudmanager.simulators.node_os.system import System

UPDATE_SECONDS = 2.0
OUTDATED = "outdated"  # key of the system's state: names of packages that an update brings up to date
BROKEN = "packages are broken"  # key: an update fails
LOG = "/var/log/{unit}.log"
_FRESH = ["bash", "curl", "libssl3", "linux-image-amd64", "openssl", "tzdata"]
_KERNELS = ("linux-image", "kernel")
_FAILED = {"debian": 100, "redhat": 1}


def update(system: System, unit: str) -> int:
    """What the script `update-system` does: all packages up to date, said as apt 2.6 or dnf 4 do."""
    names = list(system.part(OUTDATED, list(_FRESH)))
    broken = system.part(BROKEN, False)
    say = _apt if system.family == "debian" else _dnf
    system.files[LOG.format(unit=unit.removesuffix(".service"))] = say(names, broken)
    if broken:
        return _FAILED[system.family]
    system.part(OUTDATED, [])[:] = []
    if any(name.startswith(_KERNELS) for name in names):
        system.volatile("reboot", {})["required"] = True
    return 0


def needs_restarting(system: System, _words: Sequence[str], _stdin: bytes) -> Answer:
    """`needs-restarting -r` of dnf-utils: status 1 says that a restart is needed."""
    return (
        Answer("Reboot is required\n", status=1)
        if reboot_required(system)
        else Answer("Reboot should not be necessary.\n")
    )


def reboot_required(system: System) -> bool:
    """Whether something that was updated takes effect at the next start only."""
    return bool(system.volatile("reboot", {}).get("required"))


def _apt(names: list[str], broken: bool) -> str:
    said = "Reading package lists...\nBuilding dependency tree...\nReading state information...\n"
    said += "Calculating upgrade...\n"
    if names:
        said += f"The following packages will be upgraded:\n  {' '.join(names)}\n"
    said += f"{len(names)} upgraded, 0 newly installed, 0 to remove and 0 not upgraded.\n"
    if broken:
        return (
            said + "E: Sub-process /usr/bin/dpkg returned an error code (1)\n"
            "Errors were encountered while processing:\n linux-image-amd64\n"
        )
    return said + "".join(f"Setting up {name} (1.2-3) ...\n" for name in names)


def _dnf(names: list[str], broken: bool) -> str:
    if broken:
        return "Error: Failed to download metadata for repo 'baseos': Cannot prepare internal mirrorlist\n"
    if not names:
        return "Dependencies resolved.\nNothing to do.\nComplete!\n"
    rows = "".join(f" {name}  x86_64  1.2-3.el9  baseos  1.0 M\n" for name in names)
    return (
        f"Dependencies resolved.\nUpgrading:\n{rows}\nTransaction Summary\n"
        f"{'=' * 60}\nUpgrade  {len(names)} Packages\n\nComplete!\n"
    )
