"""Free and silent UDP ports of 127.0.0.1."""

from __future__ import annotations

import contextlib
import socket

HOST = "127.0.0.1"


def free_udp_ports(count):
    """So many different ports that nobody uses now."""
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(count)]
        for each in opened:
            each.bind((HOST, 0))
        return [each.getsockname()[1] for each in opened]


def free_udp_port():
    return free_udp_ports(1)[0]


@contextlib.contextmanager
def silent_udp_port():
    """A port where packets arrive and nobody answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.bind((HOST, 0))
        yield opened.getsockname()[1]
