"""Host tracking as what `cloudmanager monitor` does beside watching power."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from cloudmanager.bell import Bell
from cloudmanager.errors import Misconfigured
from cloudmanager.openstack.cloud import Cloud
from cloudmanager.tracking.options import is_on
from cloudmanager.tracking.tracker import Tracker

if TYPE_CHECKING:
    from cloudmanager.config import Config
    from cloudmanager.db import Database

log = structlog.get_logger(__name__)


class _Companion:
    def __init__(self, tracker: Tracker, cloud: Cloud) -> None:
        self._tracker = tracker
        self._cloud = cloud

    async def run(self) -> None:
        """Track hosts, until cancelled."""
        await self._tracker.run()

    async def close(self) -> None:
        """Let other monitors decide at once."""
        await self._tracker.leave()
        await self._cloud.close()


def tracker_beside(config: Config, database: Database, name: str) -> _Companion | None:
    """The tracker, if it is wished and there is a cloud."""
    if not is_on(config):
        return None
    try:
        cloud = Cloud.from_config(config)
    except Misconfigured as error:  # which is no reason not to watch the power
        log.warning("hosts are not tracked", why=error.message)
        return None
    if cloud is None:
        log.debug("hosts are not tracked", why="[nova] names no cloud")
        return None
    return _Companion(Tracker(config, database, cloud, Bell(config).ring, name), cloud)
