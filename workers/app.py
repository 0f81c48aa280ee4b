"""Builds the Celery application from the configuration and binds the tasks to it."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from celery.exceptions import CPendingDeprecationWarning, SecurityWarning
from celery.signals import setup_logging, worker_ready, worker_shutdown
from kombu import Queue

from cloudmanager.bell import celery_app
from cloudmanager.flows import FLOWS
from workers import tasks, upkeep

if TYPE_CHECKING:
    from celery import Celery

    from cloudmanager.config import Config
    from workers.resident import Resident


def worker_app(config: Config, resident: Resident) -> Celery:
    """The application of a worker: its tasks hand ids to the resident engine."""
    app = celery_app(config)
    queues = {upkeep.QUEUE, *(flow.queue for flow in FLOWS.values())}
    app.conf.update(
        task_queues=[Queue(name) for name in sorted(queues)],
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_enable_remote_control=True,
        worker_prefetch_multiplier=16,
    )
    tasks.bind(app, resident)
    _quiet()
    setup_logging.connect(_keep_logging, weak=False)
    worker_ready.connect(lambda **_: resident.start(), weak=False)
    worker_shutdown.connect(lambda **_: resident.stop(), weak=False)
    return app


def _quiet() -> None:
    """Celery warns root of messages that run code, and those who acknowledge late: ours do neither."""
    for category in (SecurityWarning, CPendingDeprecationWarning):
        warnings.filterwarnings("ignore", category=category)


def _keep_logging(**_: object) -> None:
    """Celery asks whether somebody else sets logging up: yes, `cloudmanager.logs` has."""
