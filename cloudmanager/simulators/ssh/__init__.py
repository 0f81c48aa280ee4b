"""A simulated libvirt host that is reached by SSH."""

from .host import SshHost

__all__ = ["SshHost"]
