"""Free and silent ports of 127.0.0.1."""

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
def silent_port():
    """A port, of UDP and of TCP, where all arrives and nobody answers."""
    with contextlib.ExitStack() as stack:
        connections = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
        packets = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        connections.bind((HOST, 0))
        connections.listen(128)
        port = connections.getsockname()[1]
        packets.bind((HOST, port))
        yield port


def free_tcp_port():
    """A port that nobody uses now."""
    with socket.socket() as opened:
        opened.bind((HOST, 0))
        return opened.getsockname()[1]
