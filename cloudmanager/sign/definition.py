"""The definition of a server in libvirt without what changes by itself, and its digests.

Two of them. The strict one is of all that must not change while the server stays on its host. The portable
one leaves out what Nova writes anew when the server moves to another host: addresses on which it listens
there, pinned processors, paths of block devices, passed-through devices, the emulator. docs/decisions/0015
lists it all; a digest of another version than `VERSION` is compared with none.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from collections.abc import Callable

VERSION = 1

_DECLARATION = re.compile(r"<!(?!--|\[CDATA\[)")
_OWN = ("nvram", "kernel", "initrd", "dtb")


class Unreadable(Exception):
    """It is not a definition of libvirt."""


@dataclass(frozen=True)
class Definition:
    """What there is to know of a definition.

    `firmware` are the paths of what it shares with other servers of its node, `own` those of files that are
    read when it starts and are the server's alone: its NVRAM, a kernel, an initial RAM disk, a device tree.
    """

    uuid: str
    name: str
    strict: str
    portable: str
    firmware: tuple[str, ...]
    own: tuple[str, ...]


def read(xml: str) -> Definition:
    """Read what `virsh dumpxml --inactive` prints; raises `Unreadable`."""
    if _DECLARATION.search(xml):
        raise Unreadable("it declares entities, which no definition of libvirt does")
    try:
        root = ET.fromstring(xml.strip())  # noqa: S314 - entities have been refused
    except ET.ParseError as error:
        raise Unreadable(f"it is no XML: {error}") from None
    name, uuid = root.findtext("name"), root.findtext("uuid")
    if root.tag != "domain" or not name or not uuid:
        raise Unreadable("it is not a domain with a name and a UUID")
    firmware, own = _paths(root, ("loader",)), _paths(root, _OWN)
    _remove_volatile(root)
    strict = _digest(root)
    _remove_local(root)
    return Definition(uuid.strip().lower(), name.strip(), strict, _digest(root), firmware, own)


def _paths(root: ET.Element, names: tuple[str, ...]) -> tuple[str, ...]:
    found = []
    for name in names:
        for element in root.iterfind(f"os/{name}"):
            source = element.find("source")
            path = (element.text or "").strip() or (source.get("file", "") if source is not None else "")
            if path:
                found.append(path)
    return tuple(dict.fromkeys(found))


def _digest(root: ET.Element) -> str:
    """Of the canonical form (C14N 2.0): the order of attributes, indentation and prefixes do not count."""
    text = ET.canonicalize(ET.tostring(root, encoding="unicode"), strip_text=True, rewrite_prefixes=True)
    return f"{VERSION}:{hashlib.sha256(text.encode()).hexdigest()}"


def _remove_volatile(root: ET.Element) -> None:
    """What libvirt or Nova change by themselves, and what only management programs read."""
    root.attrib.pop("id", None)
    _remove(root, lambda each: each.tag == "metadata")
    _remove(root, lambda each: each.tag == "alias" and not each.get("name", "").startswith("ua-"))
    for label in root.iterfind("seclabel"):
        if label.get("type") == "dynamic":
            _remove(label, lambda each: each.tag in ("label", "imagelabel"))
    for graphics in root.iterfind("devices/graphics"):
        if graphics.get("autoport") == "yes":
            _drop(graphics, "port", "tlsPort", "websocket")


def _remove_local(root: ET.Element) -> None:
    """What belongs to the host, so that Nova writes it anew for another one."""
    _remove(root, lambda each: each.tag in ("cputune", "numatune", "resource", "emulator"))
    for element in root.iterfind("vcpu"):
        _drop(element, "cpuset")
    for graphics in root.iterfind("devices/graphics"):
        _drop(graphics, "listen", "port", "tlsPort", "websocket")
        for listen in graphics.iterfind("listen"):
            _drop(listen, "address")
    for source in root.iterfind("devices/*[@type='tcp']/source"):
        _drop(source, "host", "service")
    for disk in root.iterfind("devices/disk[@type='block']"):
        path = disk.find("source")
        if path is not None and disk.find("serial") is not None:  # the serial is the id of its volume
            _drop(path, "dev")
    for device in (*root.iterfind("devices/hostdev"), *root.iterfind("devices/interface[@type='hostdev']")):
        _remove(device, lambda each: each.tag == "source")


def _drop(element: ET.Element, *names: str) -> None:
    for name in names:
        element.attrib.pop(name, None)


def _remove(root: ET.Element, wanted: Callable[[ET.Element], bool]) -> None:
    for parent in root.iter():
        for child in [each for each in parent if wanted(each)]:
            parent.remove(child)
