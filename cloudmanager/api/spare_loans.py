"""`/v1/spare-loans`: which spares stand in for which lost hosts; returning one, and what that would do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask_smorest import Blueprint
from marshmallow import Schema, fields
from sqlalchemy import select

from cloudmanager.api import filters
from cloudmanager.api.answers import answer
from cloudmanager.api.document.answers import Answer
from cloudmanager.api.fields import Flag
from cloudmanager.api.hosts import MovingServers, VerdictShape, check_unheld, subject_of
from cloudmanager.api.hosts import blueprint as hosts_blueprint
from cloudmanager.api.idempotency import keep
from cloudmanager.api.node_power import start_flow
from cloudmanager.api.operation import operation, wrapped
from cloudmanager.api.reading import Source
from cloudmanager.api.resource import Resource
from cloudmanager.api.services import services
from cloudmanager.api.started import STARTED, started
from cloudmanager.drivers.base import PowerState
from cloudmanager.errors import Conflict, NotFound
from cloudmanager.flows.hosts.loans import loan_of
from cloudmanager.flows.hosts.return_spare import KIND
from cloudmanager.flows.hosts.survey import plan_for
from cloudmanager.models import SpareLoan
from cloudmanager.tokens import Role

if TYPE_CHECKING:
    from flask import Response

    from cloudmanager.flows.hosts.loans import Loan
    from cloudmanager.openstack.port import CloudPort

blueprint = Blueprint("spare-loans", __name__, url_prefix="/v1", description="Spares that stand in for hosts")

_COLUMNS = (
    "id",
    "host",
    "node_id",
    "lost_host",
    "state",
    "aggregates",
    "task_id",
    "message",
    "began_at",
    "ended_at",
)

# --- shapes ------------------------------------------------------------------------------------------------


class SpareLoanShape(Schema):
    """A spare that was asked to stand in for a host."""

    id = fields.Integer()
    host = fields.String()
    node_id = fields.Integer()
    lost_host = fields.String()
    state = fields.String()
    aggregates = fields.List(fields.Integer())
    task_id = fields.String()
    message = fields.String(allow_none=True)
    began_at = fields.DateTime()
    ended_at = fields.DateTime(allow_none=True)


class ReturnPlanShape(Schema):
    """What returning a spare would do."""

    host = fields.String()
    up = fields.Boolean()
    cordoned = fields.Boolean()
    movable = fields.Boolean()
    servers = fields.List(fields.Nested(VerdictShape))
    lost_host = fields.String()
    aggregates = fields.List(fields.Integer())
    power_off = fields.Boolean()


class ReturnSpare(MovingServers):
    """Returning a spare; `drain` moves its servers away first."""

    drain = Flag()


# --- reading -----------------------------------------------------------------------------------------------


def present(row: Any) -> dict[str, Any]:
    """A loan as the API shows it."""
    return dict(zip(_COLUMNS, row, strict=True))


spare_loans = Resource(
    blueprint=blueprint,
    path="/spare-loans/",
    noun="spare_loan",
    plural="spare_loans",
    model=SpareLoan,
    source=Source(
        select(*(getattr(SpareLoan, column) for column in _COLUMNS)), key=SpareLoan.id, present=present
    ),
    shape=SpareLoanShape(),
    fields={
        "id": filters.integer(SpareLoan.id),
        "host": filters.text(SpareLoan.host),
        "node_id": filters.integer(SpareLoan.node_id),
        "lost_host": filters.text(SpareLoan.lost_host),
        "state": filters.text(SpareLoan.state),
        "task_id": filters.text(SpareLoan.task_id),
        "began_at": filters.moment(SpareLoan.began_at),
        "ended_at": filters.moment(SpareLoan.ended_at),
    },
).register()

# --- returning ---------------------------------------------------------------------------------------------


@operation(
    hosts_blueprint,
    "POST",
    "/hosts/<string:host_name>/actions/return-spare",
    role=Role.ADMIN,
    name="return_spare_host",
    summary="Put a spare that stands in for a host back into reserve",
    body=ReturnSpare(),
    answers={
        202: STARTED,
        200: Answer(wrapped(ReturnPlanShape(), "plan"), "The plan, for `dry_run`."),
    },
    errors=(409, 501, 502, 504),
)
def return_spare(host_name: str, body: dict[str, Any]) -> Response:
    """`host_name` is the spare's. While it holds servers it is refused (409) without `drain`."""
    loan = _lent(host_name)
    plan = services().cloud.ask(lambda cloud: _plan(cloud, loan, body))
    if body.pop("dry_run", False):
        return answer({"plan": plan})
    if plan["servers"] and not body.get("drain"):
        raise Conflict(
            f"{host_name} holds {len(plan['servers'])} servers: move them, or ask with drain: true"
        )
    deadline = body.pop("deadline", None)
    with services().database.transaction() as session:
        params = {"host": host_name, **body}
        task_id = start_flow(session, KIND, subject_of(host_name), params, timeout=deadline)
        return keep(session, started(task_id))


def _lent(host: str) -> Loan:
    """The loan of a spare; raises `NotFound` for a host that nobody knows, `Conflict` for any other."""
    with services().database.reading() as session:
        loan = loan_of(session, host)
    if loan is None:
        services().cloud.ask(lambda cloud: cloud.service(host))
        raise Conflict(f"{host} stands in for no host: GET /v1/spare-loans/ shows those that do")
    check_unheld(host)
    return loan


async def _plan(cloud: CloudPort, loan: Loan, body: dict[str, Any]) -> dict[str, Any]:
    """A host that Nova has forgotten has no servers, and is only switched off."""
    try:
        plan = await plan_for(cloud, KIND, loan.host, body)
        plan.pop("spare")
    except NotFound:
        plan = {"host": loan.host, "up": False, "cordoned": True, "servers": [], "movable": True}
    power_off = loan.found["power"] == PowerState.OFF
    return {**plan, "lost_host": loan.lost_host, "aggregates": loan.aggregates, "power_off": power_off}
