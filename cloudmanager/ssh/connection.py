"""One SSH connection that runs commands: the host's key is checked, time and output are bounded."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Final

import asyncssh
from asyncssh.public_key import get_default_certificate_algs, get_default_public_key_algs

from .arrival import greeted, turn
from .keys import BadKey, LogOnKey, TrustedKeys, log_on_key, trusted_keys
from .session import Broken, Ran, Session

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator, Sequence

    from .way import Way

MAX_OUTPUT: Final = 1_000_000
"""Bytes that a command may say, on each of its outputs, unless another bound is given."""

_KEEP_ALIVE: Final = 15
"""Seconds without a word after which the host is asked whether it is there; after three it is not."""
_GOODBYE: Final = 0.5
"""Seconds that the end of a connection may take."""

logging.getLogger("asyncssh").setLevel(logging.CRITICAL)  # what it warns of is in our errors already


class Denied(Exception):
    """The host, or what is set for it, says no: trying again is useless. Words without secrets."""


class UnknownKey(Denied):
    """It shows a host key, `shown` as one line, and none is known of it."""

    def __init__(self, words: str, shown: str) -> None:
        super().__init__(words)
        self.shown = shown


class Connection:
    """A connection to a host; `open` it once, then `run`, several at once if you like, then `close`."""

    def __init__(self, way: Way) -> None:
        self._way = way
        self._connection: asyncssh.SSHClientConnection | None = None

    async def open(self, deadline: float) -> float:
        """Connect and log on. Answers the seconds that log-ons to others took: the host has them more."""
        way, late = self._way, Broken("did not let us log on in time", late=True)
        client: _Client | None = None
        try:
            async with asyncio.timeout_at(deadline):
                trusted, key = await asyncio.to_thread(_keys, way)
                opened = await greeted(way.host, way.port)
            client = _Client(way.password, trusted, key)
            with client.keeping(opened):
                async with turn(way.log_ons) as waited:
                    deadline += waited
                    async with asyncio.timeout_at(deadline):
                        self._connection = await _logged_on(way, client, trusted, key, opened)
        except TimeoutError as problem:
            raise (late if deadline <= asyncio.get_running_loop().time() else _broken(problem)) from None
        except BadKey as problem:
            raise Denied(f"cannot be logged on to: {problem}") from None
        except asyncssh.HostKeyNotVerifiable as problem:
            raise (client.distrust(way) if client else Denied(str(problem))) from None
        except (asyncssh.PermissionDenied, asyncssh.IllegalUserName):
            raise Denied(f"refused the credentials of the login {way.login!r}") from None
        except asyncssh.KeyExchangeFailed as problem:
            raise Denied(f"has no cipher or host key that we take: {_short(problem)}") from None
        except (asyncssh.Error, OSError, ValueError) as problem:
            raise _broken(problem) from None
        return waited

    @property
    def is_open(self) -> bool:
        """Whether a command can be begun, as far as we have heard."""
        return self._connection is not None and not self._connection.is_closed()

    async def run(
        self, command: str, deadline: float, *, data: bytes = b"", keep: int = MAX_OUTPUT, cuts: bool = False
    ) -> Ran:
        """Run a command in the login's shell: whoever calls has quoted it. See `Session` for the rest.

        When the time is over the whole connection is ended. Who must not lose others on it for a command that
        is slow, but not for a host that is silent, lets the host end the command a little earlier.
        """
        if self._connection is None:
            raise Broken("is not connected")
        session = Session(data, keep, cuts=cuts)
        try:
            async with asyncio.timeout_at(deadline):
                await self._connection.create_session(lambda: session, command, encoding=None)
                await session.ended
        except asyncio.CancelledError:
            session.abandon()
            raise
        except TimeoutError:
            self._connection.abort()  # who says nothing hears no good-bye
            raise Broken("did not answer in time", sent=session.begun, late=True) from None
        except asyncssh.ChannelOpenError as problem:
            if session.begun and not self._connection.is_closed():
                raise Denied("lets this login run no commands") from None
            raise Broken(f"opens no session: {_short(problem)}", sent=session.begun) from None
        except (asyncssh.Error, OSError) as problem:
            raise Broken(f"has ended the connection: {_short(problem)}", sent=session.begun) from None
        return session.result()

    async def close(self) -> None:
        """End the connection, with a word to the host when it still listens."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
            try:
                with contextlib.suppress(TimeoutError, OSError, asyncssh.Error):
                    async with asyncio.timeout(_GOODBYE):
                        await connection.wait_closed()
            finally:  # cancelled as well
                connection.abort()


