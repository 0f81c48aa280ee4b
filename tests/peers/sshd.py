"""OpenSSH's `sshd` on a port of its own, with a `virsh` that keeps its domains in files.

    with Sshd(login_key="ssh-ed25519 …") as host:
        host.port, host.login, host.host_key
        host.set_on("vm1", True)

The domains are served by whoever runs the tests; nothing but the directory of the peer is touched.
"""

from __future__ import annotations

import os
import pwd
import shlex
import signal
import subprocess
import tempfile
from pathlib import Path

from tests.peers.programs import Running, listens, program
from tests.peers.sockets import free_tcp_port

HOST = "127.0.0.1"

VIRSH = """#!/bin/sh
# A directory for each domain, its state in the file `state`. Who did not ask for English gets German.
cd {domains} || exit 1
[ "$1" = --connect ] || exit 9
echo "$2" > ../uri
shift 2
echo "$#" "$@" >> ../calls
fail() {{ printf '%s\\n' "$@" >&2; exit 1; }}
is_on() {{ [ "$(cat "$name/state")" != "shut off" ]; }}
verb=$1 name=$2
[ -s ../complaint ] && {{ cat ../complaint >&2; exit 1; }}
if [ "$verb $name" = "list --all" ]; then
  [ "$LC_ALL" = C ] || {{ echo " ID   Name   Status"; echo "-----------"; exit 0; }}
  echo " Id   Name             State"
  echo "------------------------------------"
  for each in *; do [ -d "$each" ] && printf ' %-4s %-16s %s\\n' - "$each" "$(cat "$each/state")"; done
  echo
  exit 0
fi
[ $# = 2 ] || fail "error: unexpected data '$3'"
[ -d "$name" ] || fail "error: failed to get domain '$name'"
case "$verb" in
  start) is_on && fail "error: Domain is already active"; echo running > "$name/state";;
  destroy|shutdown|reset)
    is_on || fail "error: Failed to $verb domain '$name'" "error: Requested operation is not valid: domain is not running"
    if [ "$verb" = reset ]; then echo reset >> "$name/resets"; else echo "shut off" > "$name/state"; fi;;
  *) fail "error: unknown command: '$verb'";;
esac
echo "Domain '$name' done"
"""

CONFIG = """
Port {port}
ListenAddress {host}
HostKey {directory}/host_key
PidFile none
AuthorizedKeysFile {directory}/authorized_keys
AllowUsers {login}
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin yes
MaxStartups 200
LoginGraceTime 20
SetEnv PATH={directory}/bin:/usr/bin:/bin LANG=de_DE.UTF-8 LC_ALL=de_DE.UTF-8
"""


class Sshd:
    def __init__(self, login_key, *, domains=("vm1",)):
        self._program = program("sshd")
        self._keygen = program("ssh-keygen")
        self._login_key = login_key
        self._names = domains
        self.login = pwd.getpwuid(os.getuid()).pw_name
        self.port = free_tcp_port()
        self.directory = Path()

    def __enter__(self):
        self._temporary = tempfile.TemporaryDirectory(prefix="sshd-")
        self.directory = Path(self._temporary.name)
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # for its privilege separation
        for name in self._names:
            self._domain(name).mkdir(parents=True)
            self.set_state(name, "shut off")
        virsh = self.directory / "bin" / "virsh"
        virsh.parent.mkdir()
        virsh.write_text(VIRSH.format(domains=shlex.quote(str(self.directory / "domains"))))
        virsh.chmod(0o755)
        key = self.directory / "host_key"
        subprocess.run([self._keygen, "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        self.host_key = key.with_suffix(".pub").read_text().strip()
        (self.directory / "authorized_keys").write_text(self._login_key + "\n")
        config = CONFIG.format(host=HOST, port=self.port, directory=self.directory, login=self.login)
        (self.directory / "config").write_text(config)
        log = self.directory / "log"
        command = [self._program, "-D", "-f", self.directory / "config", "-E", log]
        self._running = Running("sshd", command, lambda: listens(HOST, self.port), log=log)
        self._running.start()
        return self

    def __exit__(self, *_):
        self._stop()
        self._temporary.cleanup()

    def _domain(self, name):
        return self.directory / "domains" / name

    def state(self, name):
        return (self._domain(name) / "state").read_text().strip()

    def set_state(self, name, state):
        (self._domain(name) / "state").write_text(f"{state}\n")

    def is_on(self, name):
        return self.state(name) != "shut off"

    def resets(self, name):
        file = self._domain(name) / "resets"
        return len(file.read_text().splitlines()) if file.exists() else 0

    def calls(self):
        """What virsh was called with: the number of words, and the words."""
        file = self.directory / "calls"
        return file.read_text().splitlines() if file.exists() else []

    def complain(self, words):
        """Let virsh fail with these words, or with none of its own."""
        (self.directory / "complaint").write_text(words)

    def freeze(self):
        self._signal(signal.SIGSTOP)

    def thaw(self):
        self._signal(signal.SIGCONT)

    def restart(self):
        self._stop()
        self._running.start()

    def _stop(self):
        self._signal(signal.SIGKILL)
        self._running.stop()

    def _signal(self, number):
        """To sshd and to the process of each connection; a parent before its children."""
        pid = self._running.process.pid
        for each in [pid, *_descendants(pid)]:
            try:
                os.kill(each, number)
            except ProcessLookupError:
                continue


def _descendants(pid):
    children = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(stat.parent.name))
    found = list(children.get(pid, ()))
    for each in found:
        found += children.get(each, ())
    return found
