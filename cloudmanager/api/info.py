"""`GET /v1/info`: which version answers, and the licence, where one is configured."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from flask_smorest import Blueprint
from marshmallow import Schema, fields

from cloudmanager import __version__
from cloudmanager.api.answers import answer
from cloudmanager.api.node_schemas import OPTIONAL
from cloudmanager.api.operation import operation, wrapped
from cloudmanager.api.services import services
from cloudmanager.licence import License, examine, issuer_key
from cloudmanager.tokens import Role

if TYPE_CHECKING:
    from flask import Response

blueprint = Blueprint("info", __name__, url_prefix="/v1", description="This module")

log = structlog.get_logger(__name__)


class LicenseShape(Schema):
    """The licence. What it says is shown only where the issuer has signed it."""

    created_at = fields.Integer(allow_none=True)
    expire_at = fields.Integer(allow_none=True)
    module_package = fields.String(allow_none=True)
    name = fields.String(allow_none=True)
    product = fields.String(allow_none=True)
    surrogate_name = fields.String(allow_none=True)
    unique_id = fields.String(allow_none=True)
    verified = fields.Boolean()
    problem = fields.String(allow_none=True)


class InfoShape(Schema):
    """This module."""

    version = fields.String()
    license = fields.Nested(LicenseShape(), metadata=OPTIONAL)


@operation(
    blueprint,
    "GET",
    "/info",
    role=Role.READER,
    summary="Show the module's version and licence",
    name="show_info",
    answers={200: wrapped(InfoShape(), "info")},
)
def show_info() -> Response:
    """The version; `license` only where one is configured, and with what is wrong with it."""
    licence = _license()
    return answer({"info": {"version": __version__, **({"license": licence} if licence else {})}})


def _license() -> dict[str, Any] | None:
    config = services().config
    key = issuer_key(config)
    if not config.license.file or key is None:
        return None
    found = examine(Path(config.license.file), key, time.time())
    if found.problem:
        log.warning("licence not verified", file=config.license.file, why=found.problem)
    said = asdict(found.license) if found.license else dict.fromkeys(License.__match_args__)
    return {**said, "verified": found.problem is None, "problem": found.problem}
