"""Paths that are documented without `/v1` as well."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

    from flask import Flask

    Application = Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]

_PATHS = re.compile(r"/(?:sign(?:/.*)?|domains/actions/get-store/?)")


def register(app: Flask) -> None:
    """Take these paths for those with `/v1`, before anything else looks at them."""
    inner: Application = app.wsgi_app

    def with_version(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if _PATHS.fullmatch(environ.get("PATH_INFO", "")):
            environ["PATH_INFO"] = f"/v1{environ['PATH_INFO']}"
        return inner(environ, start_response)

    app.wsgi_app = with_version  # type: ignore[method-assign]
