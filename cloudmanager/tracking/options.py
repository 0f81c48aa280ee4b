"""What the configuration says of host tracking, as the plain values that decisions are made by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.availability.evidence import Freshness
from cloudmanager.tracking.snapshot import Limits

if TYPE_CHECKING:
    from cloudmanager.config import Config


def limits_of(config: Config) -> Limits:
    """How far may be gone."""
    tracker, check = config.node_tracker, config.extra_availability_check
    return Limits(
        mutex=tracker.mutex,
        max_down_hosts=tracker.max_down_hosts,
        aggregate_limit=tracker.aggregate_limit,
        fences_per_cycle=tracker.fences_per_cycle,
        partition_share=tracker.partition_share,
        storage_cliff=tracker.storage_cliff,
        evacuate_cordoned=tracker.evacuate_cordoned,
        storage_fencing=tracker.storage_fencing,
        storage_silence=tracker.storage_silence,
        outlived_by=Freshness.from_config(config).outlived_by,
        retry_interval=tracker.retry_interval,
        check_enabled=check.enabled,
        check_attempts=check.attempts,
        instance_rate=check.instance_rate,
    )


def is_on(config: Config) -> bool:
    """Whether hosts are tracked at all."""
    return bool(config.node_tracker.enabled != "False")


def only_observes(config: Config) -> bool:
    """Whether verdicts are told and nothing is done."""
    return bool(config.node_tracker.enabled == "observe")
