"""Bodies and answers of the Compute portal, by the document's names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

from marshmallow import Schema, ValidationError, fields, validate

from cloudmanager.api.body import Body
from cloudmanager.api.fields import Flag, name, text, text_or_number, whole
from cloudmanager.flows.portal.marks import DOMAIN_FORM, LONGEST_DOMAIN, is_domain

if TYPE_CHECKING:
    from collections.abc import Mapping

_KEYPAIR = "[A-Za-z0-9_-]{1,190}"
_PUBLIC: Mapping[Any, bool] = {
    True: True,
    False: False,
    "true": True,
    "false": False,
    "shouldbetrue": True,
    "shouldbefalse": False,
    "": False,
}
_LONGEST_VOLUME = 1 << 20


class DomainName(fields.String):
    """The name of a host on the Internet; empty is none."""

    json_schema: ClassVar[dict[str, Any]] = {"pattern": f"^(?:{DOMAIN_FORM})?$", "maxLength": LONGEST_DOMAIN}

    def _deserialize(self, value: Any, *rest: Any, **options: Any) -> Any:
        given = super()._deserialize(value, *rest, **options)
        if given and not is_domain(given):
            raise ValidationError("Not a domain name such as app.example.com.")
        return given.lower() or None


class PublicWish(fields.Field[bool]):
    """true or false, or what the portal's form sends for them."""

    json_schema: ClassVar[dict[str, Any]] = {
        "anyOf": [
            {"type": "string", "enum": [one for one in _PUBLIC if isinstance(one, str)]},
            {"type": "boolean"},
        ]
    }

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> bool:
        if not isinstance(value, bool | str) or value not in _PUBLIC:
            raise ValidationError("Not true, false, shouldbetrue or shouldbefalse.")
        return _PUBLIC[value]


class KeypairName(fields.String):
    """Letters, digits, - and _; Nova knows it with the project's id before it."""

    json_schema: ClassVar[dict[str, Any]] = {"pattern": f"^{_KEYPAIR}$"}

    def _deserialize(self, value: Any, *rest: Any, **options: Any) -> str:
        given = super()._deserialize(value, *rest, **options)
        if not re.fullmatch(_KEYPAIR, given):
            raise ValidationError("Not 1..190 letters, digits, - or _.")
        return given


# --- bodies ------------------------------------------------------------------------------------------------


class SecurityGroupChoice(Body):
    """A security group as the portal's form sends it: `value` is its name or id."""

    value = text(required=True, min_length=1)
    label = text(allow_none=True)


class NewVolume(Body):
    """An empty volume that the instance gets besides its local disk."""

    name = name(required=True)
    size = whole(1, _LONGEST_VOLUME, required=True)


class CreateInstance(Body):
    """What the instance is to be."""

    name = name(required=True)
    image = text(required=True, min_length=1)
    image_name = text(required=True, data_key="imageName")
    flavor = text_or_number(required=True)
    security_groups = fields.List(
        fields.Nested(SecurityGroupChoice),
        data_key="securityGroups",
        load_default=list,
        validate=validate.Length(max=20),
    )
    key_name = KeypairName(allow_none=True, load_default=None)
    network = text(allow_none=True, load_default=None)
    is_public = PublicWish(load_default=False)
    dname = DomainName(allow_none=True, load_default=None)
    enable_ssh = Flag(load_default=False)
    user_data = text(65535, allow_none=True, load_default=None)
    volume = fields.Nested(NewVolume, allow_none=True, load_default=None)


class InstanceChoice(Body):
    """Which instance."""

    instance_id = fields.UUID(required=True, data_key="instanceId")


class SnapshotInstance(InstanceChoice):
    """Which instance, and what its snapshot is called."""

    snapshot_name = name(required=True, data_key="snapshotName")


class BackupVolume(Body):
    """Which volume, and what its backup is called."""

    volume_id = fields.UUID(required=True, data_key="volumeId")
    backup_name = name(required=True, data_key="backupName")


class AttachVolume(InstanceChoice):
    """Which volume becomes one of which instance."""

    volume_id = fields.UUID(required=True, data_key="volumeId")


class CreateKeypair(Body):
    """A public key."""

    name = KeypairName(required=True)
    public_key = text(16384, 1, required=True, data_key="publicKey")


