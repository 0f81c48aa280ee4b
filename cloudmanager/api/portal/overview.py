"""What the project may have and has, the sizes of instances, and what they cost."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cloudmanager.api.answers import answer
from cloudmanager.api.portal.door import ask, blueprint, tenant_operation
from cloudmanager.api.portal.presenting import present_size
from cloudmanager.api.portal.shapes import FlavorShape, ForecastShape, OverviewShape, every
from cloudmanager.api.services import services
from cloudmanager.openstack.tenant_records import Allowance

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flask import Response

    from cloudmanager.openstack.records import Server
    from cloudmanager.openstack.tenant_port import TenantCloud

__all__ = ["blueprint"]

NOT_TOLD = Allowance(None, None)

_HOUR = 3600.0
_DECEMBER = 12


@tenant_operation(
    "GET",
    "/overview",
    name="show_portal_overview",
    summary="Show what the project may have, and has",
    answers={200: OverviewShape()},
)
def show_overview() -> Response:
    """Of instances, cores, memory, volumes, backups and public addresses."""

    async def everything(cloud: TenantCloud) -> dict[str, Allowance]:
        found = await asyncio.gather(
            cloud.compute_allowances(), cloud.storage_allowances(), cloud.network_allowances()
        )
        return {name: one for part in found for name, one in part.items()}

    told = ask(everything)
    return answer({name: asdict(told.get(name, NOT_TOLD)) for name in OverviewShape().fields})


@tenant_operation(
    "GET",
    "/instances/flavors",
    name="list_portal_flavors",
    summary="List the sizes of instances",
    answers={200: every(FlavorShape())},
)
def list_flavors() -> Response:
    """Those that the project may use."""
    prices = services().config.portal.prices
    return answer([present_size(size, prices) for size in ask(lambda cloud: cloud.sizes())])


@tenant_operation(
    "GET",
    "/billing/forecast",
    name="show_portal_forecast",
    summary="Show what the instances cost this month",
    answers={200: ForecastShape()},
)
def show_forecast() -> Response:
    """An instance costs the price of its flavor while it exists; those that are deleted are left out."""
    options = services().config.portal
    servers = ask(lambda cloud: cloud.servers())
    return answer(forecast(servers, options.prices, options.currency, datetime.now(UTC)))


def forecast(
    servers: Sequence[Server], prices: Mapping[str, float], currency: str, now: datetime
) -> dict[str, Any]:
    """What the servers have cost in the month of `now`, and what they will have cost at its end."""
    begins = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    ends = (
        begins.replace(year=begins.year + 1, month=1)
        if begins.month == _DECEMBER
        else begins.replace(month=begins.month + 1)
    )
    lines = [_line(server, prices, begins, now, ends) for server in servers]
    priced = [line for line in lines if line["spent"] is not None]
    said = f"{len(lines)} instances, of which {len(priced)} have a price"
    return {
        "message": said if prices else "there is no forecast: [portal] prices has no price of any flavor",
        "currency": currency if prices else None,
        "month_begins_at": begins.replace(tzinfo=None),
        "month_ends_at": ends.replace(tzinfo=None),
        "spent": round(sum(line["spent"] for line in priced), 2) if prices else None,
        "forecast": round(sum(line["forecast"] for line in priced), 2) if prices else None,
        "instances": lines,
    }


def _line(
    server: Server, prices: Mapping[str, float], begins: datetime, now: datetime, ends: datetime
) -> dict[str, Any]:
    flavor = server.flavor.name if server.flavor else None
    price = prices.get(flavor) if flavor else None
    since = max(begins, server.created_at or begins)
    so_far = max(0.0, (now - since).total_seconds() / _HOUR)
    in_all = max(0.0, (ends - since).total_seconds() / _HOUR)
    return {
        "id": server.id,
        "name": server.name,
        "flavor": flavor,
        "price_per_hour": price,
        "hours": round(so_far, 1),
        "spent": None if price is None else round(price * so_far, 2),
        "forecast": None if price is None else round(price * in_all, 2),
    }
