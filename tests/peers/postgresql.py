"""A PostgreSQL server of our own, for tests and benchmarks: nothing is kept, so nothing is synced to disk.

with PostgreSql() as server:
    Database(server.create("mine"))
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg

from tests.peers.programs import program

USER = "cloudmanager"
ACCOUNT = "postgres"
"""Whose process it is when we are root, because PostgreSQL refuses to run as root."""

START_TIMEOUT = 30.0
SETTINGS = {
    "listen_addresses": "",
    "max_connections": 200,
    "shared_buffers": "64MB",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
}
INSTALLED = "/usr/lib/postgresql"
"""Where Debian puts the versions, away from PATH."""


class PostgreSql:
    """A cluster in a directory of its own, reached by a unix socket; a context manager."""

    def __init__(self):
        self._stack = contextlib.ExitStack()
        self._data = Path()
        self._process = None
        self._as_account = (
            {"user": ACCOUNT, "group": ACCOUNT, "extra_groups": []} if os.geteuid() == 0 else {}
        )

    def __enter__(self):
        initdb = _program("initdb")
        with contextlib.ExitStack() as stack:
            home = tempfile.mkdtemp(prefix="postgresql.")
            stack.callback(shutil.rmtree, home, ignore_errors=True)
            self._data = Path(home) / "data"
            if self._as_account:
                account = pwd.getpwnam(ACCOUNT)
                os.chown(home, account.pw_uid, account.pw_gid)
            self._initialise(initdb)
            stack.callback(self.stop)
            self.start()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *problem):
        self._stack.close()

    def url(self, name):
        """The SQLAlchemy URL of a database."""
        return f"postgresql+psycopg://{USER}@/{name}?host={self._data.parent}"

    def create(self, name, template="template0"):
        """Make a database, a copy of another one that nobody uses now; answers its URL."""
        self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.url(name)

    def drop(self, name):
        """Remove a database, whoever uses it."""
        self._execute(f'DROP DATABASE "{name}" WITH (FORCE)')

    def start(self):
        """Start the server and wait until it answers."""
        with (self._data.parent / "log").open("ab") as log:
            command = [_program("postgres"), "-D", str(self._data), "-k", str(self._data.parent)]
            command += [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
            self._process = subprocess.Popen(
                command,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self._as_account,
            )
        end = time.monotonic() + START_TIMEOUT
        while True:
            try:
                return self._execute("SELECT 1")
            except psycopg.OperationalError:
                if time.monotonic() > end or self._process.poll() is not None:
                    raise RuntimeError((self._data.parent / "log").read_text(errors="replace")) from None
            time.sleep(0.05)

    def stop(self):
        """End the server and all its sessions at once; harmless when it has ended."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGINT)  # fast: sessions are cut off
            try:
                self._process.wait(START_TIMEOUT)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _initialise(self, initdb):
        command = [initdb, "-D", str(self._data), "-U", USER, "-A", "trust", "--no-sync"]
        command += ["-E", "UTF8", "--locale=C.UTF-8"]
        done = subprocess.run(
            command, cwd="/", capture_output=True, text=True, check=False, **self._as_account
        )
        assert done.returncode == 0, done.stderr

    def _execute(self, statement):
        parameters = {"host": str(self._data.parent), "user": USER, "dbname": "postgres"}
        with psycopg.connect(**parameters, autocommit=True) as connection:
            connection.execute(statement)


def _program(name):
    versions = sorted(Path(INSTALLED).glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    return program(name, *versions)
