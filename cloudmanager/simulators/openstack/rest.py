"""What the services of the simulated cloud have alike on the wire.

A socket, an entry in the catalogue, request ids, the caller behind the token, routes, pages. The refusal of
a missing token is that of keystonemiddleware, which stands in front of every real service.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from cloudmanager.simulators.http import Answer, HttpServer, Request
from cloudmanager.simulators.http_faults import HttpFaults
from cloudmanager.simulators.openstack.problems import (
    Forbidden,
    Invalid,
    NoSuchMethod,
    NotThere,
    Problem,
    Unauthenticated,
)

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from cloudmanager.simulators.keystone.identity import Identity

_WHO = "The request you have made requires authentication."
_TRUE = ("1", "t", "true", "on", "y", "yes")


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom a token belongs to, and what it may do in which project."""

    user_id: str
    project_id: str
    roles: frozenset[str]

    @property
    def is_admin(self) -> bool:
        """Whether all projects are open to them."""
        return "admin" in self.roles

    def must_have(self, role: str, rule: str) -> None:
        """Raise `Forbidden` in the words of oslo.policy."""
        if role not in self.roles:
            raise Forbidden(f"Policy doesn't allow {rule} to be performed.")

    def sees(self, project_id: str) -> bool:
        """Whether what belongs to that project is there for them."""
        return self.is_admin or self.project_id == project_id


@dataclass(frozen=True, slots=True)
class Call:
    """One request of a caller who is known; `names` are the parts of the path that the route left open."""

    request: Request
    caller: Caller
    names: tuple[str, ...] = ()
    version: tuple[int, int] = (0, 0)
    request_id: str = ""

    @property
    def name(self) -> str:
        """The first open part of the path."""
        return self.names[0]

    @property
    def query(self) -> Mapping[str, str]:
        """What stands behind the question mark."""
        return self.request.query

    def flag(self, name: str) -> bool:
        """Whether a parameter of the query is true."""
        return self.query.get(name, "").lower() in _TRUE

    def wanted(self, key: str) -> dict[str, Any]:
        """The object that the body holds under `key`."""
        body = self.body()
        found = body.get(key)
        if not isinstance(found, dict):
            raise Invalid(f"Invalid input for field/attribute {key}. '{key}' is a required property")
        return found

    def body(self) -> dict[str, Any]:
        """The body, which has to be an object."""
        try:
            body = self.request.json()
        except ValueError:
            raise Invalid("Malformed request body") from None
        if not isinstance(body, dict):
            raise Invalid("Malformed request body")
        return body


