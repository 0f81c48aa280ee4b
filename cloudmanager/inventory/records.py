"""What a file holds: records of six kinds, checked by the bodies of the API. Objects are known by names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from marshmallow import Schema, ValidationError, fields, validate

from cloudmanager.api.availability_storages import StorageBody
from cloudmanager.api.body import Body, flatten
from cloudmanager.api.fields import Flag, text, text_or_number
from cloudmanager.api.fields import name as named
from cloudmanager.api.node_classes import NodeClassBody
from cloudmanager.api.node_images import NodeImageBody
from cloudmanager.api.node_schemas import NodeBody
from cloudmanager.api.power_control_schemas import ControlBody
from cloudmanager.api.power_controls import default_title
from cloudmanager.errors import InvalidInput
from cloudmanager.models import folded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Fields = dict[str, Any]
Key = Any
"""Text; of an assignment (key of the node, title of the control)."""

Inventory = dict[str, dict[Key, Fields]]
"""{section: {key: fields}}."""

_MOST_PROBLEMS = 50


class NodeRecord(NodeBody):
    """A node; its class, type, image and storages by name. What is observed is no part of it."""

    class Meta(Body.Meta):
        """Options of marshmallow."""

        exclude = ("created_at", "power_state", "node_class_id", "node_type_id", "image_id")

    name = named(required=True)
    node_class = named()
    node_type = text(allow_none=True)
    image = named(allow_none=True)
    availability_storages = fields.List(named(), validate=validate.Length(max=1000))


class AssignmentRecord(Body):
    """A node on a port of a power control."""

    node = named(required=True)
    power_control = text(required=True)
    power_control_port = text_or_number(required=True)
    is_default = Flag()


@dataclass(frozen=True)
class Kind:
    """A kind of records: its section in YAML, its word in CSV."""

    section: str
    noun: str
    schema: Schema
    key: Callable[[Fields], Key]


@dataclass(frozen=True)
class Record:
    """One record as it stands in a file; `place` says where."""

    kind: Kind
    place: str
    fields: Fields


@dataclass
class Problems:
    """What is wrong with a file: all of it is told at once."""

    found: list[str] = field(default_factory=list)

    def add(self, place: str, what: str) -> None:
        """Note one."""
        self.found.append(f"{place}: {what}")

    def refuse(self) -> None:
        """Raise `InvalidInput` if there are any."""
        if not self.found:
            return
        lines = self.found[:_MOST_PROBLEMS]
        if (more := len(self.found) - len(lines)) > 0:
            lines.append(f"… and {more} more")
        raise InvalidInput("nothing was changed, because of\n  " + "\n  ".join(lines))


KINDS = (
    Kind("node_classes", "node_class", NodeClassBody(), lambda given: given["name"]),
    Kind("node_images", "node_image", NodeImageBody(), lambda given: given["image_name"]),
    Kind("availability_storages", "availability_storage", StorageBody(), lambda given: given["name"]),
    Kind(
        "power_controls",
        "power_control",
        ControlBody(),
        lambda given: given.get("title") or default_title(given),
    ),
    Kind("nodes", "node", NodeRecord(), lambda given: folded(given["name"])),
    Kind(
        "node_controls",
        "node_control",
        AssignmentRecord(),
        lambda given: (folded(given["node"]), given["power_control"]),
    ),
)
"""In the order in which they depend on each other."""

SECTIONS = {kind.section: kind for kind in KINDS}
SECRETS = ("password", "ssh_key")


def checked(records: Iterable[Record], problems: Problems) -> list[Record]:
    """The records with normalised values; what is wrong is noted with its place and field."""
    good: list[Record] = []
    taken: dict[tuple[str, Key], str] = {}
    for record in records:
        try:
            values: Fields = record.kind.schema.load(record.fields)
        except ValidationError as error:
            for name, messages in flatten(error.messages_dict):
                problems.add(record.place, f"{record.kind.noun}: {name}: {' '.join(messages)}")
            continue
        key = (record.kind.section, record.kind.key(values))
        if (first := taken.setdefault(key, record.place)) is not record.place:
            problems.add(record.place, f"{record.kind.noun} {shown(key[1])} is at {first} already")
        good.append(Record(record.kind, record.place, values))
    return good


def shown(key: Key) -> str:
    """A key for people."""
    return key if isinstance(key, str) else f"{key[0]} on {key[1]}"
