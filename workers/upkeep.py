"""What is done at intervals, by name: the scheduler sends these names, the workers have the tasks.

It imports nothing, so that the scheduler needs to know nothing of flows.
"""

from __future__ import annotations

QUEUE = "upkeep"
"""Where the names are sent to."""

SWEEP = "cloudmanager.sweep"
PRUNE = "cloudmanager.prune"
MAINTENANCE = "cloudmanager.maintenance"
AUDITS = "cloudmanager.audits"
INTEGRITY = "cloudmanager.integrity"
COLLECTION = "cloudmanager.collection"