# --- answers -----------------------------------------------------------------------------------------------


class StartedShape(Schema):
    """What is begun."""

    message = fields.String()
    task_id = fields.UUID()


class MessageShape(Schema):
    """What is done."""

    message = fields.String()


class AllowanceShape(Schema):
    """How much of something the project may have, and has."""

    limit = fields.Integer(allow_none=True)
    used = fields.Integer(allow_none=True)


class OverviewShape(Schema):
    """What the project may have, and has."""

    instances = fields.Nested(AllowanceShape)
    cores = fields.Nested(AllowanceShape)
    ram_mb = fields.Nested(AllowanceShape)
    volumes = fields.Nested(AllowanceShape)
    gigabytes = fields.Nested(AllowanceShape)
    volume_snapshots = fields.Nested(AllowanceShape)
    backups = fields.Nested(AllowanceShape)
    floating_ips = fields.Nested(AllowanceShape)
    security_groups = fields.Nested(AllowanceShape)


class FlavorShape(Schema):
    """A size of instances."""

    id = fields.String()
    name = fields.String()
    vcpus = fields.Integer()
    ram_mb = fields.Integer()
    disk_gb = fields.Integer()
    price_per_hour = fields.Float(allow_none=True)


class InstanceShape(Schema):
    """An instance."""

    id = fields.String()
    name = fields.String()
    status = fields.String()
    task_state = fields.String(allow_none=True)
    flavor = fields.String(allow_none=True)
    image_id = fields.String(allow_none=True)
    image_name = fields.String(allow_none=True)
    key_name = fields.String(allow_none=True)
    security_groups = fields.List(fields.String())
    addresses = fields.List(fields.String())
    domain_name = fields.String(allow_none=True)
    volumes = fields.List(fields.String())
    fault = fields.String(allow_none=True)
    created_at = fields.DateTime(allow_none=True)


class InstanceConsoleShape(Schema):
    """Where a browser finds the console."""

    protocol = fields.String()
    type = fields.String()
    url = fields.String()


class InstanceLogShape(Schema):
    """The end of what the instance wrote to its serial console."""

    output = fields.String()


class InstanceActionShape(Schema):
    """Something that was done with the instance."""

    action = fields.String()
    request_id = fields.String()
    started_at = fields.DateTime(allow_none=True)
    message = fields.String(allow_none=True)


class KeypairShape(Schema):
    """A public key that new instances can be given."""

    name = fields.String()
    fingerprint = fields.String()
    public_key = fields.String()


class SnapshotShape(Schema):
    """An image of an instance's disk."""

    id = fields.String()
    name = fields.String(allow_none=True)
    status = fields.String()
    size = fields.Integer(allow_none=True)
    instance_id = fields.String(allow_none=True)
    created_at = fields.DateTime(allow_none=True)


class BackupShape(Schema):
    """A backup of a volume."""

    id = fields.String()
    name = fields.String(allow_none=True)
    status = fields.String()
    volume_id = fields.String()
    size_gb = fields.Integer()
    created_at = fields.DateTime(allow_none=True)


class AttachmentShape(Schema):
    """A volume of an instance."""

    id = fields.String()
    volume_id = fields.String()
    device = fields.String(allow_none=True)


class InstanceForecastShape(Schema):
    """What an instance costs this month."""

    id = fields.String()
    name = fields.String()
    flavor = fields.String(allow_none=True)
    price_per_hour = fields.Float(allow_none=True)
    hours = fields.Float()
    spent = fields.Float(allow_none=True)
    forecast = fields.Float(allow_none=True)


class ForecastShape(Schema):
    """What the project's instances cost this month, if they stay as they are."""

    message = fields.String()
    currency = fields.String(allow_none=True)
    month_begins_at = fields.DateTime()
    month_ends_at = fields.DateTime()
    spent = fields.Float(allow_none=True)
    forecast = fields.Float(allow_none=True)
    instances = fields.List(fields.Nested(InstanceForecastShape))


def every(shape: Schema) -> dict[str, Any]:
    """The schema of a list of these, which the portal's clients take without a wrapper."""
    return {"type": "array", "items": shape}
