"""One request to one service of the cloud: its version, repetition, errors, ids, log line and metric."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import structlog
from keystoneauth1 import exceptions as problems
from prometheus_client import Histogram
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from cloudmanager.errors import CloudManagerError, CloudUnreachable, NotFound
from cloudmanager.openstack.records import Accepted
from cloudmanager.openstack.refusals import UNAUTHORIZED, refusal
from cloudmanager.openstack.versions import USUAL, Speech, spoken

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudmanager.openstack.session import CloudSession

log = structlog.get_logger(__name__)

CALL_SECONDS = Histogram(
    "cloudmanager_cloud_call_seconds",
    "Time that OpenStack took to answer.",
    ["service", "verb", "outcome"],
)

PAGE = 500
"""Entries of a list that one request asks for; a cloud may answer fewer."""

_TRIES = 3
_PAUSE, _LONGEST_PAUSE = 0.2, 2.0
_FAILED = 400
_SEGMENT = re.compile(r"[\w:-][\w.:-]*")
_PATHS = frozenset({"detail", "action"})
_REQUEST_ID = re.compile(r"req-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service answered: a success. `body` is {} when there was none."""

    body: Mapping[str, Any]
    request_id: str | None

    @property
    def accepted(self) -> Accepted:
        """The same, when only that matters."""
        return Accepted(self.request_id)

    def part(self, name: str) -> Any:
        """What stands under a name; `CloudUnreachable` when it does not, since that is no such answer."""
        if name not in self.body:
            raise CloudUnreachable(
                f"the answer has no {name!r}: it is not OpenStack's", request_id=self.request_id
            )
        return self.body[name]


def segment(name: str) -> str:
    """A name as a part of a path; what cannot be one is `NotFound`, for no service knows such a thing."""
    if not _SEGMENT.fullmatch(name) or name in _PATHS:
        raise NotFound(f"the cloud knows no {name!r}")
    return name


class _Request(NamedTuple):
    """What is asked of a service, apart from ids and tokens."""

    verb: str
    method: str
    path: str
    query: Mapping[str, Any] | None
    body: Any
    speech: Speech | str | None


