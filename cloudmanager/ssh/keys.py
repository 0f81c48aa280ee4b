"""Keys: which host keys are trusted, and the private key that logs on."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import asyncssh

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .way import Way

_DEFAULT_PORT: Final = 22
_KNOWN_HOSTS: Final = ("/etc/ssh/ssh_known_hosts", "~/.ssh/known_hosts")


class BadKey(Exception):
    """A key or a file of keys cannot be used; the words say which and why, and hold no secret."""


class TrustedKeys(NamedTuple):
    """Keys of hosts, of authorities that certify hosts, and those that are trusted no more."""

    hosts: Sequence[asyncssh.SSHKey]
    authorities: Sequence[asyncssh.SSHKey]
    revoked: Sequence[asyncssh.SSHKey]


class LogOnKey(NamedTuple):
    """A private key, and whether the password was what opened it."""

    key: asyncssh.SSHKey
    was_encrypted: bool


def trusted_keys(way: Way) -> TrustedKeys:
    """The keys that the host of this way may show; `BadKey` when they cannot be read."""
    if way.host_key:
        return TrustedKeys([public_key(way.host_key)], [], [])
    named = way.known_hosts
    files = [Path(name).expanduser() for name in ([named] if named else _KNOWN_HOSTS)]
    found = [_known_hosts(file, must_exist=bool(named)) for file in files]
    port = None if way.port == _DEFAULT_PORT else way.port
    matches = [each.match(way.host, "", port) for each in found]
    kinds = ([key for match in matches for key in match[kind]] for kind in range(len(TrustedKeys._fields)))
    return TrustedKeys(*([key for key in kind if isinstance(key, asyncssh.SSHKey)] for kind in kinds))


def log_on_key(text: str, password: str) -> LogOnKey:
    """Read a private key, which takes a moment when it is encrypted; `BadKey` when it cannot be."""
    try:
        return LogOnKey(asyncssh.import_private_key(text.strip() + "\n"), was_encrypted=False)
    except asyncssh.KeyEncryptionError:
        raise BadKey("the SSH key is encrypted in a way that is not supported") from None
    except asyncssh.KeyImportError as problem:
        if "passphrase" not in str(problem).lower():
            raise BadKey("the SSH key is not a private key in PEM or OpenSSH form") from None
    if not password:
        raise BadKey("the SSH key is encrypted: give its passphrase as the password")
    try:
        return LogOnKey(asyncssh.import_private_key(text.strip() + "\n", password), was_encrypted=True)
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError):
        raise BadKey("the password does not open the encrypted SSH key") from None


def public_key(text: str) -> asyncssh.SSHKey:
    """Read a public key; `BadKey` when it is none."""
    try:
        return asyncssh.import_public_key(text.strip() + "\n")
    except asyncssh.KeyImportError:
        raise BadKey("host_key is not a public key such as `ssh-ed25519 AAAA…`") from None


def _known_hosts(file: Path, *, must_exist: bool) -> asyncssh.SSHKnownHosts:
    try:
        return _parsed(file, file.stat().st_mtime_ns)
    except (FileNotFoundError, PermissionError) as problem:
        if must_exist:
            raise BadKey(f"known_hosts {str(file)!r} cannot be read: {problem.strerror}") from None
        return asyncssh.SSHKnownHosts()
    except (OSError, ValueError) as problem:
        raise BadKey(f"known_hosts {str(file)!r} cannot be read: {problem}") from None


@functools.lru_cache(maxsize=16)
def _parsed(file: Path, _changed: int) -> asyncssh.SSHKnownHosts:
    """A file of thousands of hosts is read once, and again when it has changed."""
    return asyncssh.import_known_hosts(file.read_text())
