"""Errors become HTTP here, and nowhere else: one table, one form of answer."""

from __future__ import annotations

import traceback
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import structlog
from flask import Response, g
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException

from cloudmanager import errors
from cloudmanager.api import auth
from cloudmanager.api.answers import JSON, error_body
from cloudmanager.api.constraints import in_words
from cloudmanager.db import is_passing

if TYPE_CHECKING:
    from flask import Flask

log = structlog.get_logger(__name__)

STATUS: dict[type[errors.CloudManagerError], int] = {
    errors.CloudManagerError: 500,
    errors.Malformed: 400,
    errors.InvalidInput: 422,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Busy: 409,
    errors.Stale: 412,
    errors.Unavailable: 503,
    errors.TooManyRequests: 429,
    errors.Misconfigured: 500,
    errors.DeviceError: 502,
    errors.DeviceUnreachable: 504,
    errors.DeviceRefused: 502,
    errors.CredentialsRefused: 502,
    errors.Unsupported: 409,
    errors.CloudError: 502,
    errors.CloudUnreachable: 504,
    errors.CloudRefused: 502,
    errors.CloudNotConfigured: 501,
    errors.HostError: 502,
    errors.HostUnreachable: 504,
    errors.HostRefused: 502,
    errors.CommandFailed: 502,
}
INTERNAL = "internal error: report it with the request id, the log has the details"
AWAY = "the database does not answer now: try again later"
_WORDS = {
    404: "there is nothing at this path: /openapi.json lists all paths",
    413: "the request body is too large: [api] max_body_bytes sets how much is taken",
}


def register(app: Flask) -> None:
    """Answer every error of the application in our form."""
    app.register_error_handler(errors.CloudManagerError, _ours)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(SQLAlchemyError, _database)
    app.register_error_handler(Exception, _unforeseen)


def error_answer(status: int, message: str, **details: Any) -> Response:
    """An error as the answer to the present request."""
    body = error_body(status, message, g.get("request_id"), **details)
    return Response(body, status, content_type=JSON)


def _ours(error: errors.CloudManagerError) -> Response:
    status = STATUS[type(error)]
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        return _unforeseen(error)
    details: dict[str, Any] = {}
    if isinstance(error, errors.InvalidInput | errors.Conflict) and error.fields:
        details["errors"] = error.fields
    if isinstance(error, errors.Busy):
        details["task_id"] = error.flow_id
    response = error_answer(status, error.message, **details)
    if isinstance(error, errors.Unavailable | errors.TooManyRequests):
        response.headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, errors.Unauthenticated):
        response.headers["WWW-Authenticate"] = auth.challenge()
    return response


def _http(error: HTTPException) -> Response:
    """Errors of the web framework, such as an unknown path or a body that is too large."""
    status = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
    response = error_answer(status, _WORDS.get(status, error.description or HTTPStatus(status).phrase))
    for name, value in error.get_headers():
        if name.lower() != "content-type":
            response.headers[name] = value
    return response


def _database(error: SQLAlchemyError) -> Response:
    if isinstance(error, IntegrityError):
        return error_answer(HTTPStatus.CONFLICT, in_words(error))
    if isinstance(error, PoolTimeout) or (isinstance(error, DBAPIError) and is_passing(error)):
        log.warning("database away", error=str(error.__cause__ or type(error).__name__))
        return _ours(errors.Unavailable(AWAY))
    return _unforeseen(error)


def _unforeseen(error: Exception) -> Response:
    """Nothing of it is told but the request id. The traceback is logged as text: without local variables."""
    log.error("request failed", traceback="".join(traceback.format_exception(error)))
    return error_answer(HTTPStatus.INTERNAL_SERVER_ERROR, INTERNAL)
