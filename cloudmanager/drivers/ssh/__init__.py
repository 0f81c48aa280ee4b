"""Power of virtual machines, over SSH to the libvirt host that runs them."""

from .driver import SshDevice
from .settings import SshSettings

__all__ = ["SshDevice", "SshSettings"]
