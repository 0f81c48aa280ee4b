"""The Redfish emulator of sushy-tools in a process of its own: machines whose states are files.

It has no sessions (Basic authentication), no ETags, and forgets what `Once` means. Its fake driver takes up to 11
seconds for each change; ours, derived from it, changes at once.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
import urllib.request
from pathlib import Path

from tests.peers.programs import Running, listens
from tests.peers.sockets import HOST, free_tcp_port

LOGIN = "admin"
PASSWORD = "pass of sushy"

SERVER = """
import sys
from pathlib import Path
import bcrypt
from sushy_tools.emulator import main
from sushy_tools.emulator.resources.systems import fakedriver

directory, port, login, password = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
names = sys.argv[5:]

def of(identity):
    return directory / identity[-1]  # the ids end with the number that is the name

class Machine(fakedriver.FakeDriver):
    def get_power_state(self, identity):
        return (of(identity) / "power").read_text()

    def set_power_state(self, identity, state):
        if "Restart" in state:
            with (of(identity) / "resets").open("a") as file:
                file.write(state + chr(10))
        (of(identity) / "power").write_text("Off" if state in ("ForceOff", "GracefulShutdown") else "On")

    def set_boot_device(self, identity, boot_source):
        (of(identity) / "boot").write_text(boot_source)
        super().set_boot_device(identity, boot_source)

fakedriver.FakeDriver = Machine
accounts = directory / "accounts"
accounts.write_text(login + ":" + bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode())
main.app.configure(extra_config={
    "SUSHY_EMULATOR_FAKE_DRIVER": True,
    "SUSHY_EMULATOR_FAKE_SYSTEMS": [
        {"uuid": "27946b59-9e44-4fa7-8e91-f3527a1ef09" + name, "name": name, "power_state": "Off", "nics": []}
        for name in names
    ],
    "SUSHY_EMULATOR_STATE_DIR": str(directory),
    "SUSHY_EMULATOR_AUTH_FILE": str(accounts),
})
main.app.run(host="127.0.0.1", port=port, threaded=False)
"""


class SushyEmulator:
    """One service on a free port; a context manager. Its machines are "1".."9" at most, in this order."""

    def __init__(self, machines=1):
        self._names = [str(number + 1) for number in range(machines)]
        self.host, self.port, self.login, self.password = HOST, free_tcp_port(), LOGIN, PASSWORD
        self._stack = contextlib.ExitStack()
        self._directory = Path()

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self._directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sushy.")))
            for name in self._names:
                (self._directory / name).mkdir()
                self.set_on(False, name)
            command = [sys.executable, "-c", SERVER, self._directory, str(self.port), LOGIN, PASSWORD]
            log = self._directory / "log"
            self._running = Running(
                "the emulator", [*command, *self._names], lambda: listens(HOST, self.port), log=log
            )
            self.freeze, self.restart = self._running.freeze, self._running.restart
            stack.callback(self._running.stop)
            self._running.start()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *problem):
        self._stack.close()

    def is_on(self, name="1"):
        return (self._directory / name / "power").read_text() == "On"

    def set_on(self, on, name="1"):
        (self._directory / name / "power").write_text("On" if on else "Off")

    def resets(self):
        return len(self._read("resets").splitlines())

    def next_boot(self):
        return {"Pxe": "pxe"}.get(self._read("boot"), "none")

    def thaw(self):
        """Let it go on; it answers one after another, so it has then worked off what was sent meanwhile."""
        self._running.thaw()
        urllib.request.urlopen(f"http://{self.host}:{self.port}/redfish/v1/", timeout=10).read()

    def _read(self, name):
        with contextlib.suppress(FileNotFoundError):
            return (self._directory / "1" / name).read_text()
        return ""
