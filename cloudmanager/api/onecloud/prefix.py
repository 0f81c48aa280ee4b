"""The paths as clients of OneCloud know them: `[onecloud] prefix` stands where ours have `/onecloud`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cloudmanager.api.services import services

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

    from flask import Flask

    Application = Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]

OURS = "/onecloud"
_PATHS = r"(/servers(?:/[^/]+)?/?|/v3/auth/tokens/?)"


def register(app: Flask) -> None:
    """Take these paths for ours, before anything else looks at them."""
    inner: Application = app.wsgi_app
    with app.app_context():
        known = re.compile(re.escape(services().config.onecloud.prefix) + _PATHS)

    def with_prefix(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if found := known.fullmatch(environ.get("PATH_INFO", "")):
            environ["PATH_INFO"] = OURS + found[1]
        return inner(environ, start_response)

    app.wsgi_app = with_prefix  # type: ignore[method-assign]
