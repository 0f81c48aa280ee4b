"""tftpd-hpa's `in.tftpd`, as Debian runs it: chrooted into its root, as an account that owns nothing there."""

from __future__ import annotations

import os
import socket

import pytest

from tests.peers.programs import Running, program
from tests.peers.sockets import HOST, free_udp_port

_READ_REQUEST = b"\0\x01nothing\0octet\0"


class Tftpd:
    """A TFTP server of a directory."""

    def __init__(self, root, log):
        command = program("in.tftpd")
        if os.geteuid() != 0:
            pytest.skip("in.tftpd changes its root, which needs root")
        self.port = free_udp_port()
        address = f"{HOST}:{self.port}"
        options = ["--foreground", "--listen", "--address", address, "--secure", "--user", "nobody"]
        self._running = Running("in.tftpd", [command, *options, str(root)], self._answers, log=log)

    def start(self):
        self._running.start()

    def stop(self):
        self._running.stop()

    def _answers(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(0.2)
            asking.sendto(_READ_REQUEST, (HOST, self.port))
            try:
                return asking.recv(600).startswith(b"\0\x05")
            except (TimeoutError, ConnectionRefusedError):
                return False
