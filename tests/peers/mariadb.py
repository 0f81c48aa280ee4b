"""A MariaDB server of our own, for tests: what most Novas run on. Nothing is kept, and anybody may log in.

with MariaDb() as server:
    create_engine(server.create())
"""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pymysql

from tests.peers.programs import Running, program

START_TIMEOUT = 60.0


class MariaDb:
    """A server in a directory of its own, reached by a unix socket; a context manager."""

    def __init__(self):
        self._stack = contextlib.ExitStack()
        self._numbers = itertools.count()

    def __enter__(self):
        install, server = program("mariadb-install-db"), program("mariadbd")
        with contextlib.ExitStack() as stack:
            home = Path(tempfile.mkdtemp(prefix="mariadb."))
            stack.callback(shutil.rmtree, home, ignore_errors=True)
            self._socket = home / "socket"
            user = pwd.getpwuid(os.geteuid()).pw_name
            options = ["--no-defaults", f"--datadir={home / 'data'}", f"--user={user}"]
            command = [install, *options, "--skip-test-db", "--auth-root-authentication-method=normal"]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
            command = [server, *options, "--skip-networking", f"--socket={self._socket}"]
            running = Running("mariadbd", command, self._answers, log=home / "log", seconds=START_TIMEOUT)
            running.start()
            stack.callback(running.stop)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *problem):
        self._stack.close()

    def create(self):
        """Make a database; answers its URL."""
        name = f"nova{next(self._numbers)}"
        connection = pymysql.connect(unix_socket=str(self._socket), user="root")
        with connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb3")
        return f"mysql+pymysql://root@/{name}?unix_socket={self._socket}"

    def _answers(self):
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(self._socket))
            return True
        return False
