"""Empties the outbox, as what `cloudmanager monitor` does beside watching power. Several share the webhooks.

A webhook is served by one process at a time, by lease. Who dies between a POST and its record leaves the row
pending: it is sent again, under the same id.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from cryptography.fernet import InvalidToken
from prometheus_client import Counter, Histogram
from sqlalchemy.exc import DBAPIError

from cloudmanager import leases
from cloudmanager.models import utc_now
from cloudmanager.vault import Vault
from cloudmanager.webhooks import outbox, queue
from cloudmanager.webhooks.sending import Attempt, Outcome, Sender

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudmanager.config import Config
    from cloudmanager.db import Database
    from cloudmanager.webhooks.queue import Next

log = structlog.get_logger(__name__)

DELIVERIES = Counter(
    "cloudmanager_webhook_deliveries_total", "Attempts to deliver events to webhooks.", ["outcome"]
)
SECONDS = Histogram("cloudmanager_webhook_delivery_seconds", "Time that an attempt took.", ["outcome"])

_LOOK_EVERY = 1.0
"""Seconds between looks at the outbox."""

_TIDY_EVERY = 3600.0
_TIDY_ASKED_EVERY = 60.0
"""Seconds between two tries to be the one that tidies up."""

_SPARE = 15.0
"""Seconds that a webhook's lease lasts beyond the time that an attempt may take."""


class Deliverer:
    """Serves every webhook that has something waiting, each on its own, so that none delays another."""

    def __init__(
        self,
        config: Config,
        database: Database,
        vault: Vault,
        name: str,
        *,
        clock: Callable[[], float] | None = None,
    ) -> None:
        options = config.webhooks
        self._options = options
        self._database = database
        self._vault = vault
        self._name = name
        self._clock = clock = clock or database.now
        self._sender = Sender(config, clock)
        self._pace = queue.Pace(options.retry_delay, options.longest_delay)
        self._lease = options.timeout + _SPARE
        self._ask_to_tidy_at = 0.0
        self._served: dict[int, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.look()
            except DBAPIError as error:
                log.warning("outbox not read", why=type(error.orig).__name__)
            await asyncio.sleep(_LOOK_EVERY)

    async def look(self) -> None:
        """Queue new events, begin to serve webhooks that nobody serves, tidy up if it is time."""
        while await asyncio.to_thread(outbox.relay, self._database):
            pass
        await asyncio.to_thread(self._tidy)
        for webhook_id in await asyncio.to_thread(queue.waiting, self._database, self._clock()):
            if webhook_id not in self._served:
                self._served[webhook_id] = asyncio.create_task(self._serve(webhook_id))

    async def settle(self) -> None:
        """Wait until all that were being served have been."""
        await asyncio.gather(*self._served.values())

    async def close(self) -> None:
        """Stop in the middle; what was not recorded is sent again."""
        tasks = list(self._served.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, webhook_id: int) -> None:
        lease = f"webhook {webhook_id}"
        holder = f"{self._name} {uuid.uuid4()}"
        try:
            try:
                while await asyncio.to_thread(self._hold, lease, holder):
                    if not await self._deliver_next(webhook_id):
                        break
            finally:
                await asyncio.to_thread(leases.release, self._database, lease, holder)
        except DBAPIError as error:
            log.warning("webhook not served", webhook=webhook_id, why=type(error.orig).__name__)
        finally:
            del self._served[webhook_id]

    def _hold(self, lease: str, holder: str) -> bool:
        return leases.hold(self._database, lease, holder, now=self._clock(), seconds=self._lease)

    async def _deliver_next(self, webhook_id: int) -> bool:
        """One attempt; False when there is nothing to be sent now."""
        sent = await asyncio.to_thread(queue.head, self._database, webhook_id, self._clock())
        if sent is None:
            return False
        began = time.monotonic()
        attempt = await self._attempt(sent)
        SECONDS.labels(outcome=attempt.outcome).observe(time.monotonic() - began)
        now = self._clock()
        await asyncio.to_thread(queue.record, self._database, sent, attempt, now, self._pace)
        DELIVERIES.labels(outcome=attempt.outcome).inc()
        log.info(
            "webhook", webhook=webhook_id, delivery=sent.id, outcome=attempt.outcome.value, why=attempt.error
        )
        return True

    async def _attempt(self, sent: Next) -> Attempt:
        try:
            secret = self._vault.open(sent.sealed_secret)
        except InvalidToken:
            return Attempt(Outcome.UNREACHABLE, None, "no key in [secrets] key_file opens its secret")
        try:
            return await self._sender.send(sent.url, secret, sent.event)
        except Exception:
            log.exception("webhook not sent", webhook=sent.webhook_id, delivery=sent.id)
            return Attempt(Outcome.UNREACHABLE, None, "internal error; the log has it")

    def _tidy(self) -> None:
        """Give up and prune, once in an hour, whichever process comes first."""
        now = self._clock()
        if now < self._ask_to_tidy_at:
            return
        self._ask_to_tidy_at = now + _TIDY_ASKED_EVERY
        turn = f"{self._name} {uuid.uuid4()}"
        if not leases.hold(self._database, "webhooks tidy", turn, now=now, seconds=_TIDY_EVERY):
            return
        given_up = queue.give_up(self._database, self._options.give_up_after)
        if given_up:
            DELIVERIES.labels(outcome="given_up").inc(given_up)
            log.warning("webhook deliveries given up", number=given_up)
        queue.prune(self._database, utc_now() - timedelta(days=self._options.keep_days))


def deliverer_beside(config: Config, database: Database, name: str) -> Deliverer:
    """A companion for the monitor of this name."""
    return Deliverer(config, database, Vault(Path(config.secrets.key_file)), name)
