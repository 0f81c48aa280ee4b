"""OpenIPMI's `ipmi_sim` as a rack of BMCs, for the contract suite, the end-to-end tests and the benchmarks.

    with IpmiSim(count=20) as sim:
        sim.bmcs[3].port, sim.bmcs[3].login, sim.bmcs[3].password
        sim.is_on(3)

Without `switchable` the machines are always off and cannot be switched, but a status costs no process: this is
for benchmarks. One process serves up to 100 BMCs.
"""

from __future__ import annotations

import contextlib
import socket
import tempfile
from pathlib import Path
from typing import NamedTuple

from tests.peers.programs import Running
from tests.peers.sockets import free_udp_ports

HOST = "127.0.0.1"
LOGIN = "ADMIN"
PASSWORD = "secret-of-rack"
PER_PROCESS = 100

# RMCP header, IPMI 1.5 session header, Get Channel Authentication Capabilities (IPMI v2.0 §22.13).
ARE_YOU_THERE = bytes.fromhex("0600ff07 00 00000000 00000000 09 2018c8 81 00 38 8e04 b5".replace(" ", ""))

CONTROL = """#!/bin/sh
# ipmi_sim asks: <directory> <ipmb address> get|set name [value] ...; the state is a file, so that tests see it too.
power="$1/$2.power"; resets="$1/$2.resets"; boot="$1/$2.boot"
shift 2
verb=$1; shift
while [ $# -gt 0 ]; do
  case "$verb $1" in
    "get power") read -r value < "$power"; echo "power:$value";;
    "get boot") value=none; [ -f "$boot" ] && read -r value < "$boot"; echo "boot:$value";;
    "set power") echo "$2" > "$power";;
    "set reset") echo reset >> "$resets";;
    "set shutdown") echo 0 > "$power";;
    "set boot") echo "$2" > "$boot";;
  esac
  shift; [ "$verb" = set ] && shift
done
exit 0
"""

# Without a line of this kind ipmi_sim dies of the first status of any management controller but the first.
NO_CONTROL = f"  serial 15 {HOST} 0 codec VM"

LAN = """
set_working_mc {address:#04x}
  startlan 1
    addr {host} {port}
    priv_limit admin
    allowed_auths_callback none md2 md5 straight
    allowed_auths_user none md2 md5 straight
    allowed_auths_operator none md2 md5 straight
    allowed_auths_admin none md2 md5 straight
    guid {guid:032x}
  endlan
{control}
  user 2 true "{login}" "{password}" admin 10 none md2 md5 straight
"""


class SimulatedBmc(NamedTuple):
    host: str
    port: int
    login: str
    password: str


class IpmiSim:
    """So many BMCs on free ports of 127.0.0.1, all off at the start; a context manager."""

    def __init__(self, count=1, *, switchable=True, per_process=PER_PROCESS, program="ipmi_sim"):
        self.bmcs: list[SimulatedBmc] = []
        self._count = count
        self._switchable = switchable
        self._per_process = per_process
        self._program = program
        self._stack = contextlib.ExitStack()
        self._processes: list[Running] = []
        self._directory = Path()

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self._directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ipmi_sim.")))
            control = self._directory / "control"
            control.write_text(CONTROL)
            control.chmod(0o755)
            ports = free_udp_ports(self._count)
            self.bmcs = [SimulatedBmc(HOST, port, LOGIN, PASSWORD) for port in ports]
            for first in range(0, self._count, self._per_process):
                process = self._process(first)
                stack.callback(process.stop)
                process.launch()
                self._processes.append(process)
            for process in self._processes:
                process.wait()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *problem):
        self._stack.close()

    def is_on(self, number):
        """The true state, read past the BMC."""
        return self._file(number, "power").read_text().strip() == "1"

    def set_on(self, number, on):
        """Switch behind the back of the BMC's clients."""
        self._file(number, "power").write_text("1\n" if on else "0\n")

    def resets(self, number):
        """How often the machine was reset."""
        with contextlib.suppress(FileNotFoundError):
            return len(self._file(number, "resets").read_text().splitlines())
        return 0

    def next_boot(self, number):
        """What it starts from next: `pxe`, `none` …."""
        with contextlib.suppress(FileNotFoundError):
            return self._file(number, "boot").read_text().strip()
        return "none"

    def freeze(self, number):
        """Make the BMC, and all others of its process, silent."""
        self._process_of(number).freeze()

    def thaw(self, number):
        self._process_of(number).thaw()
        self._process_of(number).wait()

    def restart(self, number):
        """Let the process of this BMC forget all sessions."""
        self._process_of(number).restart()

    def _process_of(self, number):
        return self._processes[number // self._per_process]

    def _file(self, number, what):
        process, place = divmod(number, self._per_process)
        return self._directory / str(process) / f"{_address(place):#04x}.{what}"

    def _process(self, first):
        directory = self._directory / str(first // self._per_process)
        bmcs = self.bmcs[first : first + self._per_process]
        self._configure(directory, bmcs)
        command = [self._program, "-n", "-c", "lan.conf", "-f", "rack.emu", "-s", "state"]

        def answer():
            return all(bmc_answers(bmc.port) for bmc in bmcs)

        return Running(self._program, command, answer, log=directory / "log", cwd=directory)

    def _configure(self, directory, bmcs):
        (directory / "state").mkdir(parents=True)
        lan = ['name "rack"']
        emulation = ["mc_setbmc 0x20"]
        for place, bmc in enumerate(bmcs):
            address = _address(place)
            control = f'  chassis_control "{self._directory}/control {directory} {address:#04x}"'
            lan.append(
                LAN.format(
                    **bmc._asdict(),
                    address=address,
                    guid=0xA123456789ABCDEFA1234567 << 32 | bmc.port,
                    control=control if self._switchable else NO_CONTROL,
                )
            )
            emulation += [
                f"mc_add {address:#04x} 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02",
                f"mc_enable {address:#04x}",
            ]
            (directory / f"{address:#04x}.power").write_text("0\n")
        (directory / "lan.conf").write_text("\n".join(lan) + "\n")
        (directory / "rack.emu").write_text("\n".join(emulation) + "\n")


def bmc_answers(port):
    """Whether a BMC of this machine answers, and so has worked off all that was sent to it before."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
        probe.connect((HOST, port))
        probe.settimeout(0.1)
        probe.send(ARE_YOU_THERE)
        probe.recv(1024)
        return True
    return False


def _address(place):
    return 0x20 + 2 * place
