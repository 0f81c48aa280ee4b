"""What one must know to log on to a host."""

from __future__ import annotations

from typing import Protocol


class Way(Protocol):
    """The way into one host. `password` logs on, or opens an encrypted `ssh_key`; both are secrets."""

    @property
    def host(self) -> str:
        """Its address or name."""

    @property
    def port(self) -> int:
        """The TCP port of its SSH server."""

    @property
    def login(self) -> str:
        """The account there."""

    @property
    def password(self) -> str:
        """Of the account or of the key; empty without one."""

    @property
    def ssh_key(self) -> str:
        """The private key in PEM or OpenSSH form; empty without one."""

    @property
    def host_key(self) -> str:
        """The public key that it must show, as one line; empty: see `known_hosts`."""

    @property
    def known_hosts(self) -> str:
        """A file of known host keys; empty: those of this machine and user."""

    @property
    def log_ons(self) -> int:
        """How many log-ons this process has under way at once; 0 is any number."""
