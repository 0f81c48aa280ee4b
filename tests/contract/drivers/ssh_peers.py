"""The peers of `SshDevice`: OpenSSH's `sshd` with a virsh of ours behind it, and our own simulator."""

from __future__ import annotations

import functools
import time

import asyncssh

from cloudmanager.drivers.ssh import SshDevice, SshSettings
from cloudmanager.simulators.ssh.host import AUTHORIZED_KEYS
from tests.contract.drivers.contract import Peer
from tests.contract.drivers.simulated import SimulatedPeer
from tests.peers.sshd import Sshd

PASSWORD = "secret of the host"
DOMAIN = "vm1"
OTHERS = ("web server", "ümläut-2")


@functools.cache
def log_on_key():
    return asyncssh.generate_private_key("ssh-ed25519")


def private_text(passphrase=None):
    """In PKCS #8, which is faster to open than OpenSSH's own form."""
    return log_on_key().export_private_key("pkcs8-pem", passphrase).decode()


def public_text():
    return log_on_key().export_public_key().decode().strip()


class SshPeer(Peer):
    driver = SshDevice
    outlet = DOMAIN
    says_first = "look"
    """A channel is opened before the command leaves, so that silence is noticed before."""

    def next_boot(self):
        return "none"


class SshdPeer(SshPeer):
    """The password opens the key: sshd can check passwords only of accounts that the machine has."""

    timeout = 2.5  # each connection and each command is a process or more

    def __init__(self, stack):
        self.sshd = stack.enter_context(Sshd(public_text(), domains=(DOMAIN, *OTHERS)))
        self.freeze, self.thaw, self.restart = self.sshd.freeze, self.sshd.thaw, self.sshd.restart

    def settings(self, **changes):
        return SshSettings(
            **{
                "host": "127.0.0.1",
                "port": self.sshd.port,
                "login": self.sshd.login,
                "password": PASSWORD,
                "ssh_key": private_text(PASSWORD),
                "host_key": self.sshd.host_key,
                **changes,
            }
        )

    def is_on(self):
        return self.sshd.is_on(DOMAIN)

    def set_on(self, on):
        self.sshd.set_state(DOMAIN, "running" if on else "shut off")

    def resets(self):
        return self.sshd.resets(DOMAIN)

    def sessions(self):
        return None


class SshSimulatorPeer(SimulatedPeer, SshPeer):
    def add_device(self):
        domains = {DOMAIN: self.node} | {name: f"node of {name}" for name in OTHERS}
        for node in domains.values():
            self.world.add_node(node)
        device = self.centre.add_board("host", "libvirt", domains, login="root", password=PASSWORD)
        device.memory[AUTHORIZED_KEYS] = public_text()
        return device

    def settings(self, **changes):
        return SshSettings(
            **{
                "host": "127.0.0.1",
                "port": self.device.port,
                "login": "root",
                "password": PASSWORD,
                "host_key": self.server.host_key,
                **changes,
            }
        )

    def sessions(self):
        """The host notices a moment after us that a connection has ended."""
        end = time.monotonic() + 1.0
        while (opened := self.call(lambda: self.server.counters.connections_open)) and time.monotonic() < end:
            time.sleep(0.01)
        return opened
