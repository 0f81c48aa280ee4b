"""pyghmi's BMC server (what virtualbmc stands on) in a process of its own: one machine whose state is a file.

It speaks cipher suite 3 whatever is proposed, is silent to unknown logins, and forgets an old session of a client's
address only when that client asks for its authentication capabilities.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
from pathlib import Path

from tests.peers.ipmi_sim import bmc_answers
from tests.peers.programs import Running

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

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self._directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pyghmi.")))
            self.set_on(False)
            command = [sys.executable, "-c", SERVER, self._directory, str(self.port), LOGIN, PASSWORD]
            running = Running("pyghmi's BMC", command, lambda: bmc_answers(self.port))
            self.restart = running.restart
            stack.callback(running.stop)
            running.start()
            self._stack = stack.pop_all()
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

    def _read(self, name):
        with contextlib.suppress(FileNotFoundError):
            return (self._directory / name).read_text()
        return ""
