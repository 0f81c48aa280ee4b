"""The state directory of `cloudmanager up`: what is in it, its first files, and its lock."""

from __future__ import annotations

import fcntl
import os
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cloudmanager.embedded_broker import EmbeddedBroker
from cloudmanager.errors import Misconfigured
from cloudmanager.vault import create_key_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FIRST_CONFIGURATION = """\
# Written by the first start of `cloudmanager up` and never again: change it as you like, then restart.
# `cloudmanager config sample` prints every option. This file holds a password: keep its mode 0600.

[database]
connection = {database}

[broker]
# `cloudmanager up` runs this broker itself; give another URL to use your own.
url = {broker}

[secrets]
key_file = {key_file}
"""


class StateDirectory:
    """Everything that one installation keeps. All of it is for its owner's eyes only."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()
        self.config_file = self.path / "cloudmanager.conf"
        self.key_file = self.path / "secret.key"
        self.database_file = self.path / "cloudmanager.db"
        self.token_file = self.path / "admin-token"
        self.lock_file = self.path / "lock"
        self.metrics_directory = self.path / "metrics"
        self.lab_state = self.path / "lab.json"
        self.lab_socket = self.path / "lab.sock"
        self.nova_database = self.path / "nova.db"
        self.tftp_root = self.path / "tftp"
        self.openrc = self.path / "openrc"
        self.reader_openrc = self.path / "openrc-reader"
        self.broker = EmbeddedBroker(self.path / "broker")

    def portal_token_script(self, name: str) -> Path:
        """What prints a token of that user of the simulated Keycloak."""
        return self.path / f"portal-token-{name}"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Create the directory on first use and hold it; `Misconfigured` names the process that has it."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self.lock_file, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise Misconfigured(f"--state-dir {self.path} cannot be used: {error.strerror}") from None
        with os.fdopen(descriptor, "r+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Misconfigured(
                    f"{self.path} is in use by process {lock.read().strip() or '(starting)'}; "
                    "stop it, or choose another --state-dir"
                ) from None
            lock.truncate(0)
            lock.write(f"{os.getpid()}\n")
            lock.flush()
            yield

    def create_files(self, more: str = "") -> None:
        """Write the key and the configuration of the first start; files that exist stay as they are.

        `more` are further sections of the configuration.
        """
        create_key_file(self.key_file)
        if not self.config_file.exists():
            values = {
                "database": f"sqlite:///{self.database_file}",
                "broker": self.broker.new_url(),
                "key_file": str(self.key_file),
            }
            escaped = {name: value.replace("$", "$$") for name, value in values.items()}
            write_private(self.config_file, _FIRST_CONFIGURATION.format(**escaped) + more)


def write_private(path: Path, content: str) -> None:
    """Write a file of mode 0600 as a whole or not at all."""
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
