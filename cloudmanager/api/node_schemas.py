"""Bodies and shapes of nodes."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from cloudmanager.api.body import Body
from cloudmanager.api.fields import (
    Flag,
    IpAddress,
    MacAddresses,
    Tags,
    choice,
    identifier,
    name,
    text,
    text_or_number,
    whole,
)
from cloudmanager.drivers.base import PowerState
from cloudmanager.models import CONDITIONS

OPTIONAL = {"x-optional": True}
"""Marks fields that not every answer has."""


def _small(**options: object) -> fields.Integer:
    return whole(1, 99, allow_none=True, **options)


class NodeBody(Body):
    """A node, new or changed: every field is optional. `created_at` is accepted and ignored."""

    name = name(allow_none=True)
    title = text(allow_none=True)
    description = text(10_000, allow_none=True)
    owner = text(allow_none=True)
    active = Flag()
    condition = whole(min(CONDITIONS), max(CONDITIONS))
    is_reserved = Flag()
    is_controller = Flag()
    inventory_code = text_or_number(allow_none=True)
    created_at = fields.Raw(allow_none=True, load_only=True)
    image_id = identifier(allow_none=True)
    node_class_id = identifier()
    node_type_id = identifier(allow_none=True)
    hypervisor_id = text(allow_none=True)
    controller_id = text(allow_none=True)
    controller_type = text(allow_none=True)
    dtc_number = _small()
    row_number = _small()
    rack_number = _small()
    unit_number = _small()
    cpu_amount = _small()
    ram_mb = whole(allow_none=True)
    hdd_gb = whole(allow_none=True)
    mac_address = MacAddresses(allow_none=True)
    ip_addresses = fields.List(IpAddress(), allow_none=True, validate=validate.Length(max=256))
    power_state = choice(PowerState.ON, PowerState.OFF, allow_none=True)
    metadata = Tags(allow_none=True)


class ImageReference(Schema):
    """The PXE image of a node."""

    id = fields.Integer()
    name = fields.String()


class ClassReference(Schema):
    """The class of a node."""

    id = fields.Integer()
    name = fields.String()
    is_default = fields.Boolean()


class TypeReference(Schema):
    """The type of a node."""

    id = fields.Integer()
    name = fields.String()


class StorageReference(Schema):
    """An availability storage of a node."""

    id = fields.Integer()
    name = fields.String()


class NodeControlShape(Schema):
    """A power control that a node hangs on."""

    power_control_id = fields.Integer()
    power_control_title = fields.String()
    power_control_port = fields.String()
    control_type = fields.String()
    protocol_type = fields.String()
    is_default = fields.Boolean()
    is_initialized = fields.Boolean()


class NodeShape(Schema):
    """A node."""

    id = fields.Integer()
    name = fields.String(allow_none=True)
    title = fields.String(allow_none=True)
    description = fields.String(allow_none=True)
    owner = fields.String(allow_none=True)
    active = fields.Boolean()
    condition = fields.Integer()
    is_reserved = fields.Boolean()
    is_controller = fields.Boolean()
    inventory_code = fields.String(allow_none=True)
    created_at = fields.DateTime()
    dcc = fields.Boolean()
    image_id = fields.Integer(allow_none=True)
    image = fields.Nested(ImageReference, allow_none=True)
    node_class = fields.Nested(ClassReference, allow_none=True)
    node_type = fields.Nested(TypeReference, allow_none=True)
    hypervisor_id = fields.String(allow_none=True)
    controller_id = fields.String(allow_none=True)
    controller_type = fields.String(allow_none=True)
    cpu_allocation_ratio = fields.Float(allow_none=True)
    ram_allocation_ratio = fields.Float(allow_none=True)
    dtc_number = fields.Integer(allow_none=True)
    row_number = fields.Integer(allow_none=True)
    rack_number = fields.Integer(allow_none=True)
    unit_number = fields.Integer(allow_none=True)
    cpu_amount = fields.Integer(allow_none=True)
    ram_mb = fields.Integer(allow_none=True)
    hdd_gb = fields.Integer(allow_none=True)
    mac_address = fields.String(allow_none=True)
    ip_addresses = fields.List(fields.String(), allow_none=True)
    metadata = fields.Dict(allow_none=True)
    power_state = fields.String(allow_none=True)
    power_state_checked_at = fields.DateTime(allow_none=True)
    node_controls = fields.List(fields.Nested(NodeControlShape))
    availability_storages = fields.List(fields.Nested(StorageReference))
    nas = fields.Dict(
        keys=fields.String(), values=fields.List(fields.String()), allow_none=True, metadata=OPTIONAL
    )
    os_hypervisor = fields.Dict(allow_none=True, metadata=OPTIONAL)
    hwinfo = fields.Dict(allow_none=True, metadata=OPTIONAL)
