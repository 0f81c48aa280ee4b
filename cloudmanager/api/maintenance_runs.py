"""Openings of maintenance windows: what became of each, and opening one now."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from flask import g
from sqlalchemy import select

from cloudmanager.api import filters
from cloudmanager.api.answers import answer
from cloudmanager.api.document.answers import Answer
from cloudmanager.api.idempotency import keep
from cloudmanager.api.maintenance_schemas import RunShape, RunWindow, WindowPlanShape
from cloudmanager.api.maintenance_windows import blueprint, windows
from cloudmanager.api.operation import operation, wrapped
from cloudmanager.api.reading import Source
from cloudmanager.api.resource import Parent, Resource
from cloudmanager.api.services import services
from cloudmanager.api.started import STARTED, started
from cloudmanager.db import after_commit
from cloudmanager.errors import Conflict
from cloudmanager.flows.hosts.in_turn import most_at_a_time
from cloudmanager.flows.hosts.survey import plan_for
from cloudmanager.flows.maintenance.blockers import first_reason
from cloudmanager.flows.maintenance.openings import open_window
from cloudmanager.flows.maintenance.schedule import Opening
from cloudmanager.flows.maintenance.selector import choose, cloud_hosts, machines
from cloudmanager.flows.maintenance.window import ACTIONS
from cloudmanager.models import MaintenanceRun, MaintenanceWindow
from cloudmanager.prometheus import Prometheus
from cloudmanager.tokens import Role

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from flask import Response
    from sqlalchemy.orm import Session

    from cloudmanager.openstack.port import CloudPort
    from cloudmanager.openstack.records import Aggregate

_COLUMNS = (
    "id",
    "opens_at",
    "closes_at",
    "begun_at",
    "ended_at",
    "status",
    "message",
    "task_id",
    "hosts",
)


def present(row: Any) -> dict[str, Any]:
    """An opening as the API shows it."""
    return dict(zip(_COLUMNS, row, strict=True))


runs = Resource(
    blueprint=blueprint,
    path="/maintenance-windows/<id:maintenance_window_id>/runs/",
    noun="run",
    plural="runs",
    model=MaintenanceRun,
    source=Source(
        select(*(getattr(MaintenanceRun, column) for column in _COLUMNS)),
        key=MaintenanceRun.id,
        present=present,
    ),
    shape=RunShape(),
    fields={
        "id": filters.integer(MaintenanceRun.id),
        "opens_at": filters.moment(MaintenanceRun.opens_at),
        "status": filters.text(MaintenanceRun.status),
        "task_id": filters.text(MaintenanceRun.task_id),
    },
    parent=Parent("maintenance_window", "maintenance_window_id", MaintenanceWindow, MaintenanceRun.window_id),
).register()


@operation(
    blueprint,
    "POST",
    "/maintenance-windows/<id:maintenance_window_id>/actions/run",
    role=Role.ADMIN,
    name="run_maintenance_window",
    summary="Open a maintenance window now, for its length",
    body=RunWindow(),
    answers={202: STARTED, 200: Answer(wrapped(WindowPlanShape(), "plan"), "The plan, for `dry_run`.")},
    errors=(409, 501, 502, 504),
)
def run_window(maintenance_window_id: int, body: dict[str, Any]) -> Response:
    """One that is disabled, too. What blocks it blocks it now as well."""
    if body.get("dry_run"):
        with services().database.reading() as session:
            shown = windows.show(session, maintenance_window_id)
            nodes = machines(session)
        return answer({"plan": _plan(shown, nodes)})
    with services().database.transaction() as session:
        window = windows.row(session, maintenance_window_id)
        now = time.time()
        task_id = open_window(
            session,
            window,
            Opening(now, now + window.length),
            scheduled=False,
            requested_by=g.caller.name,
            request_id=g.request_id,
        )
        if task_id is None:
            raise Conflict("it has been opened at this very moment")
        after_commit(session, lambda: services().bell.ring([task_id]))
        return keep(session, started(task_id))


def _plan(window: Mapping[str, Any], nodes: Sequence[Any]) -> dict[str, Any]:
    """What the window would do, and what keeps it from it."""
    known = services().cloud.ask(cloud_hosts)
    if window["action"] == "audit":
        return _audits(window, known.aggregates)
    hosts = choose(window["hosts"], known, nodes)
    found = [host for host in hosts if host in known.by_name]
    kind = ACTIONS[window["action"]]

    async def plans(cloud: CloudPort) -> list[dict[str, Any]]:
        return [await plan_for(cloud, kind, host, window["parameters"]) for host in found]

    return {
        "action": window["action"],
        "at_a_time": most_at_a_time(known.by_name, found, window["batch"]),
        "blocked": _blocked(window["blockers"]),
        "unknown_hosts": [host for host in hosts if host not in known.by_name],
        "hosts": services().cloud.ask(plans),
        "aggregates": [],
    }


def _audits(window: Mapping[str, Any], known: Sequence[Aggregate]) -> dict[str, Any]:
    """Which aggregates would be audited; what for is said by a dry run of `execute-audit`."""
    wanted = window["hosts"]["aggregates"]
    names = {value for aggregate in known for value in (aggregate.id, aggregate.name)}
    chosen = [aggregate for aggregate in known if {aggregate.id, aggregate.name} & set(wanted)]
    return {
        "action": window["action"],
        "at_a_time": window["batch"],
        "blocked": _blocked(window["blockers"]),
        "unknown_hosts": [str(each) for each in wanted if each not in names],
        "hosts": [],
        "aggregates": [aggregate.name for aggregate in chosen],
    }


def _blocked(blockers: Sequence[Mapping[str, Any]]) -> str | None:
    async def read(query: Callable[[Session], str | None]) -> str | None:
        with services().database.reading() as session:
            return query(session)

    return asyncio.run(first_reason(blockers, Prometheus(services().config.prometheus), read, None))
