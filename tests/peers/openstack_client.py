"""The command `openstack`, unmodified: its modules are loaded once, each command runs in a process of its own.

Run as a program it is the one that loads and forks: it reads `["word", …]` line by line, and answers each with
`{"code": …, "out": …, "err": …}`.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass

LOADED = (
    "openstackclient.shell",
    "openstackclient.compute.v2.server",
    "openstackclient.volume.v3.volume",
    "openstackclient.image.v2.image",
    "openstackclient.network.v2.network",
)
TIME = 60
"""Seconds that a command may take."""


@dataclass(frozen=True)
class Done:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str


class OpenStackClient:
    """`openstack` with the environment that `openrc` files set: {"OS_AUTH_URL": …}."""

    def __init__(self, settings):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            env={**environment, **settings},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, *words):
        """Run a command to its end, however it ends."""
        self._process.stdin.write(json.dumps([str(word) for word in words]) + "\n")
        self._process.stdin.flush()
        return Done(**json.loads(self._process.stdout.readline()))

    def __call__(self, *words):
        """What a command that succeeds says, as JSON."""
        done = self.run(*words, "-f", "json")
        assert done.code == 0, done.err
        return json.loads(done.out)

    def close(self):
        """End the process that forks."""
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(TIME)


def serve():
    """Answer commands until there are no more."""
    for name in LOADED:
        importlib.import_module(name)
    for line in sys.stdin:
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            child = os.fork()
            if not child:
                _command(json.loads(line), out, err)
            _, status = os.waitpid(child, 0)
            code = os.waitstatus_to_exitcode(status)
            sys.stdout.write(json.dumps({"code": code, "out": _text(out), "err": _text(err)}) + "\n")
            sys.stdout.flush()


def _command(words, out, err):
    """In the child: be `openstack`."""
    import signal

    from openstackclient import shell

    signal.alarm(TIME)
    code = 1
    try:
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        sys.stdin = open(os.devnull)  # noqa: PTH123, SIM115  # what is left of ours is for the parent
        code = shell.main(words)
    except SystemExit as end:
        code = end.code
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 1)


def _text(file):
    file.seek(0)
    return file.read().decode()


if __name__ == "__main__":
    serve()
