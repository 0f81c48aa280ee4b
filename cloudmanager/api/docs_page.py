"""`GET /docs`: the description of the API as a page, by Swagger UI.

Everything the page needs comes from here, out of an installed package; a strict policy keeps the browser from
asking anybody else.
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING

from flask import Response, request, url_for

from cloudmanager.api.document.answers import Answer
from cloudmanager.api.openapi import blueprint
from cloudmanager.api.operation import operation
from cloudmanager.errors import NotFound

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

_SWAGGER_UI = files("flask_swagger_ui") / "dist"
_HERE = files("cloudmanager.api") / "docs_page_files"

ASSETS: dict[str, tuple[Traversable, str]] = {
    "swagger-ui-bundle.js": (_SWAGGER_UI, "text/javascript; charset=utf-8"),
    "swagger-ui.css": (_SWAGGER_UI, "text/css; charset=utf-8"),
    "favicon-32x32.png": (_SWAGGER_UI, "image/png"),
    "start.js": (_HERE, "text/javascript; charset=utf-8"),
    "page.css": (_HERE, "text/css; charset=utf-8"),
}
"""Where each file of the page is, and its type."""

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_SAFE = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_BYTES = {"type": "string"}


@operation(
    blueprint,
    "GET",
    "/docs",
    role=None,
    summary="Show this document as a page",
    name="show_docs",
    answers={200: Answer(_BYTES, "A page that needs nothing from any other host.", content_type="text/html")},
)
def show_docs() -> Response:
    """The operations with their parameters and examples; they can be tried with a token."""
    page = (_HERE / "page.html").read_text(encoding="utf-8")
    for name in ASSETS:
        page = page.replace(f'"{name}"', f'"{url_for("documentation.show_docs_asset", name=name)}"')
    page = page.replace('"openapi.json"', f'"{url_for("documentation.show_openapi")}"')
    return Response(
        page, headers={**_SAFE, "Cache-Control": "no-cache"}, content_type="text/html; charset=utf-8"
    )


@operation(
    blueprint,
    "GET",
    "/docs/<name>",
    role=None,
    summary="Show a file of the page",
    name="show_docs_asset",
    answers={
        200: Answer(_BYTES, "The file.", headers=("ETag",), content_type="*/*"),
        304: Answer(None, "The caller has the file already.", headers=("ETag",)),
    },
)
def show_docs_asset(name: str) -> Response:
    """Scripts, styles and pictures of the page."""
    if name not in ASSETS:
        raise NotFound(f"the page has no file {name[:40]!r}")
    content, tag = _read(name)
    headers = {**_SAFE, "Cache-Control": "public, max-age=3600"}
    response = Response(content, headers=headers, content_type=ASSETS[name][1])
    response.set_etag(tag)
    response.make_conditional(request)
    return response


@cache
def _read(name: str) -> tuple[bytes, str]:
    """The content of a file, and what tells it from other versions of it."""
    content = (ASSETS[name][0] / name).read_bytes()
    return content, sha256(content).hexdigest()[:32]
