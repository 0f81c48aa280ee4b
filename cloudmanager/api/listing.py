"""Answers to lists: a page with a link to the next, or everything, streamed when it is long."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from flask import Response, request

from cloudmanager.api.answers import JSON, answer
from cloudmanager.api.reading import json_chunks
from cloudmanager.api.services import services

if TYPE_CHECKING:
    from collections.abc import Generator

    from cloudmanager.api.query import Window
    from cloudmanager.api.reading import Source
    from cloudmanager.db import Database


def list_answer(source: Source, window: Window, plural: str) -> Response:
    """The objects in the window as {plural: [...]}."""
    database = services().database
    if window.limit is None:
        return _everything(database, source, window, plural)
    with database.reading() as session:
        objects = list(source.objects(session, window.with_one_more()))
    return answer({plural: objects[: window.limit]}, headers=next_link(window, len(objects)))


def next_link(window: Window, found: int) -> dict[str, str]:
    """The header that leads to the next page, when one more was found than the page takes."""
    if not window.limit or found <= window.limit:
        return {}
    kept = [
        (name, value) for name, value in request.args.items(multi=True) if name not in ("offset", "limit")
    ]
    query = urlencode([*kept, ("offset", window.offset + window.limit), ("limit", window.limit)])
    return {"Link": f'<{request.path}?{query}>; rel="next"'}


def _everything(database: Database, source: Source, window: Window, plural: str) -> Response:
    pieces = _read(database, source, window, plural)
    first = next(pieces)  # what is wrong at the beginning is still answered as an error
    second = next(pieces, None)
    if second is None:
        return Response(first, content_type=JSON)
    return Response(_joined(first, second, pieces), content_type=JSON)


def _read(database: Database, source: Source, window: Window, plural: str) -> Generator[bytes]:
    with database.reading() as session:
        yield from json_chunks(source.objects(session, window), plural)


def _joined(first: bytes, second: bytes, rest: Generator[bytes]) -> Generator[Any]:
    with closing(rest):
        yield first
        yield second
        yield from rest
