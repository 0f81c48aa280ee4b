"""How long things take in the simulated Nova, in seconds. A real one is slower; its proportions are kept."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Timings:
    """Nova's own options have their names."""

    report_interval: float = 2.0
    service_down_time: float = 8.0
    boot: float = 5.0  # from power to a nova-compute that reports
    rpc: float = 0.05  # until a message is taken
    spawn: float = 0.5
    delete: float = 0.2
    power: float = 0.3  # start, stop, pause, suspend, …
    reboot: float = 0.5
    snapshot: float = 0.5
    live_migration: float = 1.0
    live_migration_per_gib: float = 0.0  # more, for each GiB of memory
    cold_step: float = 0.3  # each of the four states of a cold migration
    rebuild_step: float = 0.2  # each of the three states of an evacuation
    evacuation_gap: float = 0.05  # ACTIVE without a task while the host still is the source
    sync_power_state_interval: float = 3.0
    max_concurrent_live_migrations: int = 4
