"""net-snmp's `snmpd` as a relay board: its `pass` gives the board's objects to a script of ours.

The daemon does the protocol; the script, which it runs for every request, holds the state in a file. `buttons` makes the contacts press the
power buttons of machines that the analog channels sense.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.peers.programs import Running, program

HOST = "127.0.0.1"
READ, WRITE = "read community", "write community"
BASE = ".1.3.6.1.4.1.19865.1.2"
HELD = 0.4  # seconds after which a button takes the power away, here

SCRIPT = r"""
import fcntl, json, os, sys, time

directory, base, buttons, held = sys.argv[1], sys.argv[2], sys.argv[3] == "buttons", float(sys.argv[4])

def say(*lines):
    print(*lines, sep="\n", flush=True)

class Board:
    def __enter__(self):
        self.lock = open(directory + "/lock", "w")
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        with open(directory + "/state") as file:
            self.state = json.load(file)
        return self
    def __exit__(self, *problem):
        self.lock.close()
    def save(self):
        with open(directory + "/new", "w") as file:
            json.dump(self.state, file)
        os.replace(directory + "/new", directory + "/state")
    def get(self, port, line):
        bits = self.state["on" if port == 1 and buttons else "lines" if port == 1 else "contacts"]
        if port == 3:
            return 700 if buttons and self.state["on"][line - 1] else 20
        return sum(bit << place for place, bit in enumerate(bits)) if line == 33 else int(bits[line - 1])
    def set(self, line, closed):
        if self.state["contacts"][line - 1] == closed:
            return
        self.state["contacts"][line - 1] = closed
        if not buttons:
            return
        now = time.time()
        if closed:
            self.state["since"][line - 1] = now
            return
        on, pressed = self.state["on"][line - 1], now - self.state["since"][line - 1]
        self.state["on"][line - 1] = not on if pressed < held else False
        self.state["starts"][line - 1] += not on and pressed < held

def objects():
    return sorted([(p, n) for p in (1, 2) for n in (*range(1, 9), 33)] + [(3, n) for n in range(1, 9)])

def parse(oid):
    return tuple(int(arc) for arc in oid[len(base) + 1:].split(".") if arc)

def answer(board, name):
    port, line = name
    say(f"{base}.{port}.{line}.0", "integer", board.get(port, line))

def main(verb, name, value):
    oid = parse(name)
    with Board() as board:
        if verb == "-n":
            later = [name for name in objects() if (*name, 0) > oid]
            if later:
                answer(board, later[0])
        elif len(oid) != 3 or oid[2] or oid[:2] not in objects():
            return
        elif verb == "-g":
            answer(board, oid[:2])
        elif oid[0] != 2 or oid[1] == 33:
            say("not-writable")
        elif value[0] != "integer" or value[1] not in ("0", "1"):
            say("wrong-value")
        else:
            board.set(oid[1], value[1] == "1")
            board.save()

main(sys.argv[5], sys.argv[6], sys.argv[7:])
"""

CONFIGURATION = """
agentAddress udp:127.0.0.1:{port}
com2sec reader default "{read}"
com2sec writer default "{write}"
group readers v1 reader
group writers v1 writer
view all included .1
access readers "" v1 noauth exact all none none
access writers "" v1 noauth exact all all none
pass {base} {python} -ISE {script} {directory} {base} {kind} {held}
"""


class Snmpd:
    """A board on a free port; a context manager. `kind` is "mains" or "buttons"."""

    def __init__(self, port, kind):
        self.port, self._kind = port, kind
        self._program = program("snmpd")
        self._stack = contextlib.ExitStack()

    def __enter__(self):
        self._directory = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="snmpd.")))
        nothing = [False] * 8
        state = {"contacts": nothing, "lines": nothing, "on": nothing, "since": [0.0] * 8, "starts": [0] * 8}
        self._write(state)
        (self._directory / "script.py").write_text(SCRIPT)
        (self._directory / "snmpd.conf").write_text(
            CONFIGURATION.format(
                port=self.port, read=READ, write=WRITE, base=BASE, python=sys.executable, kind=self._kind,
                script=self._directory / "script.py", directory=self._directory, held=HELD,
            )
        )  # fmt: skip
        command = [self._program, "-f", "-Lf", "log", "-C", "-c", "snmpd.conf", "-p", "pid", "-I", "-smux"]
        environment = {**self._environment(), "PATH": "/usr/bin:/bin"}
        self._running = Running(
            "snmpd", command, self._answers, log=self._directory / "log", cwd=self._directory, env=environment
        )
        self._stack.callback(self._running.stop)
        try:
            self._running.start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *problem):
        self._stack.close()

    def state(self):
        return json.loads((self._directory / "state").read_text())

    def set_state(self, key, changes):
        """Change a list of the state by outlet."""
        with (self._directory / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            state = self.state()
            for outlet, value in changes.items():
                state[key][int(outlet) - 1] = value
            self._write(state)
        self._running.wait()  # snmpd remembers what the last run of the script said, and so forgets it

    def freeze(self):
        self._running.freeze()

    def thaw(self):
        self._running.thaw()
        self._running.wait()

    def restart(self):
        self._running.restart()

    def _write(self, state):
        (self._directory / "state.test").write_text(json.dumps(state))
        (self._directory / "state.test").replace(self._directory / "state")

    def _answers(self):
        ask = [
            program("snmpget"),
            "-v1",
            "-c",
            READ,
            "-t",
            "0.2",
            "-r",
            "0",
            f"{HOST}:{self.port}",
            BASE + ".1.1.0",
        ]
        return subprocess.run(ask, capture_output=True, check=False, env=self._environment()).returncode == 0

    def _environment(self):
        """What the programs keep is ours, and not their configuration."""
        return {"SNMP_PERSISTENT_DIR": str(self._directory / "kept"), "MIBS": ""}
