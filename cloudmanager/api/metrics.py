"""`GET /metrics`: numbers for Prometheus."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from flask import Response
from flask_smorest import Blueprint
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from sqlalchemy import func, select

from cloudmanager.api.document.answers import Answer
from cloudmanager.api.operation import operation
from cloudmanager.api.services import services
from cloudmanager.models import FlowRow, Status
from cloudmanager.webhooks.queue import backlog

if TYPE_CHECKING:
    from collections.abc import Iterator

REQUESTS = Counter("cloudmanager_requests_total", "Requests to the API.", ["method", "endpoint", "status"])
SECONDS = Histogram("cloudmanager_request_seconds", "Time to answer a request.", ["method", "endpoint"])

blueprint = Blueprint("metrics", __name__, description="Numbers for Prometheus")

_NUMBERS = {"type": "string", "examples": ['cloudmanager_flows{status="STARTED"} 2.0\n']}


def observe(method: str, endpoint: str, status: int, seconds: float) -> None:
    """Count a request; `endpoint` is the template of its path, so that there are few."""
    REQUESTS.labels(method=method, endpoint=endpoint, status=str(status)).inc()
    SECONDS.labels(method=method, endpoint=endpoint).observe(seconds)


class _FlowCounts(Collector):
    """Flows by status, counted in the database when asked."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        gauge = GaugeMetricFamily("cloudmanager_flows", "Flows in the database.", labels=["status"])
        with services().database.reading() as session:
            counted = select(FlowRow.status, func.count()).group_by(FlowRow.status)
            counts = dict(session.execute(counted).all())
        for status in Status:
            gauge.add_metric([status], counts.get(status, 0))
        yield gauge


class _Outbox(Collector):
    """What waits for webhooks, counted in the database when asked: no process that is dead can tell it."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        with services().database.reading() as session:
            waiting, seconds = backlog(session)
        yield GaugeMetricFamily("cloudmanager_webhook_outbox", "Deliveries that wait.", value=waiting)
        yield GaugeMetricFamily(
            "cloudmanager_webhook_outbox_age_seconds", "For how long the oldest has waited.", value=seconds
        )


@operation(
    blueprint,
    "GET",
    "/metrics",
    role=None,
    summary="Show metrics for Prometheus",
    name="show_metrics",
    answers={200: Answer(_NUMBERS, "Metrics in the text format of Prometheus.", content_type="text/plain")},
    errors=(503,),
)
def show_metrics() -> Response:
    """All processes' numbers together when there are several, else this one's."""
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    stored = CollectorRegistry()
    for collector in (_FlowCounts(), _Outbox()):
        stored.register(collector)
    return Response(generate_latest(registry) + generate_latest(stored), content_type=CONTENT_TYPE_LATEST)
