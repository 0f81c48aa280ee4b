"""PXE images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask_smorest import Blueprint
from marshmallow import Schema, fields
from sqlalchemy import select

from cloudmanager.api import filters
from cloudmanager.api.body import Body
from cloudmanager.api.boot_files import follow
from cloudmanager.api.fields import name, text
from cloudmanager.api.reading import Source
from cloudmanager.api.resource import Resource
from cloudmanager.api.usage import refuse_if_used
from cloudmanager.models import Node, NodeImage
from cloudmanager.pxe import DEFAULT_IMAGE

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from cloudmanager.api.resource import Variables

blueprint = Blueprint("node-images", __name__, url_prefix="/v1", description="PXE images")


class NodeImageBody(Body):
    """A new PXE image."""

    image_name = name(required=True)
    file_data = text(100_000, required=True)


class NodeImageShape(Schema):
    """A PXE image."""

    id = fields.Integer()
    image_name = fields.String()
    file_data = fields.String()
    created_at = fields.DateTime()


def present(row: Any) -> dict[str, Any]:
    """A PXE image as the API shows it."""
    key, image_name, file_data, created_at = row
    return {"id": key, "image_name": image_name, "file_data": file_data, "created_at": created_at}


def prepare(session: Session, body: dict[str, Any], _row: None, _variables: Variables) -> dict[str, Any]:
    """The values of a new image; the one named `default` is for all nodes without files of their own."""
    follow(session, default=body["image_name"] == DEFAULT_IMAGE)
    return body


def release(session: Session, image: NodeImage) -> None:
    """An image that nodes boot from stays."""
    refuse_if_used(session, f"PXE image {image.image_name}", Node.image_id == image.id)
    follow(session, default=image.image_name == DEFAULT_IMAGE)


node_images = Resource(
    blueprint=blueprint,
    path="/node-images/",
    noun="node_image",
    plural="node_images",
    model=NodeImage,
    source=Source(
        select(NodeImage.id, NodeImage.image_name, NodeImage.file_data, NodeImage.created_at),
        key=NodeImage.id,
        present=present,
    ),
    shape=NodeImageShape(),
    fields={
        "id": filters.integer(NodeImage.id),
        "image_name": filters.text(NodeImage.image_name),
        "created_at": filters.moment(NodeImage.created_at),
    },
    create_body=NodeImageBody(),
    prepare=prepare,
    release=release,
).register()
