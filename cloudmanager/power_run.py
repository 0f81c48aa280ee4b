"""`cloudmanager power on|off|reset`: runs the flows of the API in this process, and waits for their end."""

from __future__ import annotations

import asyncio
import getpass
import time
from typing import TYPE_CHECKING, Any

import click
import orjson
from sqlalchemy import select

from cloudmanager import logs
from cloudmanager.errors import Busy
from cloudmanager.flows import start
from cloudmanager.flows.base import Ports
from cloudmanager.flows.engine import Engine, EngineOptions
from cloudmanager.host.absent import absent_host
from cloudmanager.models import FlowRow, Status
from cloudmanager.openstack.absent import absent_cloud
from cloudmanager.power import Power
from cloudmanager.prometheus import Prometheus
from cloudmanager.system_clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudmanager.power_targets import Inventory, Targets

_LOOK_EVERY = 0.5


def switch(targets: Targets, kind: str, params: dict[str, Any], *, as_json: bool) -> bool:
    """Switch every target and tell what came of each; whether all succeeded."""
    begun = time.perf_counter()
    with targets.inventory() as inventory:
        inventory.config.set_override("level", "warning", group="log")
        logs.set_up(inventory.config, "power")
        flows = _start(inventory, kind, params)
        asyncio.run(_drive(inventory, [flow for flow in flows if not isinstance(flow, Busy)]))
        outcomes = _outcomes(inventory, flows)
    wall = time.perf_counter() - begun
    results = [
        {"title": title, "host": device.settings.host, "port": device.settings.port, **outcome}
        for title, device, outcome in zip(targets.titles, targets.devices, outcomes, strict=True)
    ]
    done = [outcome["status"] for outcome in outcomes].count(Status.SUCCESS)
    if as_json:
        click.echo(orjson.dumps({"devices": len(results), "results": results, "wall_s": wall}))
    else:
        for result in results:
            click.echo(f"{result['title']}: {result['error'] or result['message']}")
        click.echo(f"{done} of {len(results)} done in {wall:.3f} s", err=True)
    return done == len(results)


def _start(inventory: Inventory, kind: str, params: dict[str, Any]) -> list[str | Busy]:
    """A flow for each node; `Busy` for one that a task holds."""
    flows: list[str | Busy] = []
    with inventory.database.transaction() as session:
        for node_id in inventory.node_ids:
            try:
                flow = start(
                    session,
                    kind,
                    subject=f"node:{node_id}",
                    params={"node_id": node_id, **params},
                    requested_by=f"command line: {getpass.getuser()}",
                    request_id=None,
                )
            except Busy as busy:
                flows.append(busy)
            else:
                flows.append(flow)
    return flows


async def _drive(inventory: Inventory, flows: Sequence[str]) -> None:
    """Advance the flows here until they have ended; a worker that is faster may take some."""
    power = Power(inventory.database, inventory.vault, inventory.config)
    ports = Ports(
        power=power,
        cloud=absent_cloud(),
        host=absent_host(),
        alerts=Prometheus(inventory.config.prometheus),
        clock=SystemClock(),
        config=inventory.config,
    )
    engine = Engine(inventory.database, ports, EngineOptions.from_config(inventory.config), _nobody)
    left = list(flows)
    try:
        while left:
            await engine.advance(left)
            if left := await asyncio.to_thread(_open, inventory, left):
                await asyncio.sleep(_LOOK_EVERY)
    finally:
        await power.close()


def _open(inventory: Inventory, flows: Sequence[str]) -> list[str]:
    query = select(FlowRow.id).where(FlowRow.id.in_(flows), FlowRow.ended_at.is_(None))
    with inventory.database.reading() as session:
        return list(session.scalars(query))


def _outcomes(inventory: Inventory, flows: Sequence[str | Busy]) -> list[dict[str, Any]]:
    ids = [flow for flow in flows if not isinstance(flow, Busy)]
    columns = (FlowRow.id, FlowRow.status, FlowRow.message, FlowRow.error)
    with inventory.database.reading() as session:
        rows = {row.id: row for row in session.execute(select(*columns).where(FlowRow.id.in_(ids)))}
    return [
        {"status": Status.FAILURE, "message": None, "error": flow.message}
        if isinstance(flow, Busy)
        else {"status": rows[flow].status, "message": rows[flow].message, "error": rows[flow].error}
        for flow in flows
    ]


def _nobody(_ids: Sequence[str]) -> None:
    """There is nobody to ring for: what is started here is driven here."""
