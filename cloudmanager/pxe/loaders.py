"""The boot loaders that fetch their configuration over TFTP, and under which names they ask for it.

pxelinux: Syslinux's `pxelinux.txt`, "How do I Configure PXELINUX?"; 01 is ARP's number of Ethernet. GRUB: its
manual, "Network". iPXE asks for what it is told; `${mac}` in its scripts gives the address with colons.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_MAC: Final = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}")


@dataclass(frozen=True)
class Loader:
    """One loader. `template` renders its files; `pattern` has a place for the MAC address."""

    template: str
    pattern: str
    default: str
    separator: str

    def path(self, mac: str) -> str:
        """The file for a MAC address, relative to the root of the TFTP server."""
        if not is_mac(mac):
            raise ValueError(f"not a MAC address: {mac[:40]!r}")
        return self.pattern.format(mac.replace(":", self.separator))

    def owns(self, path: str) -> bool:
        """Whether a file has the name of one for this loader."""
        before, _, after = self.pattern.partition("{}")
        mac = path.removeprefix(before).removesuffix(after).replace(self.separator, ":")
        return path == self.default or (is_mac(mac) and path == self.path(mac))


LOADERS: Final = (
    Loader("pxelinux.j2", "pxelinux.cfg/01-{}", "pxelinux.cfg/default", "-"),
    Loader("grub.j2", "grub.cfg-01-{}", "grub.cfg", "-"),
    Loader("ipxe.j2", "{}.ipxe", "default.ipxe", ":"),
)
DIRECTORIES: Final = ("", "pxelinux.cfg")


def is_mac(text: str) -> bool:
    """Whether this is a MAC address in our one spelling; anything else never gets into a path."""
    return _MAC.fullmatch(text) is not None
