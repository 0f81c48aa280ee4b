"""Entity tags of single objects: nobody overwrites what he has not seen, nobody reads again what he has.

A tag has two halves, `"<edited>-<shown>"`. The first is made of what callers write, the second of the whole
answer. `If-None-Match` compares the whole tag; `If-Match` the first half, because a power state that was
observed meanwhile is nobody's edit.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from flask import request

from cloudmanager.api.answers import dumps, nothing
from cloudmanager.api.document.answers import Answer
from cloudmanager.errors import Stale

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from flask import Response

NOT_MODIFIED = Answer(None, headers=("ETag",))
"""The answer to a caller who has it already, for OpenAPI."""

_DIGITS = 20


def tagged(response: Response, shown: Mapping[str, Any], observed: Collection[str]) -> Response:
    """The response with its tag; 304 when the caller has it already."""
    tag = f"{_edited(shown, observed)}-{_digest(response.get_data())}"
    if request.method in ("GET", "HEAD") and request.if_none_match.contains_weak(tag):
        response = nothing(304)
    response.set_etag(tag)
    return response


def are_asked_for() -> bool:
    """Whether the request holds only for an object that the caller has seen."""
    return "If-Match" in request.headers


def check_fresh(shown: Mapping[str, Any], observed: Collection[str]) -> None:
    """Raise `Stale` unless `If-Match` has this object's tag or a star."""
    known = request.if_match
    edited = _edited(shown, observed)
    if not known.star_tag and edited not in {tag.partition("-")[0] for tag in known.as_set() if tag}:
        raise Stale("it has changed since it was read, or If-Match has no tag of it: read it again")


def _edited(shown: Mapping[str, Any], observed: Collection[str]) -> str:
    return _digest(dumps({name: value for name, value in shown.items() if name not in observed}))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:_DIGITS]