class _Client(asyncssh.SSHClient):
    """Who logs on: by key if there is one, and with the password once, however the host asks for it."""

    def __init__(self, password: str, trusted: TrustedKeys, key: LogOnKey | None) -> None:
        self._passwords = [] if not password or (key and key.was_encrypted) else [password]
        self._trusted = trusted
        self._shown: asyncssh.SSHKey | None = None
        self._is_connected = False

    def __repr__(self) -> str:
        return "<_Client>"

    @contextlib.contextmanager
    def keeping(self, opened: socket.socket) -> Iterator[None]:
        """Close a socket at the end if no connection has taken it, which would close it by itself."""
        try:
            yield
        finally:
            if not self._is_connected:
                opened.close()

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:  # noqa: ARG002
        """The socket is the connection's from now on."""
        self._is_connected = True

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:  # noqa: ARG002
        """Note the key that is not among the trusted ones."""
        self._shown = key
        return False

    def password_auth_requested(self) -> str | None:
        """The password, the first time."""
        return self._passwords.pop() if self._passwords else None

    def kbdint_auth_requested(self) -> str | None:
        """Whether questions are answered: while there is a password that was not tried."""
        return "" if self._passwords else None

    def kbdint_challenge_received(
        self,
        name: str,  # noqa: ARG002
        instructions: str,  # noqa: ARG002
        lang: str,  # noqa: ARG002
        prompts: Sequence[tuple[str, bool]],
    ) -> list[str] | None:
        """One hidden question is for the password; nothing else is answered."""
        if not prompts:
            return []
        hidden = [echo for _, echo in prompts] == [False]
        return [self._passwords.pop()] if hidden and self._passwords else None

    def distrust(self, way: Way) -> Denied:
        """What is wrong with the host's key, and the way out."""
        if self._shown is None or self._shown in self._trusted.revoked:
            return Denied("has a host key that is revoked or cannot be read")
        shown = f"has the host key {self._shown.get_algorithm()} {self._shown.get_fingerprint()}"
        if self._trusted.hosts or self._trusted.authorities:
            return Denied(
                f"{shown}, which is not the one that is known: was it set up anew, or is it another host?"
            )
        scan = f"ssh-keyscan -p {way.port} {way.host}"
        return UnknownKey(
            f"{shown}, which is not known: compare it there, then set `host_key` or add what `{scan}` says "
            "to /etc/ssh/ssh_known_hosts or ~/.ssh/known_hosts",
            self._shown.export_public_key().decode().strip(),
        )


async def _logged_on(
    way: Way, client: _Client, trusted: TrustedKeys, key: LogOnKey | None, opened: socket.socket
) -> asyncssh.SSHClientConnection:
    connection, _ = await asyncssh.create_connection(
        lambda: client,
        way.host,
        way.port,
        sock=opened,
        username=way.login,
        client_keys=[key.key] if key else None,
        known_hosts=tuple(trusted),
        server_host_key_algs=_algorithms(trusted),
        keepalive_interval=_KEEP_ALIVE,
        **_NOTHING_ELSE,
    )
    return connection


_NOTHING_ELSE: Final[dict[str, object]] = {
    # By itself asyncssh would also use the keys, agents, tickets and settings of whoever runs the daemon.
    "config": None,
    "agent_path": None,
    "gss_host": None,
    "gss_kex": False,
    "gss_auth": False,
    "host_based_auth": False,
    "x509_trusted_certs": None,
    "compression_algs": None,
    "encryption_algs": "^aes256-gcm@openssh.com,aes128-gcm@openssh.com",  # by half the work of ChaCha20 here
    "preferred_auth": "publickey,password,keyboard-interactive",
}


def _keys(way: Way) -> tuple[TrustedKeys, LogOnKey | None]:
    trusted = trusted_keys(way)
    try:
        return trusted, log_on_key(way.ssh_key, way.password) if way.ssh_key else None
    except BadKey as problem:
        raise BadKey(f"the credentials are wrong: {problem}") from None


def _algorithms(trusted: TrustedKeys) -> list[str]:
    """All that are good, those of the trusted keys first; so we see the key of a host that has another."""
    names = [each for key in trusted.hosts for each in key.sig_algorithms]
    names += [*get_default_certificate_algs(), *get_default_public_key_algs()]
    return [each.decode() for each in dict.fromkeys(names)]


def _broken(problem: Exception) -> Broken:
    return Broken(f"cannot be connected to: {_short(problem)}")


def _short(problem: Exception) -> str:
    text = " ".join(str(problem).split()) or type(problem).__name__
    return "".join(each for each in text if each.isprintable())[:200]
