"""The monitor's part in boot files: those of its machine are compared with the inventory at intervals."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog
from prometheus_client import Counter
from sqlalchemy.exc import DBAPIError

from cloudmanager.errors import InvalidInput, Unavailable
from cloudmanager.pxe import Kind, boot_files

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudmanager.config import Config
    from cloudmanager.db import Database
    from cloudmanager.pxe import BootFiles, Change

log = structlog.get_logger(__name__)

SYNCS = Counter("cloudmanager_pxe_syncs_total", "Comparisons of boot files with the inventory.", ["outcome"])


class PxeSync:
    """Syncs every `interval` seconds, the first time at once. Several monitors of a machine do no harm."""

    def __init__(self, files: BootFiles, interval: float) -> None:
        self._files = files
        self._interval = interval
        self._foreign: list[str] = []

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.round()
            await asyncio.sleep(self._interval)

    async def round(self) -> None:
        """Sync; what cannot be done is said, and tried again the next time."""
        try:
            changes = await asyncio.to_thread(self._files.sync)
        except (Unavailable, InvalidInput) as error:
            self._failed(error, error.message)
        except DBAPIError as error:
            self._failed(error, type(error.orig).__name__)
        else:
            self._tell(changes)

    async def close(self) -> None:
        """Nothing is open between rounds."""

    def _failed(self, error: Exception, why: str) -> None:
        SYNCS.labels(outcome=type(error).__name__).inc()
        log.warning("boot files not synced", why=why)

    def _tell(self, changes: Sequence[Change]) -> None:
        foreign = [change.path for change in changes if change.kind is Kind.FOREIGN]
        done = len(changes) - len(foreign)
        SYNCS.labels(outcome="changed" if done else "unchanged").inc()
        if done:
            log.info("boot files synced", changed=done)
        if foreign != self._foreign:
            log.warning("files that are not ours are in the way", count=len(foreign), files=foreign[:10])
            self._foreign = foreign


def boot_files_beside(config: Config, database: Database, _name: str) -> PxeSync | None:
    """What syncs the boot files of this machine, if it has some and that is wished."""
    files = boot_files(database, config) if config.pxe.sync_interval else None
    return PxeSync(files, config.pxe.sync_interval) if files else None
