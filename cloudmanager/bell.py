"""The bell: tells workers by the broker that flows want to be advanced. The only sender of Celery messages.

A message carries ids and nothing else. It may be lost or doubled without harm: the rows are the truth, and
the sweep rings again for whatever is due.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from celery import Celery
from kombu.exceptions import OperationalError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudmanager.config import Config

log = structlog.get_logger(__name__)

ADVANCE = "cloudmanager.advance"
"""Name of the task that advances the flows whose ids it is given."""

_IDS_PER_MESSAGE = 100


def celery_app(config: Config) -> Celery:
    """A Celery application on the configured broker; it keeps no results, the flow rows do."""
    app = Celery("cloudmanager", broker=config.broker.url, set_as_current=False)
    timeout = config.broker.timeout
    app.conf.update(
        task_ignore_result=True,
        task_default_queue="power",
        broker_connection_timeout=timeout,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={"socket_timeout": timeout, "socket_connect_timeout": timeout},
        control_queue_expires=60.0,
    )
    return app


class Bell:
    """Rings for flows. Never raises: without a broker the sweep advances them a little later."""

    def __init__(self, config: Config) -> None:
        self._timeout = config.broker.timeout
        self._app = celery_app(config)
        self._app.connection_for_write().get_transport_cls()  # imported now: not by several threads at once

    def ring(self, flow_ids: Sequence[str], queue: str = "power") -> None:
        """Ask that these flows be advanced now."""
        for start in range(0, len(flow_ids), _IDS_PER_MESSAGE):
            ids = list(flow_ids[start : start + _IDS_PER_MESSAGE])
            try:
                self._app.send_task(ADVANCE, args=[ids], queue=queue, retry=False)
            except (OperationalError, OSError) as error:
                log.warning(
                    "bell not heard; the sweep will ring", flows=len(flow_ids), error=type(error).__name__
                )
                return

    def broker_alive(self) -> bool:
        """Whether the broker answers."""
        try:
            with self._app.connection_for_write(connect_timeout=self._timeout) as connection:
                connection.ensure_connection(max_retries=1, timeout=self._timeout)
        except (OperationalError, OSError):
            return False
        return True

    def ping(self) -> bool:
        """Whether a worker answers."""
        try:
            return bool(self._app.control.ping(timeout=self._timeout, limit=1))
        except (OperationalError, OSError):
            return False
