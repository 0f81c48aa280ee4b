"""The Redfish emulator of sushy-tools in a process of its own: one machine whose state is a file.

It has no sessions (Basic authentication), no ETags, and forgets what `Once` means. Its fake driver takes up to 11
seconds for each change; ours, derived from it, changes at once.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from tests.peers.sockets import HOST, free_tcp_port

LOGIN = "admin"
PASSWORD = "pass of sushy"
START_TIMEOUT = 20.0

SERVER = """
import sys
from pathlib import Path
import bcrypt
from sushy_tools.emulator import main
from sushy_tools.emulator.resources.systems import fakedriver

directory, port, login, password = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]

class Machine(fakedriver.FakeDriver):
    def get_power_state(self, identity):
        return (directory / "power").read_text()

    def set_power_state(self, identity, state):
        if "Restart" in state:
            with (directory / "resets").open("a") as file:
                file.write(state + chr(10))
        (directory / "power").write_text("Off" if state in ("ForceOff", "GracefulShutdown") else "On")

    def set_boot_device(self, identity, boot_source):
        (directory / "boot").write_text(boot_source)
        super().set_boot_device(identity, boot_source)

fakedriver.FakeDriver = Machine
accounts = directory / "accounts"
accounts.write_text(login + ":" + bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode())
main.app.configure(extra_config={
    "SUSHY_EMULATOR_FAKE_DRIVER": True,
    "SUSHY_EMULATOR_STATE_DIR": str(directory),
    "SUSHY_EMULATOR_AUTH_FILE": str(accounts),
})
main.app.run(host="127.0.0.1", port=port, threaded=False)
"""


class SushyEmulator:
    """One service on a free port; a context manager."""

    def __init__(self):
        self.host, self.port, self.login, self.password = HOST, free_tcp_port(), LOGIN, PASSWORD
        self._stack = contextlib.ExitStack()
        self._directory = Path()
        self._process = None

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self._directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sushy.")))
            stack.callback(self._stop)
            self.set_on(False)
            self._start()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *problem):
        self._stack.close()

    def is_on(self):
        return (self._directory / "power").read_text() == "On"

    def set_on(self, on):
        (self._directory / "power").write_text("On" if on else "Off")

    def resets(self):
        return len(self._read("resets").splitlines())

    def next_boot(self):
        return {"Pxe": "pxe"}.get(self._read("boot"), "none")

    def freeze(self):
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self):
        """Let it go on; it answers one after another, so it has then worked off what was sent meanwhile."""
        os.kill(self._process.pid, signal.SIGCONT)
        urllib.request.urlopen(f"http://{self.host}:{self.port}/redfish/v1/", timeout=10).read()

    def restart(self):
        self._stop()
        self._start()

    def _read(self, name):
        with contextlib.suppress(FileNotFoundError):
            return (self._directory / name).read_text()
        return ""

    def _start(self):
        command = [sys.executable, "-c", SERVER, self._directory, str(self.port), self.login, self.password]
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        end = time.monotonic() + START_TIMEOUT
        while time.monotonic() < end and self._process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection((self.host, self.port), timeout=1):
                return
            time.sleep(0.05)
        said = (self._directory / "log").read_text()
        raise RuntimeError(f"the emulator does not answer (exit code {self._process.poll()}): {said}")

    def _stop(self):
        if self._process is not None:
            self._process.kill()
            self._process.wait()
