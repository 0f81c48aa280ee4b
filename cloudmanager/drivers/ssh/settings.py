"""What can be set for a device behind SSH."""

from __future__ import annotations

from dataclasses import dataclass, field

from cloudmanager.drivers.base import Settings


@dataclass(frozen=True, kw_only=True)
class SshSettings(Settings):
    """Adds the trusted host key and how libvirt is spoken to; `password` opens an encrypted `ssh_key`."""

    host_key: str = field(
        default="",
        metadata={
            "help": "Public key of the host, as in `/etc/ssh/ssh_host_ed25519_key.pub`: this and no other."
        },
    )
    known_hosts: str = field(
        default="",
        metadata={
            "help": "File of known host keys, in place of those of the daemon's machine and user.",
            "pattern": r"~?/[^\u0000]*",
            "form": "an absolute path",
        },
    )
    virsh: str = field(
        default="virsh",
        metadata={
            "help": "How virsh is called on the host, such as `sudo -n virsh`; taken apart as a shell does."
        },
    )
    uri: str = field(
        default="qemu:///system",
        metadata={"help": "Which libvirt driver virsh connects to, on the host itself."},
    )
