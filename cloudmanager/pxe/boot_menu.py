"""What an image offers to start. Its text is a configuration of one loader; others get a translation.

The keywords are those of Syslinux's configuration file; what only draws its menu is left out.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass, replace
from typing import Final

_INITRD: Final = re.compile(r"(?:^|\s)initrd=(\S+)")
_GRUB: Final = re.compile(r"^\s*(?:menuentry|linux(?:16|efi)?)\s.*\S", re.MULTILINE)
_PXELINUX: Final = re.compile(r"^\s*(?:label|kernel|append)\s", re.MULTILINE | re.IGNORECASE)
_IPXE: Final = "#!ipxe"
_MODULE: Final = ".c32"
"""Ending of programs for Syslinux alone."""


class Language(enum.StrEnum):
    """The loader for which an image's text was written."""

    PXELINUX = "pxelinux"
    GRUB = "grub"
    IPXE = "ipxe"


@dataclass(frozen=True)
class Entry:
    """A system that can be started; `is_local` is the one on the machine's own disk."""

    label: str
    title: str = ""
    kernel: str = ""
    initrds: tuple[str, ...] = ()
    arguments: str | None = None
    is_local: bool = False
    is_default: bool = False


@dataclass(frozen=True)
class BootMenu:
    """Entries in the order of the text. `seconds` until the default is started; None waits for a key."""

    language: Language
    entries: tuple[Entry, ...] = ()
    default: int = 0
    seconds: float | None = None


def parse(text: str) -> BootMenu:
    """The menu of an image. One written for another loader than pxelinux has no entries here."""
    if text.lstrip().startswith(_IPXE):
        return BootMenu(Language.IPXE)
    if _GRUB.search(text) and not _PXELINUX.search(text):
        return BootMenu(Language.GRUB)
    return _Reader().read(text)


class _Reader:
    """Reads a Syslinux configuration line by line."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._default = ""
        self._append: str | None = None
        self._seconds: float | None = None

    def read(self, text: str) -> BootMenu:
        for line in text.splitlines():
            keyword, _, value = line.strip().replace("\t", " ").partition(" ")
            keyword, value = keyword.lower(), value.strip()
            if keyword == "menu":
                self._menu(value)
            elif keyword == "label":
                self._entries.append(Entry(value, title=value))
            elif not self._entries or keyword in ("default", "timeout"):
                self._general(keyword, value)
            else:
                self._of_entry(keyword, value)
        entries = tuple(_complete(entry, self._append) for entry in self._entries)
        usable = tuple(entry for entry in entries if entry.is_local or entry.kernel)
        return BootMenu(Language.PXELINUX, usable, self._chosen(usable), self._seconds)

    def _general(self, keyword: str, value: str) -> None:
        if keyword in ("default", "ontimeout"):
            self._default = value
        elif keyword == "timeout" and value.isascii() and value.isdecimal():
            self._seconds = int(value[:6]) / 10 or None
        elif keyword == "append":
            self._append = value

    def _menu(self, value: str) -> None:
        keyword, _, rest = value.partition(" ")
        if not self._entries:
            return
        if keyword.lower() == "label":
            self._change(title=rest.strip().replace("^", ""))
        elif keyword.lower() == "default":
            self._change(is_default=True)

    def _of_entry(self, keyword: str, value: str) -> None:
        if keyword in ("kernel", "linux"):
            self._change(kernel="" if value.endswith(_MODULE) else value)
        elif keyword == "initrd":
            self._change(initrds=_several(value))
        elif keyword == "append":
            self._change(arguments="" if value == "-" else value)
        elif keyword == "localboot":
            self._change(is_local=not value.startswith("-"))

    def _change(self, **values: object) -> None:
        self._entries[-1] = replace(self._entries[-1], **values)  # type: ignore[arg-type]

    def _chosen(self, entries: tuple[Entry, ...]) -> int:
        marked = (place for place, entry in enumerate(entries) if entry.is_default)
        named = (place for place, entry in enumerate(entries) if entry.label == self._default)
        return next(marked, next(named, 0))


def _complete(entry: Entry, append: str | None) -> Entry:
    """The entry with the arguments that hold for all, and its initial RAM disks taken out of them."""
    arguments = (append if entry.arguments is None else entry.arguments) or ""
    found = [name for value in _INITRD.findall(arguments) for name in _several(value)]
    rest = " ".join(_INITRD.sub(" ", arguments).split())
    return replace(entry, initrds=(*entry.initrds, *found), arguments=rest)


def _several(value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip())
