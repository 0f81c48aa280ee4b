"""The tasks that beat sends, besides the bell's own `advance`. Each may run twice or never without harm."""

from __future__ import annotations

from datetime import timedelta
from itertools import groupby
from typing import TYPE_CHECKING

from cloudmanager.flows import FLOWS, store
from cloudmanager.models import utc_now

if TYPE_CHECKING:
    from workers.resident import Resident

SWEEP = "cloudmanager.sweep"
PRUNE = "cloudmanager.prune"


def sweep(resident: Resident) -> None:
    """Ring for every flow that is due and that nobody holds."""
    due = store.due(resident.database, resident.clock.now(), horizon=resident.config.flows.sweep_interval)
    by_queue = sorted((FLOWS[kind].queue, flow_id) for flow_id, kind in due)
    for queue, rows in groupby(by_queue, key=lambda row: row[0]):
        resident.bell.ring([flow_id for _, flow_id in rows], queue)


def prune(resident: Resident) -> None:
    """Delete tasks that ended long ago."""
    store.prune(resident.database, utc_now() - timedelta(days=resident.config.flows.keep_days))
