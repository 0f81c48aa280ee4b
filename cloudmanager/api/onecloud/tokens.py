"""`POST /v3/auth/tokens`: people log in to Keystone through us. Nothing that they send is kept or logged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudmanager.api.answers import answer
from cloudmanager.api.caller import client_address
from cloudmanager.api.document.answers import Answer
from cloudmanager.api.onecloud.front import REQUEST_ID, admit, as_the_caller, blueprint
from cloudmanager.api.onecloud.token_shapes import OneCloudAuth, OneCloudTokenShape
from cloudmanager.api.onecloud.token_words import for_keystone, for_onecloud
from cloudmanager.api.operation import operation, wrapped
from cloudmanager.api.services import services

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask import Response

TOKEN = "X-Subject-Token"  # noqa: S105 - the name of a header


@operation(
    blueprint,
    "POST",
    "/v3/auth/tokens",
    role=None,
    name="create_onecloud_token",
    summary="Get a token of Keystone",
    body=OneCloudAuth(),
    wrapper="auth",
    answers={
        201: Answer(
            wrapped(OneCloudTokenShape(), "token"),
            "The token is in `X-Subject-Token`; here is what it is good for.",
            headers=(TOKEN, REQUEST_ID),
            sometimes=("Location",),
        )
    },
    errors=(401, 403, 404, 409, 429, 501, 502, 503, 504),
)
def create_token(body: dict[str, Any]) -> Response:
    """What is sent goes to Keystone; what it refuses is refused in its words, with its status."""
    admit()
    auth = for_keystone(body)
    with as_the_caller():
        issued = services().cloud.ask(lambda cloud: cloud.issue_token(auth))
    address = client_address(services().config.api.trusted_proxies)
    document = for_onecloud(issued, address, _source(body.get("context")))
    headers = {TOKEN: issued.token, "Vary": "X-Auth-Token", "Cache-Control": "no-store"}
    return answer({"token": document}, 201, headers)


def _source(context: Mapping[str, Any] | None) -> str | None:
    """Where the client says that it comes from."""
    source = (context or {}).get("source")
    return source if isinstance(source, str) else None
