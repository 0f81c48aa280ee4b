"""The address of the API: taken before anything starts, kept while the API is started again."""

from __future__ import annotations

import errno
import socket

from cloudmanager.errors import Misconfigured


def bind(host: str, port: int) -> socket.socket:
    """Take the address, without listening yet; `Misconfigured` when another process has it."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise Misconfigured(
                f"port {port} of {host} is taken by another process: stop that, or choose another --port"
            ) from None
        raise Misconfigured(f"[api] host, port: cannot listen on {host}:{port}: {error.strerror}") from None
    return listener
