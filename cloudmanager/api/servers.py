"""Servers (virtual machines): moving one, bringing it back, copying it. The work itself is done by flows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from flask_smorest import Blueprint
from marshmallow import Schema, fields

from cloudmanager.api.answers import accepted, answer
from cloudmanager.api.body import Body
from cloudmanager.api.document.answers import Answer
from cloudmanager.api.fields import Flag, choice, whole
from cloudmanager.api.hosts import LONGEST, POLICIES, check_unheld
from cloudmanager.api.idempotency import keep
from cloudmanager.api.node_power import start_flow
from cloudmanager.api.operation import operation, wrapped
from cloudmanager.api.services import services
from cloudmanager.api.started import STARTED, started
from cloudmanager.flows.servers.balance import plan_to_balance
from cloudmanager.flows.servers.clone import plan_to_clone
from cloudmanager.flows.servers.clone_checks import check_project
from cloudmanager.flows.servers.repair import plan_to_repair
from cloudmanager.flows.servers.wake import plan_to_reset, plan_to_wake
from cloudmanager.tokens import Role

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from uuid import UUID

    from flask import Response

    from cloudmanager.flows.servers.plan import ServerPlan
    from cloudmanager.openstack.port import CloudPort

blueprint = Blueprint("servers", __name__, url_prefix="/v1", description="Servers (virtual machines)")

MOST_CLONES = 20


class ServerPlanShape(Schema):
    """What would be done with a server; nothing has been started."""

    action = fields.String()
    server_id = fields.String()
    name = fields.String()
    status = fields.String()
    host = fields.String(allow_none=True)
    acts = fields.List(fields.String())
    reason = fields.String(allow_none=True)


class ServerAction(Body):
    """An action on a server; with `dry_run` it is only said what would be done."""

    deadline = whole(1, LONGEST)
    dry_run = Flag()


class BalanceServer(ServerAction):
    """How the server may be moved."""

    move_locked = Flag()
    block_migration = Flag(allow_none=True)
    policy = choice(*POLICIES)


class RepairServer(ServerAction):
    """Bringing a server back; `fenced` is the word of an admin that its dead host is off."""

    fenced = Flag()


class ResetRebootServer(ServerAction):
    """Resetting the state of a server."""

    reboot = Flag()


class CloneServer(ServerAction):
    """How many servers to make."""

    count = whole(1, MOST_CLONES, load_default=1)


PLAN = Answer(wrapped(ServerPlanShape(), "plan"), "The plan, for `dry_run`.")


@dataclass(frozen=True)
class _Action:
    """An action: what it takes, what would be done, and whether its answer has the task's id in its body."""

    name: str
    summary: str
    words: str
    body: Body
    plan: Callable[[CloudPort, Mapping[str, Any]], Coroutine[Any, Any, ServerPlan]]
    tells_task: bool


_ACTIONS = (
    _Action(
        "balance",
        "Migrate a running server to the first host that meets the conditions",
        "Hosts that are up, take servers, have the same CPU and keep the server's groups are tried in turn.",
        BalanceServer(),
        plan_to_balance,
        tells_task=False,
    ),
    _Action(
        "repair",
        "Bring a server back by what is wrong with it",
        "A server of a dead host is started elsewhere only when that host is confirmed off.",
        RepairServer(),
        partial(plan_to_repair, recover=False),
        tells_task=True,
    ),
    _Action(
        "recover",
        "Reset the state of a server and bring it back",
        "As repairing it, without waiting for what Nova is doing with it.",
        RepairServer(),
        partial(plan_to_repair, recover=True),
        tells_task=True,
    ),
    _Action(
        "reset-reboot",
        "Reset the state of a server to active, and restart it where that is wished",
        "Without `reboot` only Nova's record is changed.",
        ResetRebootServer(),
        plan_to_reset,
        tells_task=False,
    ),
    _Action(
        "wakeup",
        "Have a server run that is suspended, paused, stopped or shelved",
        "A server that is not asleep is left as it is.",
        ServerAction(),
        plan_to_wake,
        tells_task=False,
    ),
    _Action(
        "clone",
        "Make servers like another one, with copies of its volumes",
        "They belong to the project of the original: it is 409 where the daemon's user has no role in it, or "
        "its quota no room. A clone that fails takes back what it made.",
        CloneServer(),
        plan_to_clone,
        tells_task=True,
    ),
)


def _serve(action: _Action) -> None:
    def act(server_id: UUID, body: dict[str, Any]) -> Response:
        cloud, params = services().cloud, {"server_id": str(server_id), **body}
        dry_run, deadline = params.pop("dry_run", False), params.pop("deadline", None)
        server = cloud.ask(lambda port: port.server(params["server_id"]))
        if action.name == "clone":
            services().tenants.ask(lambda clouds: check_project(clouds, server, params["count"]))
        if dry_run:
            plan = cloud.ask(lambda port: action.plan(port, params))
            return answer({"plan": plan.told()})
        if action.name == "balance" and server.host is not None:
            check_unheld(server.host)
        with services().database.transaction() as session:
            task_id = start_flow(
                session, f"{action.name}-server", f"server:{server.id}", params, timeout=deadline
            )
            return keep(session, started(task_id) if action.tells_task else accepted(task_id))

    act.__doc__ = action.words
    operation(
        blueprint,
        "POST",
        f"/servers/<uuid:server_id>/actions/{action.name}",
        role=Role.ADMIN,
        name=f"{action.name.replace('-', '_')}_server",
        summary=action.summary,
        body=action.body,
        answers={202: STARTED if action.tells_task else None, 200: PLAN},
        errors=(409, 501, 502, 504),
    )(act)


for _action in _ACTIONS:
    _serve(_action)
