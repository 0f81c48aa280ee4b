"""Maintenance windows: when what is done to which hosts. The flow of an opening does the work itself."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from flask_smorest import Blueprint
from sqlalchemy import select

from cloudmanager.api import filters
from cloudmanager.api.idempotency import keep
from cloudmanager.api.maintenance_schemas import PARAMETERS_OF, WindowBody, WindowChange, WindowShape
from cloudmanager.api.operation import operation, wrapped
from cloudmanager.api.reading import Source
from cloudmanager.api.resource import Resource
from cloudmanager.api.services import services
from cloudmanager.errors import Busy, CloudError, InvalidInput, Unavailable
from cloudmanager.flows import holders
from cloudmanager.flows.maintenance.openings import subject_of
from cloudmanager.flows.maintenance.schedule import Schedule, moment_of
from cloudmanager.flows.maintenance.selector import cloud_hosts
from cloudmanager.models import MaintenanceRun, MaintenanceWindow, NodeClass
from cloudmanager.prometheus import Prometheus
from cloudmanager.tokens import Role

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flask import Response
    from sqlalchemy.orm import Session

blueprint = Blueprint(
    "maintenance-windows", __name__, url_prefix="/v1", description="When hosts are restarted or taken away"
)

NOUN = "maintenance_window"
_COLUMNS = (
    "id",
    "name",
    "enabled",
    "action",
    "parameters",
    "hosts",
    "schedule",
    "length",
    "batch",
    "stop_after_failures",
    "blockers",
    "created_at",
    "updated_at",
)
_OPEN_TASK = (
    select(MaintenanceRun.task_id)
    .where(MaintenanceRun.window_id == MaintenanceWindow.id, MaintenanceRun.ended_at.is_(None))
    .limit(1)
    .correlate(MaintenanceWindow)
    .scalar_subquery()
)


def present(row: Any) -> dict[str, Any]:
    """A window as the API shows it, with the opening that is under way or comes next."""
    *columns, task_id = row
    shown = dict(zip(_COLUMNS, columns, strict=True))
    schedule = Schedule.stored(shown["schedule"], shown["length"])
    following = schedule.next_to_close(time.time()) if shown["enabled"] else None
    return {
        **shown,
        "next_opens_at": moment_of(following.opens_at) if following else None,
        "next_closes_at": moment_of(following.closes_at) if following else None,
        "task_id": task_id,
    }


def release(session: Session, window: MaintenanceWindow) -> None:
    """A window stays while it is worked for."""
    subject = subject_of(window.id)
    if holder := holders(session, [subject]).get(subject):
        raise Busy(f"window {window.name} is held by the open task {holder}: wait or cancel it", holder)


windows = Resource(
    blueprint=blueprint,
    path="/maintenance-windows/",
    noun=NOUN,
    plural="maintenance_windows",
    model=MaintenanceWindow,
    source=Source(
        select(*(getattr(MaintenanceWindow, column) for column in _COLUMNS), _OPEN_TASK),
        key=MaintenanceWindow.id,
        present=present,
    ),
    shape=WindowShape(),
    fields={
        "id": filters.integer(MaintenanceWindow.id),
        "name": filters.text(MaintenanceWindow.name),
        "enabled": filters.boolean(MaintenanceWindow.enabled),
        "action": filters.text(MaintenanceWindow.action),
    },
    release=release,
    observed=frozenset({"next_opens_at", "next_closes_at", "task_id"}),
).register()


@operation(
    blueprint,
    "POST",
    windows.path,
    role=Role.ADMIN,
    name="create_maintenance_window",
    summary="Create maintenance window",
    body=WindowBody(),
    wrapper=NOUN,
    answers={201: wrapped(WindowShape(), NOUN)},
    errors=(409,),
)
def create_window(body: dict[str, Any]) -> Response:
    """Names that can be looked up now must be there; its hosts are chosen each time that it opens."""
    _check_outside(body)
    with services().database.transaction() as session:
        _check(session, body, body)
        return keep(session, windows.created(windows.show(session, windows.insert(session, body))))


@operation(
    blueprint,
    "PUT",
    windows.item_path,
    role=Role.ADMIN,
    name="update_maintenance_window",
    summary="Update maintenance window",
    body=WindowChange(),
    wrapper=NOUN,
    answers={200: wrapped(WindowShape(), NOUN)},
    errors=(409,),
    conditional=True,
)
def update_window(maintenance_window_id: int, body: dict[str, Any]) -> Response:
    """What is given changes, for the next opening; `enabled: false` also holds for one that is open."""
    _check_outside(body)
    with services().database.transaction() as session:
        window = windows.row(session, maintenance_window_id)
        windows.check_fresh(session, maintenance_window_id)
        _check(session, body, {name: getattr(window, name) for name in _COLUMNS} | body)
        windows.change(session, window, body)
        return windows.one(windows.show(session, maintenance_window_id))


# --- what bodies may say ---------------------------------------------------------------------------------


def _check(session: Session, given: dict[str, Any], window: Mapping[str, Any]) -> None:
    """Raise `InvalidInput` for what contradicts itself or the inventory; `given` is what is new."""
    if "cron" in given.get("schedule", {}):
        given["schedule"].setdefault("time_zone", "UTC")
    taken = set(PARAMETERS_OF[window["action"]]().fields)
    if wrong := sorted(set(window["parameters"]) - taken):
        message = f"the action {window['action']} takes no {', '.join(wrong)}"
        raise InvalidInput(message, {f"parameters.{name}": ["Unknown field."] for name in wrong})
    _check_selector(window)
    if given.keys() & {"schedule", "length"}:
        _check_schedule(Schedule.stored(window["schedule"], window["length"]))
    _check_classes(session, given.get("hosts", {}).get("node_classes", ()))


def _check_selector(window: Mapping[str, Any]) -> None:
    """An audit is of whole aggregates."""
    others = sorted(set(window["hosts"]) - {"aggregates"})
    if window["action"] == "audit" and (others or "aggregates" not in window["hosts"]):
        wrong = {f"hosts.{name}": ["An audit is of aggregates."] for name in others or ["aggregates"]}
        raise InvalidInput("hosts: an audit is of aggregates, and of nothing else", wrong)


def _check_schedule(schedule: Schedule) -> None:
    now = time.time()
    if schedule.next_to_close(now) is None:
        place = "schedule.cron" if schedule.cron else "schedule.starts_at"
        raise InvalidInput(f"{place}: the window would never open", {place: ["Never opens."]})
    if schedule.overlaps(now):
        message = "length: the window would open again before it has closed"
        raise InvalidInput(message, {"length": ["Longer than from one opening to the next."]})


def _check_classes(session: Session, given: Sequence[Any]) -> None:
    known = {value for row in session.execute(select(NodeClass.id, NodeClass.name)) for value in row}
    _refuse("hosts.node_classes", given, known, "node class")


def _check_outside(given: Mapping[str, Any]) -> None:
    """Ask the cloud and Prometheus whether they know what the body names, as far as they answer."""
    hosts = given.get("hosts", {})
    if hosts.keys() & {"names", "aggregates"}:
        with suppress(CloudError):  # it may be away when a window is written: what is not there is told later
            known = services().cloud.ask(cloud_hosts)
            _refuse("hosts.names", hosts.get("names", ()), set(known.by_name), "compute host")
            names = {value for aggregate in known.aggregates for value in (aggregate.id, aggregate.name)}
            _refuse("hosts.aggregates", hosts.get("aggregates", ()), names, "aggregate")
    for place, blocker in enumerate(given.get("blockers", ())):
        if "prometheus" in blocker:
            _check_query(blocker["prometheus"]["query"], f"blockers.{place}.prometheus.query")


def _check_query(query: str, place: str) -> None:
    options = services().config.prometheus
    if not options.url:
        message = f"{place}: Prometheus is not configured: set [prometheus] url"
        raise InvalidInput(message, {place: ["Nobody to ask."]})
    try:
        with suppress(Unavailable):
            asyncio.run(Prometheus(options).found_by(query))
    except InvalidInput as error:
        raise InvalidInput(f"{place}: {error.message}", {place: error.fields["query"]}) from None


def _refuse(place: str, given: Sequence[Any], known: set[Any], noun: str) -> None:
    wrong = {
        f"{place}.{number}": [f"No such {noun}."] for number, value in enumerate(given) if value not in known
    }
    if wrong:
        unknown = [str(value) for value in given if value not in known]
        raise InvalidInput(f"there is no {noun} {', '.join(unknown)}", wrong)