class Api:
    """One service. `type` and `major` are how the catalogue names it, `title` how people do."""

    def __init__(self, session: CloudSession, kind: str, title: str, major: str | None = None) -> None:
        self.type, self.title = kind, title
        self._session = session
        self._adapter = session.adapter(kind, major)
        self._newest: tuple[int, int] | None = None

    async def get(self, verb: str, path: str, query: Mapping[str, Any] | None = None, **how: Any) -> Answer:
        """Ask; asked again when no answer comes."""
        return await self.call(verb, "GET", path, query=query, repeat=True, **how)

    async def call(
        self,
        verb: str,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        speech: Speech | str | None = None,
        repeat: bool = False,
    ) -> Answer:
        """One request in the microversion of `speech`; `repeat` where a second one does no harm.

        Raises `NotFound`, `CloudRefused`, `CloudUnreachable`; the last only when repeating did not help.
        """
        request = _Request(verb, method, path, query, body, speech)
        tries = AsyncRetrying(
            stop=stop_after_attempt(_TRIES if repeat else 1),
            wait=wait_random_exponential(multiplier=_PAUSE, max=_LONGEST_PAUSE, min=_PAUSE),
            retry=retry_if_exception_type(CloudUnreachable),
            reraise=True,
        )
        answer: Answer = await tries(self._once, request)
        return answer

    async def pages(
        self, verb: str, path: str, key: str, query: Mapping[str, Any], marker: str = "id", **how: Any
    ) -> list[Any]:
        """All entries of a list. The link to the next page is not followed: it may lead past a proxy."""
        found: list[Any] = []
        query = {"limit": PAGE, **query}
        while True:
            answer = await self.get(verb, path, query, **how)
            entries = answer.part(key)
            found += entries
            last = entries[-1][marker] if entries and _has_next(answer.body, key) else None
            if last is None or last == query.get("marker"):
                return found
            query = {**query, "marker": last}

    async def _once(self, request: _Request) -> Answer:
        began = time.perf_counter()
        outcome, request_id = "ok", None
        try:
            response = await self._sent(request)
            request_id = _request_id(response.headers)
            return self._read(response, request_id)
        except CloudManagerError as error:
            outcome = type(error).__name__
            raise
        except BaseException:
            outcome = "error"
            raise
        finally:
            seconds = time.perf_counter() - began
            CALL_SECONDS.labels(self.type, request.verb, outcome).observe(seconds)
            log.debug(
                "cloud call",
                service=self.type,
                verb=request.verb,
                outcome=outcome,
                cloud_request_id=request_id,
                duration_ms=round(seconds * 1000, 1),
            )

    def _read(self, response: Any, request_id: str | None) -> Answer:
        content = _content(response)
        if response.status_code >= _FAILED:
            is_tenants = self._session.is_tenants
            raise refusal(self.title, response.status_code, content, request_id, is_tenants=is_tenants)
        if not isinstance(content, dict):
            raise CloudUnreachable(f"{self.title}: the answer cannot be read", request_id=request_id)
        return Answer(content, request_id)

    async def _sent(self, request: _Request) -> Any:
        headers = {"Accept": "application/json", **_our_request_id()}
        try:
            await self._session.log_in()
            speech = request.speech
            version = await self._version(request.verb, speech) if isinstance(speech, Speech) else speech
            response = await self._session.in_thread(lambda: self._send(request, headers, version))
            if response.status_code == UNAUTHORIZED:
                # keystoneauth renews a token for one request; others that used it come away with this
                await self._session.log_in()
                response = await self._session.in_thread(lambda: self._send(request, headers, version))
        except problems.ClientException as error:
            raise self._session.failure(self.title, error) from None
        return response

    def _send(self, request: _Request, headers: Mapping[str, str], version: str | None) -> Any:
        return self._adapter.request(
            f"/{request.path}",
            request.method,
            params=request.query,
            json=request.body,
            headers=dict(headers),
            microversion=version,
            raise_exc=False,
            log=False,  # bodies hold what users wrote
        )

    async def _version(self, verb: str, speech: Speech) -> str:
        """Asks the service once what it speaks."""
        if self._newest is None:
            found = await self._session.in_thread(self._adapter.get_endpoint_data)
            if found is None:
                raise problems.EndpointNotFound(f"no {self.type} in the catalogue")
            self._newest = cast("tuple[int, int] | None", found.max_microversion)
        return spoken(speech, self._newest, verb)


class NovaApi(Api):
    """Nova: every call says its microversion."""

    def __init__(self, session: CloudSession) -> None:
        super().__init__(session, "compute", "Nova", "2.1")

    async def call(self, verb: str, method: str, path: str, **how: Any) -> Answer:
        """As above, in the usual version unless another is named."""
        return await super().call(verb, method, path, **{"speech": USUAL, **how})


def _our_request_id() -> dict[str, str]:
    """The id that our own caller sees, so that one search finds both logs."""
    bound = structlog.contextvars.get_contextvars()
    for name in ("global_request_id", "request_id"):
        if _REQUEST_ID.fullmatch(str(bound.get(name, ""))):
            return {"X-Openstack-Request-Id": str(bound[name])}
    return {}


def _request_id(headers: Mapping[str, str]) -> str | None:
    """The cloud's own; Nova says it under an older name as well."""
    return headers.get("X-Openstack-Request-Id") or headers.get("X-Compute-Request-Id")


def _content(response: Any) -> Any:
    """The body, read; {} when there is none, None when it is not JSON."""
    if not response.content:
        return {}
    try:
        return response.json()
    except ValueError:
        return None


def _has_next(body: Mapping[str, Any], key: str) -> bool:
    links = body.get(f"{key}_links") or ()
    return "next" in body or any(link.get("rel") == "next" for link in links)
