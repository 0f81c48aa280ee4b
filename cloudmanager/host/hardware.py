"""What a machine is made of, as lscpu(1), lsblk(8), dmidecode(8) and sysfs say it. All readers are lenient.

Old versions say less than new ones, and virtual machines less than real ones: what is missing is left out.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from cloudmanager.errors import HostRefused

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PROCESSORS: Final = {
    "Architecture": "architecture",
    "Vendor ID": "vendor",
    "Model name": "model",
    "CPU(s)": "cpus",
    "Socket(s)": "sockets",
    "Core(s) per socket": "cores_per_socket",
    "Thread(s) per core": "threads_per_core",
    "CPU max MHz": "max_mhz",
    "Virtualization": "virtualization",
    "Hypervisor vendor": "hypervisor_vendor",
    "L3 cache": "l3_cache",
    "L3": "l3_cache",
}
_SECTIONS: Final = {
    "BIOS Information": "bios",
    "System Information": "system",
    "Base Board Information": "board",
}
_SMBIOS: Final = {
    "Vendor": "vendor",
    "Manufacturer": "manufacturer",
    "Product Name": "product",
    "Version": "version",
    "Release Date": "release_date",
    "Serial Number": "serial",
    "UUID": "uuid",
}
_MODULE: Final = {
    "Size": "size",
    "Locator": "slot",
    "Type": "type",
    "Speed": "speed",
    "Manufacturer": "manufacturer",
    "Serial Number": "serial",
    "Part Number": "part",
}
_EMPTY: Final = frozenset({"", "Not Specified", "Not Provided", "Unknown", "None", "NO DIMM"})
_KINDS_OF_DISKS: Final = ("disk", "mpath", "raid", "part", "lvm")


def read_processors(text: str) -> dict[str, Any]:
    """What `lscpu --json` says; `flags` is a list."""
    said = dict(_fields(_json(text, "lscpu")))
    found: dict[str, Any] = {
        name: _number(said[field]) for field, name in _PROCESSORS.items() if said.get(field)
    }
    return found | {"flags": said.get("Flags", "").split()}


def read_disks(text: str) -> list[dict[str, Any]]:
    """The block devices of `lsblk --json --bytes`, those below others under `children`."""
    return [disk for row in _json(text, "blockdevices") if (disk := _disk(row)) is not None]


def read_smbios(text: str) -> dict[str, Any]:
    """What `dmidecode` says of firmware, machine and board, and its memory modules, empty slots left out."""
    found: dict[str, Any] = {}
    modules = []
    for title, fields in _structures(text):
        if title in _SECTIONS:
            found.setdefault(_SECTIONS[title], _named(fields, _SMBIOS))
        elif title == "Memory Device" and fields.get("Size", "")[:1].isdigit():
            modules.append(_named(fields, _MODULE))
    return {**found, "memory_modules": modules}


def read_numa(text: str) -> list[dict[str, Any]]:
    """The NUMA nodes, from lines of `node0 0-7,16-23 131072000`: name, processors, memory in KiB."""
    found = []
    for line in text.splitlines():
        if match := re.fullmatch(r"node(\d+) ([\d,-]*) (\d*)", line):
            memory = int(match[3]) * 1024 if match[3] else None
            found.append({"id": int(match[1]), "cpus": match[2], "memory_bytes": memory})
    return sorted(found, key=lambda node: node["id"])


def _json(text: str, key: str) -> list[dict[str, Any]]:
    try:
        rows = json.loads(text)[key]
    except (ValueError, KeyError, TypeError, RecursionError):
        rows = None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise HostRefused(f"no {key} can be read in what begins with {text.strip()[:80]!r}")
    return rows


def _fields(rows: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """Fields of lscpu; new versions put some below others."""
    for row in rows:
        if isinstance(row.get("data"), str):
            yield str(row.get("field", "")).rstrip(":"), row["data"]
        if isinstance(row.get("children"), list):
            yield from _fields([child for child in row["children"] if isinstance(child, dict)])


def _disk(row: dict[str, Any]) -> dict[str, Any] | None:
    """A device, unless it is none that holds data; old versions say numbers and booleans as text."""
    kind = str(row.get("type") or "")
    size = _number(str(row.get("size") or "0"))
    if not kind.startswith(_KINDS_OF_DISKS) or not size:
        return None
    disk: dict[str, Any] = {"name": row.get("name"), "type": kind, "size_bytes": size}
    if row.get("rota") is not None:
        disk["rotational"] = row["rota"] in (True, "1")
    for key in ("model", "serial", "wwn", "mountpoint"):
        if isinstance(row.get(key), str) and row[key].strip():
            disk[key] = row[key].strip()
    children = row.get("children")
    below = (
        [_disk(child) for child in children if isinstance(child, dict)] if isinstance(children, list) else []
    )
    if kept := [child for child in below if child is not None]:
        disk["children"] = kept
    return disk


def _structures(text: str) -> Iterator[tuple[str, dict[str, str]]]:
    """(title, {field: value}) of each structure that dmidecode printed."""
    for block in re.split(r"\n\s*\n", text):
        title, fields = "", {}
        for line in block.splitlines():
            if line.startswith("\t\t"):
                continue
            if line.startswith("\t"):
                name, _, value = line.strip().partition(":")
                fields[name] = value.strip()
            elif not line.startswith(("#", "Handle ")):
                title = line.strip()
        if fields:
            yield title, fields


def _named(fields: Mapping[str, str], names: Mapping[str, str]) -> dict[str, str]:
    return {name: fields[field] for field, name in names.items() if fields.get(field, "") not in _EMPTY}


def _number(value: str) -> Any:
    try:
        number = float(value)
    except ValueError:
        return value
    return int(number) if number.is_integer() else number
