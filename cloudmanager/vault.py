"""Encryption of what must not be read from a stolen database: passwords and keys of devices."""

from __future__ import annotations

import hashlib
import hmac
import os
from typing import TYPE_CHECKING

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from cloudmanager.errors import Misconfigured

if TYPE_CHECKING:
    from pathlib import Path


def create_key_file(path: Path) -> None:
    """Write a new key, readable by the owner alone; a file that exists is left as it is."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(descriptor, "wb") as file:
        file.write(Fernet.generate_key() + b"\n")


class Vault:
    """Seals and opens secrets with the keys of one file: the first key seals, every key opens."""

    def __init__(self, key_file: Path) -> None:
        try:
            if key_file.stat().st_mode & 0o077:
                raise Misconfigured(f"{key_file} can be read by others: run `chmod 600 {key_file}`")
            lines = key_file.read_bytes().split()
            self._keys = MultiFernet([Fernet(line) for line in lines])
            self._first = lines[0]
        except OSError as error:
            raise Misconfigured(f"[secrets] key_file: cannot read {key_file}: {error.strerror}") from None
        except ValueError:
            raise Misconfigured(
                f"[secrets] key_file: {key_file} does not hold Fernet keys, one a line"
            ) from None

    def seal(self, secret: str | None) -> str | None:
        """Encrypt; None and "" mean that there is no secret and give None."""
        return self._keys.encrypt(secret.encode()).decode() if secret else None

    def open(self, sealed: str | None) -> str:
        """Decrypt what `seal` gave; None gives ""."""
        return self._keys.decrypt(sealed.encode()).decode() if sealed else ""

    def fingerprint(self, content: bytes) -> str:
        """A digest that tells nothing to those without the first key, who could else try passwords."""
        return hmac.digest(self._first, content, hashlib.sha256).hex()

    def renew(self, sealed: str | None) -> str | None:
        """Encrypt again with the first key, so that older keys can be retired."""
        return self._keys.rotate(sealed.encode()).decode() if sealed else None

    def check(self, sealed: str | None) -> None:
        """Raise `Misconfigured` when none of the keys opens this."""
        try:
            self.open(sealed)
        except InvalidToken:
            raise Misconfigured(
                "[secrets] key_file: no key there opens the stored passwords; add the old key as a line"
            ) from None
