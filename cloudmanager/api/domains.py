"""`/v1/domains`: the options that domains of Keystone have of their own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from flask_smorest import Blueprint
from marshmallow import Schema, fields, validate

from cloudmanager.api.answers import answer, nothing
from cloudmanager.api.operation import operation
from cloudmanager.api.services import services
from cloudmanager.domain_file import options_of
from cloudmanager.tokens import Role

if TYPE_CHECKING:
    from flask import Response

    from cloudmanager.openstack.port import CloudPort

blueprint = Blueprint("domains", __name__, url_prefix="/v1", description="Domains of Keystone")


class StoreShape(Schema):
    """Where Keystone keeps the options of domains."""

    store = fields.String(validate=validate.OneOf(["file", "database"]))


class TotpShape(Schema):
    """Whether one-time passwords may be sent."""

    totp_allowed = fields.String(validate=validate.OneOf(["true", "false"]))


@operation(
    blueprint,
    "POST",
    "/domains/actions/get-store",
    role=Role.READER,
    name="get_domain_store",
    summary="Show where the options of domains are kept",
    answers={200: StoreShape()},
)
def get_domain_store() -> Response:
    """As `[domains] store` says. The path without `/v1` does the same."""
    return answer({"store": services().config.domains.store})


@operation(
    blueprint,
    "GET",
    "/domains/totp-allowed",
    role=Role.READER,
    name="show_totp_allowed",
    summary="Show whether one-time passwords may be sent",
    answers={200: TotpShape()},
)
def show_totp_allowed() -> Response:
    """As `[domains] totp_allowed` says; a text, not a boolean."""
    return answer({"totp_allowed": str(services().config.domains.totp_allowed).lower()})


@operation(
    blueprint,
    "POST",
    "/domains/<string:domain_id>/actions/configure",
    role=Role.ADMIN,
    summary="Load the options of a domain into Keystone's database",
    answers={204: None},
    errors=(409, 501, 502, 504),
)
def configure_domain(domain_id: str) -> Response:
    """The file `keystone.<name of the domain>.conf` of `[domains] config_directory` replaces them all."""
    options = services().config.domains

    async def configure(cloud: CloudPort) -> None:
        domain = await cloud.domain(domain_id)
        found = options_of(Path(options.config_directory), domain.name, options.additional_options)
        await cloud.configure_domain(domain.id, found)

    services().cloud.ask(configure)
    return nothing()
