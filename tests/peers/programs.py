"""Independent programs: where they are, what to do without them, and how they are started and stopped."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time

import pytest

PATH = os.environ.get("PATH", "") + ":/usr/bin:/usr/sbin"


def program(name, *directories):
    """The path of a peer program; without it the test is skipped, but fails where CI=true."""
    found = shutil.which(name, path=os.pathsep.join([PATH, *map(str, directories)]))
    if found is None:
        said = f"{name} is not installed; `make peers` installs it"
        if os.environ.get("CI") == "true":
            pytest.fail(said)
        pytest.skip(said)
    return found


class Running:
    """A program in a process group of its own, with what it starts; `answers` tells when it is ready.

    It can be started again after `stop`. What it says goes to the file `log`, and into the error when it does not
    answer in `seconds`.
    """

    def __init__(self, name, command, answers, *, log=None, seconds=20.0, **options):
        self.process = None
        self._name, self._command, self._answers = name, command, answers
        self._log, self._seconds, self._options = log, seconds, {"stdin": subprocess.DEVNULL, **options}

    def start(self):
        """Start it and wait until it answers; what does not is stopped."""
        self.launch()
        try:
            self.wait()
        except BaseException:
            self.stop()
            raise

    def launch(self):
        """Start it."""
        with contextlib.ExitStack() as stack:
            options = self._options
            if self._log is not None:
                said = stack.enter_context(self._log.open("ab"))
                options = {"stdout": said, "stderr": said, **options}
            self.process = subprocess.Popen(self._command, start_new_session=True, **options)

    def wait(self):
        """Wait until it answers, and so has worked off what came before."""
        end = time.monotonic() + self._seconds
        while time.monotonic() < end and self.process.poll() is None:
            if self._answers():
                return
            time.sleep(0.02)
        said = self._log.read_text(errors="replace") if self._log else ""
        raise RuntimeError(f"{self._name} does not answer (exit code {self.process.poll()}): {said}")

    def freeze(self):
        """Stop it where it is, until `thaw`."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        """Let it go on."""
        self.process.send_signal(signal.SIGCONT)

    def stop(self):
        """End it with all that it started; harmless when that has been done, or when it never ran."""
        if self.process is None:
            return
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()

    def restart(self):
        """As if it had lost its power for a moment."""
        self.stop()
        self.start()


def listens(host, port):
    """Whether somebody takes connections there."""
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=1):
        return True
    return False
