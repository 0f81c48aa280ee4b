"""Compute hosts: how they are, and taking them out of service and back. The work itself is done by flows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from flask import g
from flask_smorest import Blueprint
from marshmallow import Schema, fields, validate
from sqlalchemy import or_, select

from cloudmanager.api.answers import answer, nothing
from cloudmanager.api.body import Body
from cloudmanager.api.document.answers import Answer
from cloudmanager.api.fields import Flag, choice, text, whole
from cloudmanager.api.idempotency import keep
from cloudmanager.api.node_power import start_flow
from cloudmanager.api.operation import listed, operation, wrapped
from cloudmanager.api.services import services
from cloudmanager.api.started import STARTED, started
from cloudmanager.errors import Busy, NotFound
from cloudmanager.flows import holders
from cloudmanager.flows.hosts.in_turn import most_at_a_time
from cloudmanager.flows.hosts.spares import find_spare
from cloudmanager.flows.hosts.survey import plan_for
from cloudmanager.models import Node
from cloudmanager.tokens import Role

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from flask import Response
    from sqlalchemy.orm import Session

    from cloudmanager.flows.hosts.spare_choice import Choice
    from cloudmanager.openstack.port import CloudPort
    from cloudmanager.openstack.records import Hypervisor, Service

T = TypeVar("T")

blueprint = Blueprint("hosts", __name__, url_prefix="/v1", description="Compute hosts")

POLICIES = ("wait", "force-complete", "cold", "leave")
LONGEST = 31 * 24 * 3600
_DEFAULT_REASON = "cordoned by {}"

# --- shapes ------------------------------------------------------------------------------------------------


class HostShape(Schema):
    """A compute host as Nova and the inventory know it."""

    name = fields.String()
    up = fields.Boolean()
    cordoned = fields.Boolean()
    cordon_reason = fields.String(allow_none=True)
    forced_down = fields.Boolean()
    reported_at = fields.DateTime(allow_none=True)
    zone = fields.String(allow_none=True)
    running_servers = fields.Integer(allow_none=True)
    node_id = fields.Integer(allow_none=True)
    task_id = fields.String(allow_none=True)


class VerdictShape(Schema):
    """What can be done with one server."""

    server_id = fields.String()
    name = fields.String()
    status = fields.String()
    ways = fields.List(fields.String())
    reason = fields.String(allow_none=True)
    option = fields.String(allow_none=True)


class SpareChoiceShape(Schema):
    """Which spare would stand in for a lost host."""

    host = fields.String(allow_none=True)
    node_id = fields.Integer(allow_none=True)
    reason = fields.String(allow_none=True)


class HostPlanShape(Schema):
    """What would be done with a host and its servers."""

    host = fields.String()
    up = fields.Boolean()
    cordoned = fields.Boolean()
    movable = fields.Boolean()
    servers = fields.List(fields.Nested(VerdictShape))
    spare = fields.Nested(SpareChoiceShape, allow_none=True)


class PlanShape(Schema):
    """What would be done; nothing has been started."""

    action = fields.String()
    at_a_time = fields.Integer()
    hosts = fields.List(fields.Nested(HostPlanShape))


class MovingServers(Body):
    """How servers may be moved; with `dry_run` it is only said what would be done."""

    allow_off_vm = Flag()
    move_locked = Flag()
    block_migration = Flag(allow_none=True)
    policy = choice(*POLICIES)
    deadline = whole(1, LONGEST)
    dry_run = Flag()


class FenceHost(MovingServers):
    """Emptying a host; `fenced` is the word of an admin that a dead host is off."""

    fenced = Flag()


class EvacuateHost(FenceHost):
    """Emptying a host, whatever its state; `use_spare` has a spare stand in for a dead one."""

    use_spare = Flag()


class ShutdownHost(FenceHost):
    """Emptying a host and switching it off."""

    allow_evacuate = Flag()


class DecommissionHost(ShutdownHost):
    """Emptying a host for good."""

    allow_live_migrate = Flag()
    allow_migrate = Flag()
    power_off = Flag()


class RestartHosts(ShutdownHost):
    """Restarting hosts, each emptied first."""

    hosts = fields.List(text(255, min_length=1), required=True, validate=validate.Length(min=1, max=1000))
    in_sequence = Flag()
    batch = whole(1, 1000)


class CordonHost(Body):
    """Why nothing new shall be put on the host."""

    reason = text(255, min_length=1)


PLAN = Answer(wrapped(PlanShape(), "plan"), "The plan, for `dry_run`.")

# --- reading -----------------------------------------------------------------------------------------------


@operation(
    blueprint,
    "GET",
    "/hosts/",
    role=Role.READER,
    name="list_hosts",
    summary="List compute hosts",
    answers={200: Answer(listed(HostShape(), "hosts"))},
    errors=(501, 502, 504),
)
def list_hosts() -> Response:
    """As Nova knows them now, sorted by name, with their nodes in the inventory and the tasks on them."""
    return answer({"hosts": _hosts(*services().cloud.ask(_all_hosts))})


@operation(
    blueprint,
    "GET",
    "/hosts/<string:host_name>",
    role=Role.READER,
    name="get_host",
    summary="Show a compute host",
    answers={200: Answer(wrapped(HostShape(), "host"))},
    errors=(501, 502, 504),
)
def get_host(host_name: str) -> Response:
    """As Nova knows it now."""
    found, hypervisors = services().cloud.ask(_all_hosts)
    mine = [service for service in found if service.host == host_name]
    if not mine:
        raise NotFound(f"Nova knows no compute host {host_name}")
    return answer({"host": _hosts(mine, hypervisors)[0]})


async def _all_hosts(cloud: CloudPort) -> tuple[Sequence[Service], Sequence[Hypervisor]]:
    return await cloud.services(), await cloud.hypervisors()


def _hosts(found: Iterable[Service], hypervisors: Sequence[Hypervisor]) -> list[dict[str, Any]]:
    by_host = {hypervisor.host: hypervisor for hypervisor in hypervisors}
    rows = sorted(found, key=lambda service: service.host)
    with services().database.reading() as session:
        nodes = nodes_of(session, [service.host for service in rows], hypervisors)
        held = holders(session, [subject_of(service.host) for service in rows])
    return [
        {
            "name": service.host,
            "up": service.up,
            "cordoned": not service.enabled,
            "cordon_reason": service.disabled_reason,
            "forced_down": service.forced_down,
            "reported_at": service.reported_at,
            "zone": service.zone,
            "running_servers": by_host[service.host].running_servers if service.host in by_host else None,
            "node_id": nodes.get(service.host),
            "task_id": held.get(subject_of(service.host)),
        }
        for service in rows
    ]


def nodes_of(session: Session, hosts: Sequence[str], hypervisors: Sequence[Hypervisor]) -> dict[str, int]:
    """{host: its node}, by the hypervisor's id or else by the name."""
    host_of = {hypervisor.id: hypervisor.host for hypervisor in hypervisors}
    query = select(Node.id, Node.name, Node.hypervisor_id).where(
        or_(Node.name.in_(hosts), Node.hypervisor_id.in_(list(host_of)))
    )
    found: dict[str, int] = {}
    for node_id, name, hypervisor_id in session.execute(query):
        found[host_of.get(hypervisor_id or "", name or "")] = node_id
    return found


