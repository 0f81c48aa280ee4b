"""Keypairs of the project."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from cloudmanager.api.answers import answer, nothing
from cloudmanager.api.document.answers import Answer
from cloudmanager.api.portal.door import ask, blueprint, tenant_operation
from cloudmanager.api.portal.shapes import CreateKeypair, KeypairShape, every

if TYPE_CHECKING:
    from flask import Response

__all__ = ["blueprint"]


@tenant_operation(
    "GET",
    "/keypairs",
    name="list_portal_keypairs",
    summary="List the keypairs of the project",
    answers={200: every(KeypairShape())},
)
def list_keypairs() -> Response:
    """All users of the project see them."""
    return answer([asdict(one) for one in ask(lambda cloud: cloud.keypairs())])


@tenant_operation(
    "POST",
    "/keypairs",
    name="create_portal_keypair",
    summary="Keep a public key",
    body=CreateKeypair(),
    answers={201: Answer(KeypairShape(), "Kept.", sometimes=("Location",))},
)
def create_keypair(body: dict[str, Any]) -> Response:
    """Private keys are never sent here."""
    return answer(asdict(ask(lambda cloud: cloud.create_keypair(body["name"], body["public_key"]))), 201)


@tenant_operation(
    "DELETE",
    "/keypairs/<keypair_name>",
    name="delete_portal_keypair",
    summary="Forget a public key",
    answers={204: None},
)
def delete_keypair(keypair_name: str) -> Response:
    """Instances that were made with it keep it."""
    ask(lambda cloud: cloud.delete_keypair(keypair_name))
    return nothing()
