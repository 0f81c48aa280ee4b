"""Bodies and shapes of power controls. No shape has a secret."""

from __future__ import annotations

from marshmallow import Schema, fields

from cloudmanager.api.body import Body
from cloudmanager.api.fields import Host, PortNumber, name, text
from cloudmanager.api.node_classes import NodeTypeShape
from cloudmanager.api.node_schemas import ClassReference, NodeControlShape, NodeShape
from cloudmanager.api.power_control_options import OptionsBody, OptionsShape


class ControlBody(Body):
    """A new power control."""

    control_type = name(required=True)
    protocol_type = name(required=True)
    host = Host(required=True)
    port_number = PortNumber(required=True)
    title = text(allow_none=True)
    login = text(allow_none=True)
    password = text(1024, allow_none=True, load_only=True)
    ssh_key = text(100_000, allow_none=True, load_only=True)
    options = OptionsBody()


class ControlChange(Body):
    """Changes of a power control; what is left out stays, each option too. An empty secret removes it."""

    control_type = name()
    protocol_type = name()
    host = Host()
    port_number = PortNumber()
    title = text(allow_none=True)
    login = text(allow_none=True)
    password = text(1024, allow_none=True, load_only=True)
    ssh_key = text(100_000, allow_none=True, load_only=True)
    options = OptionsBody()


class CoilShape(Schema):
    """The node on a port."""

    power_control_port = fields.String()
    node_id = fields.Integer()
    node_name = fields.String(allow_none=True)
    is_default = fields.Boolean()
    is_initialized = fields.Boolean()
    power_state = fields.String(allow_none=True)


class ControlShape(Schema):
    """A power control; `coil_map` has a key for every port, null when it is free."""

    id = fields.Integer()
    title = fields.String()
    control_type = fields.String()
    protocol_type = fields.String()
    host = fields.String()
    port_number = fields.Integer()
    login = fields.String(allow_none=True)
    options = OptionsShape()
    coils_count = fields.Integer()
    used_coils_count = fields.Integer()
    coil_map = fields.Dict(keys=fields.String(), values=fields.Nested(CoilShape, allow_none=True))
    time_created = fields.DateTime()
    time_updated = fields.DateTime(allow_none=True)


class ClassWithTypes(ClassReference):
    """The class of a node, with its types."""

    node_types = fields.List(fields.Nested(NodeTypeShape))


class NodeOfControl(NodeShape):
    """A node as the list of a power control shows it."""

    node_class = fields.Nested(ClassWithTypes, allow_none=True)
    cloud_managers = fields.List(fields.Nested(NodeControlShape))
