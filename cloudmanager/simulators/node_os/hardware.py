"""What a simulated node is made of: a server with two processors, each with a NUMA node.

The words are those of util-linux 2.38 and dmidecode 3.4.
"""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Any

from cloudmanager.simulators.ssh.answer import Failed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudmanager.simulators.node_os.system import System

_SOCKETS, _CORES, _THREADS = 2, 16, 2
_MEMORY_KIB = 128 << 20
_MODULE_GB, _MODULES = 32, 8
_MODELS = (
    "486",
    "kvm64",
    "Nehalem",
    "Broadwell",
    "Skylake-Server",
    "Cascadelake-Server",
    "EPYC",
    "EPYC-Rome",
)
_FLAGS = (
    "fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov sse4_2 x2apic aes avx avx2 avx512f vmx"
)


def lscpu(_system: System, words: Sequence[str], _stdin: bytes) -> str:
    """`lscpu --json`."""
    if list(words) not in (["--json"], ["-J"]):
        raise Failed("lscpu: bad usage\nTry 'lscpu --help' for more information.")
    fields = {
        "Architecture": "x86_64",
        "CPU op-mode(s)": "32-bit, 64-bit",
        "CPU(s)": f"{_SOCKETS * _CORES * _THREADS}",
        "Vendor ID": "GenuineIntel",
        "Model name": "Intel(R) Xeon(R) Gold 6226R CPU @ 2.90GHz",
        "Thread(s) per core": f"{_THREADS}",
        "Core(s) per socket": f"{_CORES}",
        "Socket(s)": f"{_SOCKETS}",
        "CPU max MHz": "3900.0000",
        "Flags": _FLAGS,
        "Virtualization": "VT-x",
        "L3 cache": "44 MiB (2 instances)",
    }
    rows = [{"field": f"{name}:", "data": value} for name, value in fields.items()]
    return json.dumps({"lscpu": rows}, indent=3) + "\n"


def lsblk(system: System, _words: Sequence[str], _stdin: bytes) -> str:
    """`lsblk --json --bytes`: two disks, one of which holds the system."""
    number = _number(system)
    disks: list[dict[str, Any]] = [_disk(name, number + place) for place, name in enumerate(("sda", "sdb"))]
    disks[0]["children"] = [
        {"name": "sda1", "type": "part", "size": 536870912, "rota": False, "mountpoint": "/boot/efi"},
        {"name": "sda2", "type": "part", "size": 479560990720, "rota": False, "mountpoint": "/"},
    ]
    return json.dumps({"blockdevices": disks}, indent=3) + "\n"


def dmidecode(system: System, _words: Sequence[str], _stdin: bytes) -> str:
    """`dmidecode --type 0,1,2,17`."""
    serial = f"S{_number(system):09d}"
    modules = "".join(
        f"Handle 0x{0x20 + place:04X}, DMI type 17, 84 bytes\nMemory Device\n\tSize: {_MODULE_GB} GB\n"
        f"\tLocator: P{place // 4 + 1}-DIMM{'ABCD'[place % 4]}1\n\tType: DDR4\n\tSpeed: 2933 MT/s\n"
        f"\tManufacturer: Samsung\n\tSerial Number: {_number(system) + place:08X}\n\n"
        for place in range(_MODULES)
    )
    return (
        "# dmidecode 3.4\nGetting SMBIOS data from sysfs.\nSMBIOS 3.2.1 present.\n\n"
        "Handle 0x0000, DMI type 0, 26 bytes\nBIOS Information\n\tVendor: American Megatrends Inc.\n"
        "\tVersion: 3.4\n\tRelease Date: 11/03/2020\n\n"
        "Handle 0x0001, DMI type 1, 27 bytes\nSystem Information\n\tManufacturer: Supermicro\n"
        f"\tProduct Name: SYS-1029P-WTR\n\tSerial Number: {serial}\n\n"
        "Handle 0x0002, DMI type 2, 15 bytes\nBase Board Information\n\tManufacturer: Supermicro\n"
        f"\tProduct Name: X11DDW-NT\n\tSerial Number: B{serial}\n\n{modules}"
    )


def numa(_system: System, _words: Sequence[str], _stdin: bytes) -> str:
    """The script `numa`: each NUMA node, its processors, its memory in KiB."""
    each = _CORES * _THREADS
    return "".join(
        f"node{node} {node * each}-{node * each + each - 1} {_MEMORY_KIB}\n" for node in range(_SOCKETS)
    )


def cpu_models(_system: System, _words: Sequence[str], _stdin: bytes) -> str:
    """The script `cpu-models`: what `virsh cpu-models x86_64` prints."""
    return "".join(f"{model}\n" for model in _MODELS) + "\n"


def _disk(name: str, number: int) -> dict[str, Any]:
    return {
        "name": name,
        "type": "disk",
        "size": 480103981056,
        "rota": False,
        "model": "SAMSUNG MZ7LH480",
        "serial": f"S45PNA0M{number % 1000000:06d}",
        "wwn": f"0x5002538e{number % (1 << 32):08x}",
        "mountpoint": None,
    }


def _number(system: System) -> int:
    """One that is always the same for a node."""
    return zlib.crc32(system.node.name.encode()) % 1_000_000_000
