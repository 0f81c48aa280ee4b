"""`GET /openapi.json`: the description of the API. Everyone may read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from flask import Response, current_app
from flask_smorest import Blueprint

from cloudmanager.api.answers import JSON
from cloudmanager.api.document.answers import Answer
from cloudmanager.api.operation import operation

if TYPE_CHECKING:
    from flask import Flask

blueprint = Blueprint("documentation", __name__, description="What the API is, for people and programs")

_KEY = "cloudmanager.openapi"


def register(app: Flask, document: dict[str, Any]) -> None:
    """Give the application its document."""
    app.extensions[_KEY] = orjson.dumps(document, option=orjson.OPT_INDENT_2)


@operation(
    blueprint,
    "GET",
    "/openapi.json",
    role=None,
    summary="Show this document",
    name="show_openapi",
    answers={200: Answer({"type": "object", "examples": [{"openapi": "3.1.0"}]}, "An OpenAPI document.")},
)
def show_openapi() -> Response:
    """The description of the API in OpenAPI 3.1."""
    return Response(current_app.extensions[_KEY], content_type=JSON)
