"""Reading the files in which nodes show that they are alive. Whatever is there must not harm the reader.

A storage may hang: each is read in a thread of its own, and one that has not answered is not asked again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import stat
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from cloudmanager.availability.evidence import Evidence, Heartbeat, unreadable, weigh

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cloudmanager.availability.evidence import Freshness

T = TypeVar("T")

LONGEST = 1 << 20
"""Bytes of a file; a node with a thousand servers writes a tenth of that."""

_RUNNING = "running"


class Storage(NamedTuple):
    """An availability storage, as this machine sees it."""

    id: int
    name: str
    path: str


class Unreadable(Exception):
    """There is no heartbeat that can be believed; the message says why."""


def read(directory: str, host: str, now: float) -> Heartbeat:
    """The heartbeat of a host, as it is in the directory now. Raises `Unreadable`."""
    if "/" in host or "\0" in host or host.startswith("."):
        raise Unreadable("the host's name is no name of a file")
    content, changed_at = _content(directory, f"{host}.json")
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        raise Unreadable("not JSON, or only a part of it") from None
    return _heartbeat(document, host, changed_at, now)


def _content(directory: str, name: str) -> tuple[bytes, float]:
    """What the file holds and when it changed; links are not followed, pipes not waited for."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            handle = os.open(name, flags, dir_fd=folder)
        finally:
            os.close(folder)
        with open(handle, "rb") as file:  # noqa: PTH123 - it is open already
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                raise Unreadable("not a plain file")
            content = file.read(LONGEST + 1)
    except OSError as error:
        raise Unreadable(os.strerror(error.errno or 0)) from None
    if len(content) > LONGEST:
        raise Unreadable(f"longer than {LONGEST} bytes")
    return content, status.st_mtime


def _heartbeat(document: Any, host: str, changed_at: float, now: float) -> Heartbeat:
    if not isinstance(document, dict):
        raise Unreadable("not an object")
    if document.get("host") != host:
        raise Unreadable("it is of another host")
    boot_id = document.get("boot_id")
    if not isinstance(boot_id, str) or not boot_id:
        raise Unreadable("it has no boot_id")
    running = _running(document.get("instances"))
    return Heartbeat(_moment(document.get("written_at")), changed_at, now, boot_id[:64], running)


def _moment(written_at: Any) -> float:
    try:
        moment = datetime.fromisoformat(written_at)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (TypeError, ValueError, OverflowError):
        raise Unreadable("written_at is no time") from None


def _running(instances: Any) -> frozenset[str] | None:
    """The servers that run; None when the node could not tell."""
    if instances is None:
        return None
    if not isinstance(instances, list):
        raise Unreadable("instances is no list")
    found = set()
    for instance in instances:
        if not isinstance(instance, dict) or not isinstance(instance.get("uuid"), str):
            raise Unreadable("an instance has no uuid")
        if instance.get("state") == _RUNNING:
            found.add(instance["uuid"])
    return frozenset(found)


class Storages:
    """Reads storages without ever waiting for one longer than `timeout` seconds."""

    def __init__(self, *, timeout: float = 5.0, clock: Callable[[], float] = time.time) -> None:
        self._timeout = timeout
        self._clock = clock
        self._busy: set[str] = set()

    async def look(
        self, storage: Storage, hosts: Sequence[tuple[str, float | None]], freshness: Freshness
    ) -> list[Evidence]:
        """What a storage says of hosts, each with the time since when it is down."""

        def look() -> list[Evidence]:
            return [_weighed(storage, host, since, self._clock(), freshness) for host, since in hosts]

        if storage.path in self._busy:
            why = "it still does not answer an earlier look"
        else:
            try:
                return await self._in_own_thread(storage.path, look)
            except TimeoutError:
                why = f"no answer in {self._timeout:g} s"
        return [unreadable(storage.id, storage.name, why)] * len(hosts)

    async def _in_own_thread(self, path: str, work: Callable[[], T]) -> T:
        """Threads that hang die with the process: those of the usual pool would hold up its end."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()

        def tell(outcome: Callable[[Any], None], value: Any) -> None:
            self._busy.discard(path)
            if not answer.done():
                outcome(value)

        def run() -> None:
            outcome: Callable[[Any], None] = answer.set_result
            value: Any
            try:
                value = work()
            except BaseException as error:  # noqa: BLE001  # it belongs to who asked
                outcome, value = answer.set_exception, error
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(tell, outcome, value)

        self._busy.add(path)
        threading.Thread(target=run, name=f"storage {path}", daemon=True).start()
        async with asyncio.timeout(self._timeout):
            return await answer


def _weighed(storage: Storage, host: str, since: float | None, now: float, freshness: Freshness) -> Evidence:
    try:
        beat = read(storage.path, host, now)
    except Unreadable as problem:
        return unreadable(storage.id, storage.name, str(problem))
    return weigh(storage.id, storage.name, beat, down_since=since, freshness=freshness)
