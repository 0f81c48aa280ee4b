"""`Idempotency-Key`: a POST that is sent again with its key is answered again, and done once."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog
from flask import Response, abort, g, request
from sqlalchemy.exc import SQLAlchemyError

from cloudmanager import idempotency
from cloudmanager.api.services import services
from cloudmanager.errors import InvalidInput
from cloudmanager.idempotency import HEADER, Answer, Claim
from cloudmanager.models import utc_now

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session

log = structlog.get_logger(__name__)

REPLAYED = "Idempotency-Replayed"
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


def once(run: Callable[[], Response]) -> Response:
    """Answer the request by `run`, or as it was answered before under its key.

    Only successes are kept: a request that was refused has changed nothing and may be sent again.
    """
    if HEADER not in request.headers:
        return run()
    claim = _claim()
    database = services().database
    not_before = utc_now() - timedelta(hours=services().config.api.idempotency_hours)
    if (known := idempotency.take(database, claim, not_before)) is not None:
        return _replayed(known)
    g.claim = claim
    try:
        response = run()
    except Exception:
        _release(claim)
        raise
    if g.get("kept") != (final := _answer_of(response)):
        with database.transaction() as session:
            idempotency.keep(session, claim, final)
    return response


def keep(session: Session, response: Response, *, seconds: float = 0.0) -> Response:
    """Keep the answer in the transaction of its effect, if the request has a key.

    `seconds` is how long the request may still take to give its final answer, which then replaces this one.
    """
    if "claim" in g:
        answer = _answer_of(response)
        until = services().database.now() + seconds if seconds else 0.0
        idempotency.keep(session, g.claim, answer, until)
        g.kept = None if seconds else answer
    return response


def _claim() -> Claim:
    key = request.headers[HEADER]
    if not _KEY.fullmatch(key):
        message = f"{HEADER} is 1 to 255 characters of ASCII without spaces, such as a UUID"
        raise InvalidInput(message, {HEADER: ["Not 1..255 characters of ASCII."]})
    body = request.get_data()
    if len(body) > services().config.api.max_body_bytes:
        abort(413)
    path = request.path.rstrip("/")
    said = b"\n".join([request.method.encode(), path.encode(), request.query_string, body])
    return idempotency.claim_for(
        g.caller.identity, key, request.method, path, services().vault.fingerprint(said)
    )


def _release(claim: Claim) -> None:
    try:
        idempotency.release(services().database, claim)
    except SQLAlchemyError as error:
        log.warning("idempotency key not given back; it ends by itself", error=type(error).__name__)


def _replayed(known: Answer) -> Response:
    response = Response(known.body, known.status)
    response.headers.pop("Content-Type", None)
    response.headers.update({**known.headers, REPLAYED: "true"})
    return response


def _answer_of(response: Response) -> Answer:
    headers = {name: value for name, value in response.headers if name != "Content-Length"}
    return Answer(response.status_code, headers, response.get_data())
