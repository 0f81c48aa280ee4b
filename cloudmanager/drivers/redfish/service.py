"""A client of one Redfish service: authentication, sessions and requests (DSP0266 1.20 §6, §7, §13.3)."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import orjson

from cloudmanager.drivers.http_client import Answer, Effect, HttpClient
from cloudmanager.errors import CredentialsRefused, DeviceError, DeviceRefused, DeviceUnreachable

from .problems import CHANGE_FIRST, SESSION_LIMIT, document_of, message_keys, problem
from .systems import link

if TYPE_CHECKING:
    import ssl

    from cloudmanager.drivers.base import Settings

ROOT: Final = "/redfish/v1/"
LOG_OFF_TIME: Final = 1.0  # seconds
_FIRST_PAUSE: Final = 0.2  # seconds between two log-ons to a service without a free session; doubles
_OK: Final = range(200, 300)
_UNAUTHORIZED: Final = 401
_WRONG_PASSWORD: Final = (400, 401, 403)
_CHANGED: Final = 412
_BROKEN: Final = 500
_NO_SESSIONS: Final = (404, 405, 501)
_BUSY: Final = 503
_HEADERS: Final = {"Accept": "application/json", "OData-Version": "4.0"}


@dataclass(frozen=True, slots=True)
class _LogOn:
    """How to prove who we are, and what to delete at the end; empty with Basic authentication."""

    headers: dict[str, str] = field(repr=False)
    session: str = ""

    @property
    def has_session(self) -> bool:
        """Whether the service has given us a session."""
        return "X-Auth-Token" in self.headers


class Service:
    """One service. Not for two callers at once."""

    def __init__(self, title: str, settings: Settings, context: ssl.SSLContext | None) -> None:
        self._title = title
        self._settings = settings
        self._http = HttpClient(title, settings, context)
        self._root: dict[str, object] | None = None
        self._log_on: asyncio.Task[_LogOn] | None = None

    async def root(self, deadline: float) -> dict[str, object]:
        """The service root, which is read once (§6.2) and needs no authentication (§13.3.1)."""
        if self._root is None:
            answer = await self._http.ask("GET", ROOT, deadline=deadline, headers=_HEADERS)
            if answer.status not in _OK:
                raise self.problem(answer)
            self._root = document_of(self._title, answer)
        return self._root

    async def get(self, path: str, deadline: float) -> tuple[dict[str, object], str]:
        """A resource and its ETag."""
        answer = await self.ask("GET", path, deadline)
        if answer.status not in _OK:
            raise self.problem(answer)
        return document_of(self._title, answer), answer.headers.get("etag", "")

    async def ask(
        self,
        method: str,
        path: str,
        deadline: float,
        *,
        effect: Effect = Effect.READ,
        content: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Send a request as who we are; the answer has any status but that of a session that is over."""
        body = b"" if content is None else orjson.dumps(content)
        wanted = {**_HEADERS, **(headers or {})}
        if body:
            wanted["Content-Type"] = "application/json"
        known = self._log_on is not None and not _has_failed(self._log_on)
        for again in (known, False):
            log_on = await self._logged_on(deadline)
            sent = {**wanted, **log_on.headers}
            answer = await self._http.ask(
                method, path, deadline=deadline, effect=effect, headers=sent, body=body
            )
            if answer.status != _UNAUTHORIZED:
                return answer
            self._log_on = None  # the session is over, or the password has been changed
            if not again or not log_on.session:
                break
        raise CredentialsRefused(self._rejected())

    async def patch(
        self, path: str, etag: str, content: dict[str, Any], deadline: float, *, effect: Effect
    ) -> Answer:
        """Change a resource that was read with this ETag, if it had one."""
        # Some give a weak ETag and take the strong form of it only.
        for tag in dict.fromkeys([etag, etag.removeprefix("W/")]):
            headers = {"If-Match": tag} if tag else {}
            answer = await self.ask("PATCH", path, deadline, effect=effect, content=content, headers=headers)
            if answer.status != _CHANGED:
                break
        return answer

    async def prove_credentials(self, deadline: float) -> None:
        """Open a session, or where there are none read what not everybody may; `CredentialsRefused` if not.

        An account that must change its password first has proved that it has the present one.
        """
        if (await self._logged_on(deadline)).has_session:
            return
        root = await self.root(deadline)
        answer = await self.ask("GET", link(root, "AccountService") or link(root, "Systems"), deadline)
        if answer.status >= _BROKEN:
            raise self.problem(answer)

    def problem(self, answer: Answer, *, acts: bool = False, secret: str = "") -> DeviceError:
        """The error that an answer means; `acts` if it answers a command; never with the secrets in it."""
        return problem(self._title, answer, acts=acts, secrets=(self._settings.password, secret))

    async def close(self, deadline: float) -> None:
        """Delete the session, if there is one, and close the connection."""
        task, self._log_on = self._log_on, None
        if task is not None:
            with contextlib.suppress(DeviceError, TimeoutError):
                async with asyncio.timeout_at(deadline):
                    log_on = await task
                if log_on.session:
                    await self._http.ask("DELETE", log_on.session, deadline=deadline, headers=log_on.headers)
        await self._http.close()

    async def _logged_on(self, deadline: float) -> _LogOn:
        """Log on, once for all. Who is cancelled leaves the log-on running: its session must not get lost."""
        if self._log_on is None or _has_failed(self._log_on):
            self._log_on = asyncio.create_task(self._authenticate(deadline))
        return await asyncio.shield(self._log_on)

    async def _authenticate(self, deadline: float) -> _LogOn:
        sessions = await self._sessions(deadline)
        return (await self._open_session(sessions, deadline) if sessions else None) or self._basic()

    async def _sessions(self, deadline: float) -> str:
        """Where sessions are made (§13.3.4.2): the root links to them, or in old services to their parent."""
        root = await self.root(deadline)
        if direct := link(root, "Links", "Sessions"):
            return direct
        service = link(root, "SessionService")
        return f"{service.rstrip('/')}/Sessions" if service else ""

    async def _open_session(self, path: str, deadline: float) -> _LogOn | None:
        """A new session; None if the service has no sessions after all, or gives none to this account."""
        loop, pause = asyncio.get_running_loop(), _FIRST_PAUSE
        content = {"UserName": self._settings.login, "Password": self._settings.password}
        headers = {**_HEADERS, "Content-Type": "application/json"}
        while True:
            answer = await self._http.ask(
                "POST",
                path,
                deadline=deadline,
                effect=Effect.ONCE,
                headers=headers,
                body=orjson.dumps(content),
            )
            if answer.status in _OK:
                return self._session(answer)
            if answer.status in _NO_SESSIONS or CHANGE_FIRST in message_keys(answer):
                return None
            if not self._has_no_room(answer):
                raise self._log_on_problem(answer)
            if loop.time() + pause >= deadline:
                raise DeviceUnreachable(f"{self._title} has no free session; it may be asked again")
            await asyncio.sleep(pause)
            pause *= 2

    def _session(self, answer: Answer) -> _LogOn:
        token, location = answer.headers.get("x-auth-token", ""), answer.headers.get("location", "")
        if not token:
            raise DeviceRefused(f"{self._title} opened a session and gave no token for it")
        path = urlsplit(location).path if location else link(document_of(self._title, answer))
        return _LogOn({"X-Auth-Token": token}, path)

    def _basic(self) -> _LogOn:
        account = f"{self._settings.login}:{self._settings.password}".encode()
        return _LogOn({"Authorization": f"Basic {base64.b64encode(account).decode()}"})

    def _has_no_room(self, answer: Answer) -> bool:
        return answer.status == _BUSY or SESSION_LIMIT in message_keys(answer)

    def _log_on_problem(self, answer: Answer) -> DeviceError:
        """Services tell a wrong password by 401, old ones by 400 or 403; what they say may quote it."""
        if answer.status in _WRONG_PASSWORD:
            return CredentialsRefused(self._rejected())
        if answer.status < _BROKEN:
            return self.problem(answer)
        return DeviceUnreachable(f"{self._title} cannot open a session (HTTP status {answer.status})")

    def _rejected(self) -> str:
        return f"{self._title} does not accept the credentials: wrong login or wrong password"


def _has_failed(task: asyncio.Task[_LogOn]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)
