"""What a body says of a node as values of columns: references that exist, a type of the node's class."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from cloudmanager.api.boot_files import follow
from cloudmanager.errors import InvalidInput
from cloudmanager.models import Node, NodeClass, NodeImage, NodeType
from cloudmanager.pxe import DEFAULT_IMAGE

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from cloudmanager.api.resource import Variables


class Catalogue:
    """The classes, types and images that nodes refer to, each read once and only when asked for."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @cached_property
    def images(self) -> dict[int, str]:
        """{id: name}."""
        return dict(self._session.execute(select(NodeImage.id, NodeImage.image_name)).all())

    @cached_property
    def default_image(self) -> int | None:
        """The image named `default`, if it is still there."""
        return next((key for key, name in self.images.items() if name == DEFAULT_IMAGE), None)

    @cached_property
    def classes(self) -> dict[int, bool]:
        """{id: whether it is the default}."""
        return dict(self._session.execute(select(NodeClass.id, NodeClass.is_default)).all())

    @cached_property
    def default_class(self) -> int | None:
        """The class of nodes that are given none."""
        return next((key for key, is_default in self.classes.items() if is_default), None)

    @cached_property
    def types(self) -> dict[int, tuple[int, str]]:
        """{id: (class, name)}."""
        rows = self._session.execute(select(NodeType.id, NodeType.node_class_id, NodeType.name))
        return {key: (class_id, name) for key, class_id, name in rows}

    def unspecified_type(self, class_id: int | None) -> int | None:
        """The type named "" of a class, if it has one."""
        return next((key for key, found in self.types.items() if found == (class_id, "")), None)


def prepare(
    session: Session, body: dict[str, Any], node: Node | None, _variables: Variables
) -> dict[str, Any]:
    """The values for one node that is there already; its boot files follow."""
    values = values_of(Catalogue(session), body, node)
    if node is not None and values.keys() & {"image_id", "mac_address", "name"}:
        follow(session, [node.mac_address, values.get("mac_address")])
    return values


def values_of(
    catalogue: Catalogue, body: dict[str, Any], node: Node | None, where: str = ""
) -> dict[str, Any]:
    """The values of columns; a new node gets defaults. `where` goes before the names of wrong fields."""
    values = dict(body)
    values.pop("created_at", None)
    if "metadata" in values:
        values["node_metadata"] = values.pop("metadata")
    if node is not None and node.power_state_checked_at is not None:
        values.pop("power_state", None)  # what was observed is not overwritten by what is believed
    if node is None or "image_id" in values:
        values["image_id"] = _image(catalogue, values.get("image_id"), where)
    if node is None or values.keys() & {"node_class_id", "node_type_id"}:
        values |= _class_and_type(catalogue, values, node, where)
    return values


def _image(catalogue: Catalogue, image_id: int | None, where: str) -> int | None:
    if image_id is None:
        return catalogue.default_image
    if image_id not in catalogue.images:
        message = f"there is no PXE image {image_id}"
        raise InvalidInput(message, {f"{where}image_id": ["No such PXE image."]})
    return image_id


def _class_and_type(
    catalogue: Catalogue, values: dict[str, Any], node: Node | None, where: str
) -> dict[str, Any]:
    class_id = values.get("node_class_id", node.node_class_id if node else None)
    if class_id is None:
        class_id = catalogue.default_class
    elif class_id not in catalogue.classes:
        message = f"there is no node class {class_id}"
        raise InvalidInput(message, {f"{where}node_class_id": ["No such node class."]})
    if "node_type_id" in values:
        type_id = values["node_type_id"]
        if type_id is not None and catalogue.types.get(type_id, (None, ""))[0] != class_id:
            message = f"node type {type_id} does not belong to node class {class_id}"
            raise InvalidInput(message, {f"{where}node_type_id": [f"Not a type of node class {class_id}."]})
    elif node is not None and node.node_class_id == class_id:
        type_id = node.node_type_id
    else:
        type_id = catalogue.unspecified_type(class_id)
    return {"node_class_id": class_id, "node_type_id": type_id}
