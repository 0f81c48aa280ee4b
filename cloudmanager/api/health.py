"""Liveness and readiness, for those who watch the process. Nobody needs a token for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask_smorest import Blueprint
from sqlalchemy.exc import SQLAlchemyError

from cloudmanager.api.answers import answer
from cloudmanager.api.document.answers import Answer
from cloudmanager.api.operation import operation
from cloudmanager.api.services import services

if TYPE_CHECKING:
    from flask import Response

    from cloudmanager.api.services import Services

blueprint = Blueprint("health", __name__, description="For those who watch the process")

_LIVE = {
    "type": "object",
    "required": ["status"],
    "properties": {"status": {"const": "ok", "description": "It lives.", "examples": ["ok"]}},
}
_CHECK = {
    "type": "object",
    "required": ["ok", "why"],
    "properties": {
        "ok": {"type": "boolean", "description": "Whether it is there.", "examples": [True]},
        "why": {"type": ["string", "null"], "description": "What is wrong with it.", "examples": [None]},
    },
}
_PARTS = ("database", "broker", "worker")
_READY = {
    "type": "object",
    "required": [*_PARTS],
    "properties": {name: {**_CHECK, "description": f"The {name}."} for name in _PARTS},
}


@operation(
    blueprint,
    "GET",
    "/healthz",
    role=None,
    summary="Tell whether the process lives",
    name="healthz",
    answers={200: _LIVE},
)
def healthz() -> Response:
    """Nothing is asked of anybody else."""
    return answer({"status": "ok"})


@operation(
    blueprint,
    "GET",
    "/readyz",
    role=None,
    summary="Tell whether everything that requests need is there",
    name="readyz",
    answers={200: _READY, 503: Answer(_READY, "Something is missing.")},
)
def readyz() -> Response:
    """Database, broker and worker, each with what is wrong with it; 503 when one is missing."""
    checks = _checks(services())
    ready = all(check["ok"] for check in checks.values())
    return answer(checks, 200 if ready else 503)


def _checks(given: Services) -> dict[str, dict[str, Any]]:
    broker = given.bell.broker_alive()
    return {
        "database": _check(_database_answers(given), "the database does not answer"),
        "broker": _check(broker, "the broker does not answer"),
        "worker": _check(broker and given.bell.ping(), "no worker answers: start `cloudmanager worker`"),
    }


def _check(good: bool, why_not: str) -> dict[str, Any]:
    return {"ok": good, "why": None if good else why_not}


def _database_answers(given: Services) -> bool:
    try:
        given.database.ping()
    except SQLAlchemyError:
        return False
    return True