class RestService:
    """A service of the cloud on a real socket. `faults` may be replaced while it runs.

    A service says what it is called, its `routes` {"GET volumes/*": handler}, how it lists its versions, and
    how a refusal looks.
    """

    name = ""
    kind = ""  # its type in the catalogue
    mount = ""  # the path under which the catalogue names it
    request_id_headers: Sequence[str] = ("X-Openstack-Request-Id",)

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self.faults = HttpFaults()
        self.url = ""
        self.changed: Callable[[], object] = lambda: None  # told after each request that may change something
        self._server = HttpServer(self.answer, lambda: self.faults)
        self._routes = [(route.split(" "), handler) for route, handler in self.routes().items()]

    async def start(self, host: str, port: int) -> int:
        """Listen, put itself into the catalogue, and answer the real port."""
        real = await self._server.start(host, port)
        self.url = f"http://{host}:{real}"
        self.identity.publish(self.name, self.kind, f"{self.url}{self.mount}")
        return real

    async def stop(self) -> None:
        """Listen no more."""
        await self._server.stop()

    @property
    def requests(self) -> deque[str]:
        """What it was asked: method and path of each request."""
        return self._server.requests

    @property
    def asked(self) -> int:
        """How many requests there were."""
        return self._server.counters.requests

    # --- what a service says of itself ----------------------------------------------------------------------

    def routes(self) -> dict[str, Callable[[Call], Answer]]:
        """Method and path of each call; `*` is any one part. The first that fits is taken."""
        raise NotImplementedError

    def versions(self, path: str) -> Answer | None:
        """What is said without a token: the versions; None for any other path."""
        raise NotImplementedError

    def refusal(self, problem: Problem) -> Answer:
        """How a problem looks."""
        raise NotImplementedError

    def prepared(self, call: Call) -> tuple[Call, str]:
        """The call with its version, and its path without what all paths have."""
        return call, call.request.path.strip("/")

    def finished(self, _call: Call, answer: Answer) -> Answer:
        """The answer with what all answers have."""
        return answer

    # --- answering ------------------------------------------------------------------------------------------

    def answer(self, request: Request) -> Answer:
        """What the service says to a request."""
        request_id = f"req-{uuid.uuid4()}"
        said = self._answer(request, request_id)
        if request.method not in ("GET", "HEAD"):
            self.changed()
        ids = dict.fromkeys(self.request_id_headers, request_id)
        return replace(said, headers={**said.headers, **ids})

    def _answer(self, request: Request, request_id: str) -> Answer:
        known = self.versions(request.path.rstrip("/"))
        if known is not None:
            return known
        try:
            call, path = self.prepared(Call(request, self._caller(request), request_id=request_id))
            return self.finished(call, self._routed(call, path))
        except Unauthenticated:
            challenge = {"WWW-Authenticate": f'Keystone uri="{self._keystone()}"'}
            error = {"code": 401, "title": "Unauthorized", "message": _WHO}
            return Answer(401, {"error": error}, challenge)
        except Problem as problem:
            return self.refusal(problem)

    def _routed(self, call: Call, path: str) -> Answer:
        parts = path.removesuffix(".json").split("/")
        methods = set()
        for (method, pattern), handler in self._routes:
            names = _fitting(pattern.split("/"), parts)
            if names is not None:
                if method == call.request.method:
                    return handler(replace(call, names=names))
                methods.add(method)
        if methods:
            raise NoSuchMethod("The server could not comply with the request: this method is not allowed.")
        raise NotThere("The resource could not be found.")

    def _caller(self, request: Request) -> Caller:
        token = self.identity.find(request.headers.get("x-auth-token"))
        if token is None or token.project_id is None:
            raise Unauthenticated(_WHO)
        return Caller(token.user_id, token.project_id, frozenset(self.identity.roles_of(token)))

    def _keystone(self) -> str:
        found = self.identity.services.get("identity")
        return found.url.rstrip("/") if found else ""


def _fitting(pattern: Sequence[str], parts: Sequence[str]) -> tuple[str, ...] | None:
    if len(pattern) != len(parts):
        return None
    if any(wanted not in ("*", part) for wanted, part in zip(pattern, parts, strict=True)):
        return None
    return tuple(part for wanted, part in zip(pattern, parts, strict=True) if wanted == "*")


def microversion(
    request: Request, service: str, default: tuple[int, int], newest: tuple[int, int]
) -> tuple[int, int]:
    """The version that a request asks for in `OpenStack-API-Version`; `Invalid` if it is none."""
    for wish in request.headers.get("openstack-api-version", "").split(","):
        name, _, version = wish.strip().partition(" ")
        if name == service:
            if version == "latest":
                return newest
            found = re.fullmatch(r"(\d+)\.(\d+)", version)
            if not found:
                raise Invalid(
                    f"API Version String {version} is of invalid format. Must be of format MajorNum.MinorNum."
                )
            return int(found[1]), int(found[2])
    return default


def page(rows: Iterable[dict[str, Any]], query: Mapping[str, str]) -> tuple[list[dict[str, Any]], str | None]:
    """Those rows that `marker` and `limit` ask for, and the query of the next page if there is one."""
    found = list(rows)
    if marker := query.get("marker"):
        places = [place for place, row in enumerate(found) if row["id"] == marker]
        if not places:
            raise NotThere(f"marker [{marker}] not found")
        found = found[places[0] + 1 :]
    found = found[_number(query, "offset", 0) :]
    limit = _number(query, "limit", len(found))
    if 0 < limit < len(found):
        shown = found[:limit]
        kept = {name: value for name, value in query.items() if name not in ("marker", "offset")}
        return shown, urlencode({**kept, "marker": shown[-1]["id"]})
    return found, None


def moment(seconds: float | None, ending: str = "") -> str | None:
    """A time as the services write it: UTC, with microseconds or with a `Z`."""
    if seconds is None:
        return None
    at = datetime.fromtimestamp(int(seconds), UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%S") + (ending or ".000000")


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not text.isdecimal():
        raise Invalid(f"{name} param must be an integer")
    return int(text)