# --- actions -----------------------------------------------------------------------------------------------


def _serve_host_action(action: str, summary: str, body: Body) -> None:
    @operation(
        blueprint,
        "POST",
        f"/hosts/<string:host_name>/actions/{action}",
        role=Role.ADMIN,
        name=f"{action}_host",
        summary=summary,
        body=body,
        answers={202: STARTED, 200: PLAN},
        errors=(409, 501, 502, 504),
    )
    def act(host_name: str, body: dict[str, Any]) -> Response:
        """With `dry_run` the answer is a verdict on each server, and nothing is touched."""
        kind = f"{action}-host"
        if body.pop("dry_run", False):
            plan = services().cloud.ask(lambda cloud: plan_for(cloud, kind, host_name, body))
            if body.get("use_spare") and not plan["up"]:
                plan["spare"] = spares_for(host_name).told()
            return answer({"plan": {"action": action, "at_a_time": 1, "hosts": [plan]}})
        services().cloud.ask(lambda cloud: cloud.service(host_name))
        deadline = body.pop("deadline", None)
        with services().database.transaction() as session:
            params = {"host": host_name, **body}
            return keep(
                session, started(start_flow(session, kind, subject_of(host_name), params, timeout=deadline))
            )


def spares_for(host: str) -> Choice:
    """Which spares could stand in for a host now."""

    async def read(query: Callable[[Session], T]) -> T:
        with services().database.reading() as session:
            return query(session)

    return services().cloud.ask(lambda cloud: find_spare(cloud, read, host))


