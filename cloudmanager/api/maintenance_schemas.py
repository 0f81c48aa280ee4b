"""What maintenance windows and their runs look like, and what bodies say of them."""

from __future__ import annotations

import functools
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from cloudmanager.api.audit_schemas import ExecuteAudit
from cloudmanager.api.body import Body
from cloudmanager.api.fields import Flag, choice, name, text, whole
from cloudmanager.api.hosts import DecommissionHost, HostPlanShape, ShutdownHost
from cloudmanager.flows import FLOWS
from cloudmanager.flows.maintenance.schedule import check_cron, check_time_zone
from cloudmanager.flows.maintenance.window import ACTIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LONGEST = 7 * 24 * 3600
_MOMENT = r"20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z?"
_MANY = 1000


class NameOrId(fields.Field[Any]):
    """What has both: text is a name, a number an id."""

    json_schema: ClassVar[dict[str, Any]] = {
        "anyOf": [
            {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[^\u0000]*$"},
            {"type": "integer", "minimum": 1, "maximum": 2**31 - 1},
        ]
    }

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Any:
        field = text(255, min_length=1) if isinstance(value, str) else whole(1)
        return field.deserialize(value)


class Moment(fields.String):
    """A time in UTC, kept as text in the form of all times."""

    json_schema: ClassVar[dict[str, Any]] = {"pattern": f"^{_MOMENT}$"}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        given = super()._deserialize(value, attr, data, **kwargs)
        try:
            if re.fullmatch(_MOMENT, given, re.ASCII):
                return datetime.fromisoformat(given).astimezone(UTC).replace(tzinfo=None).isoformat()
        except ValueError:
            pass
        raise ValidationError("Not a time in UTC like 2027-10-17T22:00:00.")


def _list_of(field: fields.Field[Any], most: int = _MANY) -> fields.List[Any]:
    return fields.List(field, validate=validate.Length(min=1, max=most))


class RackBody(Body):
    """Where a rack is; what is not given may be anything."""

    dtc_number = whole(1, 99)
    row_number = whole(1, 99)
    rack_number = whole(1, 99)

    @validates_schema
    def _something(self, data: Mapping[str, Any], **_: Any) -> None:
        _at_least_one(data)


class HostSelector(Body):
    """Which hosts: what is given is combined by *and*, each list by *or*."""

    names = _list_of(text(255, min_length=1))
    node_classes = _list_of(NameOrId())
    racks = _list_of(fields.Nested(RackBody))
    aggregates = _list_of(NameOrId())

    @validates_schema
    def _something(self, data: Mapping[str, Any], **_: Any) -> None:
        _at_least_one(data)


def _says(check: Callable[[str], None]) -> Callable[[str], None]:
    """A check that raises ValueError, as a validator."""

    @functools.wraps(check)
    def validator(value: str) -> None:
        try:
            check(value)
        except ValueError as error:
            raise ValidationError(f"{str(error)[0].upper()}{str(error)[1:]}.") from None

    return validator


class ScheduleBody(Body):
    """Either `cron` with its time zone, or `starts_at`, once."""

    cron = fields.String(validate=[validate.Length(max=100), _says(check_cron)])
    time_zone = fields.String(validate=[validate.Length(max=64), _says(check_time_zone)])
    starts_at = Moment()

    @validates_schema
    def _one_of_two(self, data: Mapping[str, Any], **_: Any) -> None:
        if ("cron" in data) == ("starts_at" in data):
            raise ValidationError("Either cron or starts_at.", "cron")
        if "starts_at" in data and "time_zone" in data:
            raise ValidationError("Goes with cron: starts_at is in UTC.", "time_zone")


class PrometheusBlocker(Body):
    """A query; as long as it finds something, no other host is begun."""

    query = text(4096, min_length=1, required=True)


class Blocker(Body):
    """What keeps a window from beginning another host: either of the two."""

    prometheus = fields.Nested(PrometheusBlocker)
    tasks = _list_of(choice(*FLOWS), 50)

    @validates_schema
    def _one_of_two(self, data: Mapping[str, Any], **_: Any) -> None:
        if len(data) != 1:
            raise ValidationError("Either prometheus or tasks.", "prometheus")


class HostParameters(DecommissionHost):
    """What the action is given for each host. Nobody can vouch for a host before the window opens."""

    class Meta(DecommissionHost.Meta):
        """Without what belongs to one request."""

        exclude = ("deadline", "dry_run", "fenced")


class AuditParameters(ExecuteAudit):
    """What an audit of a window is given; unless it is said otherwise its plan is carried out at once."""

    class Meta(ExecuteAudit.Meta):
        """Without what belongs to one request."""

        exclude = ("dry_run",)


class WindowParameters(HostParameters, AuditParameters):
    """What the action is given: for hosts or for aggregates."""

    class Meta(ExecuteAudit.Meta):
        """Without what belongs to one request."""

        exclude = ("deadline", "dry_run", "fenced")


PARAMETERS_OF: Mapping[str, type[Body]] = {
    "restart": ShutdownHost,
    "shutdown": ShutdownHost,
    "decommission": DecommissionHost,
    "audit": AuditParameters,
}
"""Whose parameters each action takes."""


class WindowChange(Body):
    """Changes of a window; they count from its next opening on, but for `enabled`: false stops it now."""

    name = name()
    enabled = Flag()
    action = choice(*ACTIONS)
    parameters = fields.Nested(WindowParameters)
    hosts = fields.Nested(HostSelector)
    schedule = fields.Nested(ScheduleBody)
    length = whole(60, LONGEST)
    batch = whole(1, _MANY)
    stop_after_failures = whole(1, _MANY)
    blockers = fields.List(fields.Nested(Blocker), validate=validate.Length(max=20))


class WindowBody(WindowChange):
    """A new window."""

    name = name(required=True)
    enabled = Flag(load_default=True)
    action = choice(*ACTIONS, required=True)
    parameters = fields.Nested(WindowParameters, load_default=dict)
    hosts = fields.Nested(HostSelector, required=True)
    schedule = fields.Nested(ScheduleBody, required=True)
    length = whole(60, LONGEST, required=True)
    batch = whole(1, _MANY, load_default=1)
    stop_after_failures = whole(1, _MANY, load_default=1)
    blockers = fields.List(fields.Nested(Blocker), validate=validate.Length(max=20), load_default=list)


class WindowShape(Schema):
    """A maintenance window."""

    id = fields.Integer()
    name = fields.String()
    enabled = fields.Boolean()
    action = fields.String()
    parameters = fields.Nested(WindowParameters)
    hosts = fields.Nested(HostSelector)
    schedule = fields.Nested(ScheduleBody)
    length = fields.Integer()
    batch = fields.Integer()
    stop_after_failures = fields.Integer()
    blockers = fields.List(fields.Nested(Blocker))
    created_at = fields.DateTime()
    updated_at = fields.DateTime(allow_none=True)
    next_opens_at = fields.DateTime(allow_none=True)
    next_closes_at = fields.DateTime(allow_none=True)
    task_id = fields.String(allow_none=True)


class RunHostShape(Schema):
    """What became of a host."""

    host = fields.String()
    outcome = fields.String()
    reason = fields.String(allow_none=True)
    task_id = fields.String(allow_none=True)


class RunShape(Schema):
    """One opening of a window."""

    id = fields.Integer()
    opens_at = fields.DateTime()
    closes_at = fields.DateTime()
    begun_at = fields.DateTime()
    ended_at = fields.DateTime(allow_none=True)
    status = fields.String()
    message = fields.String(allow_none=True)
    task_id = fields.String()
    hosts = fields.List(fields.Nested(RunHostShape))


class RunWindow(Body):
    """Opening a window now, for its length; with `dry_run` it is only said what would be done."""

    dry_run = Flag()


class WindowPlanShape(Schema):
    """What a window would do if it opened now; nothing has been started."""

    action = fields.String()
    at_a_time = fields.Integer()
    blocked = fields.String(allow_none=True)
    unknown_hosts = fields.List(fields.String())
    hosts = fields.List(fields.Nested(HostPlanShape))
    aggregates = fields.List(fields.String())


def _at_least_one(data: Mapping[str, Any]) -> None:
    if not data:
        raise ValidationError("Nothing is given: at least one of them.")
