"""Bodies and answers of actions in operating systems of nodes. What reaches a node is narrow here already."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from marshmallow import ValidationError, fields, validate

from cloudmanager.api.body import Body
from cloudmanager.api.fields import Host, IpAddress, choice, identifier, name
from cloudmanager.flows.nodes.cpu_mode import MODES
from cloudmanager.host.iscsi import is_target_name

_MODEL = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
_STORAGE = "^[A-Za-z0-9][A-Za-z0-9 ._/+-]{0,31}$"
_TARGET = "^[A-Za-z0-9][A-Za-z0-9.:_-]{0,222}$"
_UUID = "^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
_MOST_ADDRESSES, _MOST_TARGETS = 64, 256


class Pattern(fields.String):
    """Text of one form."""

    def __init__(self, pattern: str, **options: Any) -> None:
        super().__init__(validate=validate.Regexp(re.compile(pattern.removesuffix("$") + r"\Z")), **options)
        self.json_schema = {"pattern": pattern}


class Targets(fields.Dict):
    """{address of a portal: [names of targets]}."""

    json_schema: ClassVar[dict[str, Any]] = {
        "type": "object",
        "minProperties": 1,
        "maxProperties": _MOST_ADDRESSES,
        "propertyNames": {"anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]},
        "additionalProperties": {
            "type": "array",
            "minItems": 1,
            "maxItems": _MOST_TARGETS,
            "items": {"type": "string", "pattern": _TARGET},
        },
    }

    def __init__(self, **options: Any) -> None:
        names = fields.List(fields.String(validate=_target), validate=validate.Length(1, _MOST_TARGETS))
        super().__init__(
            keys=IpAddress(), values=names, validate=validate.Length(1, _MOST_ADDRESSES), **options
        )


def _target(value: str) -> None:
    if not is_target_name(value):
        raise ValidationError("Not the name of a target.")


class NodeOsAction(Body):
    """Nothing is needed."""


class SetCpuMode(Body):
    """The processor that servers see; null is what the node's own configuration says."""

    cpu_emulation_mode = choice(*MODES, required=True, allow_none=True)
    cpu_model = Pattern(_MODEL, load_default=None, allow_none=True)


class SetupLogRedirection(Body):
    """Where logs go."""

    log_redirection_hostname = Host(required=True)


class DiscoveryNas(Body):
    """The storage that is asked: a node of the inventory."""

    storage_id = identifier(required=True)


class AttachTargets(Body):
    """Targets to log on to; with vendor or product, multipathd is told of that kind of storage."""

    targets = Targets(required=True)
    vendor = Pattern(_STORAGE, load_default=None, allow_none=True)
    product = Pattern(_STORAGE, load_default=None, allow_none=True)


class ControllerBinding(Body):
    """Nodes by their names, and a virtual controller."""

    controller_uuid = Pattern(_UUID, required=True)
    hostnames = fields.List(name(), required=True, validate=validate.Length(1, 10_000))


TARGETS = {
    "type": "object",
    "required": ["targets"],
    "additionalProperties": False,
    "properties": {
        "targets": {
            "type": "object",
            "description": "Names of targets by the address that offers them. Addresses without an answer "
            "are left out, and the task says why.",
            "additionalProperties": {"type": "array", "items": {"type": "string"}},
            "examples": [{"10.40.38.2": ["volume-887880f7-9e54-4f81-8d32-3e0b7a9b1c5c"]}],
        }
    },
}
"""The answer to a discovery."""
