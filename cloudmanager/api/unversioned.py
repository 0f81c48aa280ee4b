"""Paths that are served without `/v1` as well."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

    from flask import Flask

    Application = Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]

_VERSION = "/v1"
_PATHS = re.compile(r"/(?:sign(?:/.*)?|domains/actions/get-store/?)")


def register(app: Flask) -> None:
    """Take these paths for those with `/v1`, before anything else looks at them."""
    inner: Application = app.wsgi_app

    def with_version(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if _PATHS.fullmatch(environ.get("PATH_INFO", "")):
            environ["PATH_INFO"] = f"{_VERSION}{environ['PATH_INFO']}"
        return inner(environ, start_response)

    app.wsgi_app = with_version  # type: ignore[method-assign]


def names_of(path: str) -> list[str]:
    """The path, and under which other one it is served."""
    short = path.removeprefix(_VERSION)
    return [path, short] if short != path and _PATHS.fullmatch(short) else [path]


def described(document: dict[str, Any]) -> dict[str, Any]:
    """The document of the API with these paths in it: the operations of those with `/v1`, under other ids."""
    paths = {
        short: {method: _alias(operation) for method, operation in methods.items()}
        for path, methods in document["paths"].items()
        for short in names_of(path)[1:]
    }
    return {**document, "paths": {**document["paths"], **paths}}


def _alias(operation: dict[str, Any]) -> dict[str, Any]:
    return {
        **operation,
        "operationId": f"{operation['operationId']}_unversioned",
        "summary": f"{operation['summary']}, without /v1",
    }
