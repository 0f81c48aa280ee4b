"""Bodies and shapes of webhooks and their deliveries. No shape has a secret."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from cloudmanager.api.body import Body
from cloudmanager.api.fields import Flag, identifier
from cloudmanager.api.maintenance_schemas import Moment
from cloudmanager.webhooks import kinds, signature

if TYPE_CHECKING:
    from collections.abc import Mapping

_LONGEST_URL = 2000
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = rf"(?:{_LABEL}\.){{0,9}}[A-Za-z](?:[A-Za-z0-9-]{{0,61}}[A-Za-z0-9])?"
_IPV4 = r"(?:(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])\.){3}(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])"
_IPV6 = r"\[[0-9A-Fa-f:.]{2,45}\]"
_PORT = r"(?::[1-9][0-9]{0,4})?"
_URL = rf'https?://(?:{_NAME}|{_IPV4}|{_IPV6}){_PORT}(?:[/?][!"$-~]*)?'
_FOUR = "[A-Za-z0-9+/]{4}"
_TWO, _THREE = "[A-Za-z0-9+/]{2}==", "[A-Za-z0-9+/]{3}="
_SECRET = rf"{signature.PREFIX}(?:(?:{_FOUR}){{8,20}}(?:{_TWO}|{_THREE}|{_FOUR})?|(?:{_FOUR}){{21}}{_TWO})"


class WebhookUrl(fields.String):
    """An address for http or https, without a name and password in it, or a fragment."""

    json_schema: ClassVar[dict[str, Any]] = {"pattern": f"^{_URL}$", "maxLength": _LONGEST_URL}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        url = super()._deserialize(value, attr, data, **kwargs)
        if len(url) > _LONGEST_URL or not re.fullmatch(_URL, url):
            raise ValidationError("Not http:// or https://, a host, and a path; no credentials, no fragment.")
        try:
            _ = urlsplit(url).port
        except ValueError:
            raise ValidationError("The port or the address is not one.") from None
        return url


class Secret(fields.String):
    """`whsec_` and a key in base64."""

    json_schema: ClassVar[dict[str, Any]] = {"pattern": f"^{_SECRET}$"}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        secret = super()._deserialize(value, attr, data, **kwargs)
        try:
            signature.key_of(secret)
        except ValueError as error:
            raise ValidationError(f"{str(error)[0].upper()}{str(error)[1:]}.") from None
        return secret


def _kinds(**options: Any) -> fields.List[Any]:
    length = validate.Length(max=64)
    pattern = validate.Regexp(rf"^{kinds.PATTERN}\Z", error="Not like host.down, host.* or *.")
    return fields.List(
        fields.String(validate=[length, pattern]), validate=validate.Length(min=1, max=50), **options
    )


class WebhookChange(Body):
    """Changes of a webhook; what waits for it is sent at once."""

    url = WebhookUrl()
    secret = Secret()
    kinds = _kinds()
    enabled = Flag()


class WebhookBody(WebhookChange):
    """A new webhook."""

    url = WebhookUrl(required=True)
    secret = Secret(required=True)
    kinds = _kinds(load_default=lambda: ["*"])
    enabled = Flag(load_default=True)


class WebhookShape(Schema):
    """A webhook."""

    id = fields.Integer()
    url = fields.String()
    kinds = fields.List(fields.String())
    enabled = fields.Boolean()
    created_at = fields.DateTime()
    updated_at = fields.DateTime(allow_none=True)
    failing_since = fields.DateTime(allow_none=True)
    pending = fields.Integer()


class DeliveryShape(Schema):
    """An event for a webhook, and how far it has come."""

    id = fields.Integer()
    event_id = fields.String()
    kind = fields.String()
    subject = fields.String(allow_none=True)
    event = fields.Dict()
    status = fields.String()
    attempts = fields.Integer()
    next_attempt_at = fields.DateTime(allow_none=True)
    last_status = fields.Integer(allow_none=True)
    error = fields.String(allow_none=True)
    created_at = fields.DateTime()
    ended_at = fields.DateTime(allow_none=True)


class ReplayBody(Body):
    """Which deliveries are sent again: either of the two."""

    since = Moment()
    delivery_ids = fields.List(identifier(), validate=validate.Length(min=1, max=1000))

    @validates_schema
    def _one_of_two(self, data: Mapping[str, Any], **_: Any) -> None:
        if len(data) != 1:
            raise ValidationError("Either since or delivery_ids.", "since")


class QueuedShape(Schema):
    """Deliveries that have been queued."""

    delivery_ids = fields.List(fields.Integer())
