"""pyghmi's BMC server (what virtualbmc stands on) in a process of its own: one machine whose state is a file.

It speaks cipher suite 3 whatever is proposed, is silent to unknown logins, and forgets an old session of a client's
address only when that client asks for its authentication capabilities.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.peers.ipmi_sim import wait_for_bmc

HOST = "127.0.0.1"
LOGIN = "admin"
PASSWORD = "pass of pyghmi"

SERVER = """
import sys
from pathlib import Path
from pyghmi.ipmi.bmc import Bmc

directory, port, login, password = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]

class Machine(Bmc):
    def get_power_state(self):
        return (directory / "power").read_text()

    def power_off(self):
        (directory / "power").write_text("off")

    power_shutdown = power_off

    def power_on(self):
        (directory / "power").write_text("on")

    def power_reset(self):
        with (directory / "resets").open("a") as file:
            file.write("reset\\n")

    def set_boot_device(self, device):
        (directory / "boot").write_text(device)

machine = Machine({login: password}, port=port, address="127.0.0.1")
machine.listen()
"""


class PyghmiBmc:
    """One BMC on a free port; a context manager."""

    def __init__(self, port):
        self.host, self.port, self.login, self.password = HOST, port, LOGIN, PASSWORD
        self._stack = contextlib.ExitStack()
        self._directory = Path()
        self._process = None

    def __enter__(self):
        self._directory = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="pyghmi.")))
        self._stack.callback(self._stop)
        self.set_on(False)
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *problem):
        self._stack.close()

    def is_on(self):
        return (self._directory / "power").read_text() == "on"

    def set_on(self, on):
        (self._directory / "power").write_text("on" if on else "off")

    def resets(self):
        return len(self._read("resets").splitlines())

    def next_boot(self):
        return {"network": "pxe"}.get(self._read("boot"), "none")

    def restart(self):
        self._stop()
        self._start()

    def _read(self, name):
        with contextlib.suppress(FileNotFoundError):
            return (self._directory / name).read_text()
        return ""

    def _start(self):
        command = [sys.executable, "-c", SERVER, self._directory, str(self.port), self.login, self.password]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        self._await()

    def _await(self):
        if not wait_for_bmc(self.port, self._process):
            raise RuntimeError(f"pyghmi's BMC does not answer (exit code {self._process.poll()})")

    def _stop(self):
        if self._process is not None:
            self._process.kill()
            self._process.wait()
