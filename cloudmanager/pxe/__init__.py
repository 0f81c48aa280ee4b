"""Boot files: what machines fetch over TFTP to learn what to start, one for each loader and MAC address.

The files follow from the database alone, so whatever was cut off or undone is made good by comparing them.
"""

from cloudmanager.pxe.boot_files import BootFiles, boot_files
from cloudmanager.pxe.tree import Change, Kind
from cloudmanager.pxe.wanted import DEFAULT_IMAGE, macs_in

__all__ = ["DEFAULT_IMAGE", "BootFiles", "Change", "Kind", "boot_files", "macs_in"]
