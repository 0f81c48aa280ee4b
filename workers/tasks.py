"""The Celery tasks. Each may run twice, or never, without harm: the flow rows are the truth."""

from __future__ import annotations

from datetime import timedelta
from itertools import groupby
from typing import TYPE_CHECKING

import structlog

from cloudmanager import audit, idempotency
from cloudmanager.audits.rows import prune as prune_audits
from cloudmanager.bell import ADVANCE
from cloudmanager.errors import CloudError
from cloudmanager.flows import FLOWS, store
from cloudmanager.flows.audits import schedule
from cloudmanager.flows.audits.execute import KIND as EXECUTE
from cloudmanager.flows.maintenance import history, openings
from cloudmanager.flows.maintenance.window import KIND
from cloudmanager.flows.nodes import collection
from cloudmanager.flows.nodes.facts import COLLECT_FACTS
from cloudmanager.flows.sign import upkeep
from cloudmanager.flows.sign.activate import VERIFY
from cloudmanager.models import utc_now
from cloudmanager.monitor import keeper
from workers.upkeep import AUDITS, COLLECTION, INTEGRITY, MAINTENANCE, PRUNE, SWEEP

if TYPE_CHECKING:
    from celery import Celery

    from workers.resident import Resident

log = structlog.get_logger(__name__)


def bind(app: Celery, resident: Resident) -> None:
    """Make the tasks of `app` work on this process's engine."""
    entries = [schedule.Entry.read(line) for line in resident.config.drs.schedule if line.strip()]

    @app.task(name=ADVANCE)
    def advance(flow_ids: list[str]) -> None:
        """Advance these flows; answers at once, the engine goes on."""
        resident.advance(flow_ids)

    @app.task(name=SWEEP)
    def sweep() -> None:
        """Ring for every flow that is due and that nobody holds."""
        due = store.due(resident.database, resident.clock.now(), horizon=resident.config.flows.sweep_interval)
        by_queue = sorted((FLOWS[kind].queue, flow_id) for flow_id, kind in due)
        for queue, rows in groupby(by_queue, key=lambda row: row[0]):
            resident.bell.ring([flow_id for _, flow_id in rows], queue)

    @app.task(name=MAINTENANCE)
    def maintenance() -> None:
        """Open the maintenance windows whose time it is."""
        queue = FLOWS[KIND].queue
        openings.open_due(resident.database, resident.clock.now(), lambda ids: resident.bell.ring(ids, queue))

    @app.task(name=AUDITS)
    def begin_audits() -> None:
        """Begin the audits whose time it is."""
        ready = schedule.due(resident.database, entries, resident.clock.now())
        if not ready:
            return
        drs, queue = resident.config.drs, FLOWS[EXECUTE].queue
        params = {"mode": drs.mode, "auto_apply": drs.schedule_applies}
        try:
            aggregates = resident.ask(lambda cloud: cloud.aggregates())
        except (CloudError, TimeoutError) as error:
            log.warning("scheduled audits not begun: the cloud does not answer", why=str(error))
            return
        schedule.begin_due(
            resident.database, ready, aggregates, params, lambda ids: resident.bell.ring(ids, queue)
        )

    _bind_upkeep(app, resident)


def _bind_upkeep(app: Celery, resident: Resident) -> None:
    """The tasks that keep things as they should be, however long ago somebody asked for it."""

    @app.task(name=INTEGRITY)
    def integrity() -> None:
        """See to it that the servers of every guarded node are verified."""
        queue = FLOWS[VERIFY].queue
        upkeep.open_missing(resident.database, lambda ids: resident.bell.ring(ids, queue))

    @app.task(name=COLLECTION)
    def collect() -> None:
        """Collect the facts of nodes whose facts are old."""
        queue = FLOWS[COLLECT_FACTS.kind].queue
        collection.open_due(resident.database, resident.config, lambda ids: resident.bell.ring(ids, queue))

    @app.task(name=PRUNE)
    def prune() -> None:
        """Delete tasks, events, audits and audit records that are old, and keys that have expired."""
        database, config, now = resident.database, resident.config, utc_now()
        store.prune(database, now - timedelta(days=config.flows.keep_days))
        history.prune(database, now - timedelta(days=config.audit.keep_days))
        idempotency.prune(database, now - timedelta(hours=config.api.idempotency_hours))
        keeper.prune(database, now - timedelta(days=config.monitor.keep_days))
        prune_audits(database, now - timedelta(days=config.drs.keep_days))
        audit.prune(database, now - timedelta(days=config.audit.keep_days))
