"""`GET /v1/info`: which version answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask_smorest import Blueprint
from marshmallow import Schema, fields

from cloudmanager import __version__
from cloudmanager.api.answers import answer
from cloudmanager.api.operation import operation, wrapped
from cloudmanager.tokens import Role

if TYPE_CHECKING:
    from flask import Response

blueprint = Blueprint("info", __name__, url_prefix="/v1", description="This module")


class InfoShape(Schema):
    """This module."""

    version = fields.String()


@operation(
    blueprint,
    "GET",
    "/info",
    role=Role.READER,
    summary="Show the module's version",
    name="show_info",
    answers={200: wrapped(InfoShape(), "info")},
)
def show_info() -> Response:
    """The version; a licence only where one is configured."""
    return answer({"info": {"version": __version__}})