_serve_host_action(
    "evacuate", "Empty a host: drain a living one, fence and evacuate a dead one", EvacuateHost()
)
_serve_host_action("shutdown", "Empty a host and switch it off", ShutdownHost())
_serve_host_action("decommission", "Empty a host for good", DecommissionHost())


@operation(
    blueprint,
    "POST",
    "/hosts/actions/restart",
    role=Role.ADMIN,
    name="restart_hosts",
    summary="Restart hosts one after another or few at a time, each emptied first",
    body=RestartHosts(),
    answers={202: STARTED, 200: PLAN},
    errors=(404, 409, 501, 502, 504),
)
def restart_hosts(body: dict[str, Any]) -> Response:
    """The first failure stops it: no further host is begun."""
    body["hosts"] = list(dict.fromkeys(body["hosts"]))
    found = {service.host: service for service in services().cloud.ask(lambda cloud: cloud.services())}
    if unknown := [host for host in body["hosts"] if host not in found]:
        raise NotFound(f"Nova knows no compute host {', '.join(unknown)}")
    if body.pop("dry_run", False):
        wished = 1 if body.get("in_sequence") else body.get("batch") or services().config.hosts.restart_batch
        at_a_time = most_at_a_time(found, body["hosts"], wished)
        return answer({"plan": {"action": "restart", "at_a_time": at_a_time, "hosts": _restart_plans(body)}})
    deadline = body.pop("deadline", None)
    with services().database.transaction() as session:
        return keep(session, started(start_flow(session, "restart-hosts", None, body, timeout=deadline)))


def _restart_plans(body: dict[str, Any]) -> list[dict[str, Any]]:
    async def plans(cloud: CloudPort) -> list[dict[str, Any]]:
        return [await plan_for(cloud, "restart-host", host, body) for host in body["hosts"]]

    return services().cloud.ask(plans)


@operation(
    blueprint,
    "POST",
    "/hosts/<string:host_name>/actions/cordon",
    role=Role.ADMIN,
    name="cordon_host",
    summary="Let nothing new be put on a host",
    body=CordonHost(),
    answers={204: None},
    errors=(409, 501, 502, 504),
)
def cordon_host(host_name: str, body: dict[str, Any]) -> Response:
    """Its servers stay where they are."""
    reason = body.get("reason") or _DEFAULT_REASON.format(g.caller.name)
    check_unheld(host_name)
    services().cloud.ask(lambda cloud: cloud.cordon(host_name, reason))
    return _done()


@operation(
    blueprint,
    "POST",
    "/hosts/<string:host_name>/actions/uncordon",
    role=Role.ADMIN,
    name="uncordon_host",
    summary="Let a host take servers again",
    answers={204: None},
    errors=(409, 501, 502, 504),
)
def uncordon_host(host_name: str) -> Response:
    """Not while a task holds the host, which may have cordoned it for good reason."""
    check_unheld(host_name)
    services().cloud.ask(lambda cloud: cloud.uncordon(host_name))
    return _done()


def subject_of(host: str) -> str:
    """How flows name a host."""
    return f"host:{host}"


def _done() -> Response:
    with services().database.transaction() as session:
        return keep(session, nothing())


def check_unheld(host: str) -> None:
    """Raise `Busy` while a task holds the host."""
    refuse_if_held(subject_of(host), host)


def refuse_if_held(subject: str, title: str) -> None:
    """Raise `Busy` while a task holds the subject, which people call `title`."""
    with services().database.reading() as session:
        holder = holders(session, [subject]).get(subject)
    if holder:
        raise Busy(f"{title} is held by the open task {holder}: wait for it or cancel it", holder)
