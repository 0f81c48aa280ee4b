"""Words for the availability of hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.api.document.glossary.hosts import HOST
from cloudmanager.api.document.glossary.storages import STORAGE
from cloudmanager.api.document.glossary.tasks import TASK_ID

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudmanager.api.document.glossary.words import Words

SCHEMAS: Mapping[str, Words] = {
    "StorageEvidenceShape": {
        "id": STORAGE["id"],
        "name": STORAGE["name"],
        "sign": ("`fresh`, `stale`, `doubtful` (a clock is wrong) or `unreadable`.", "fresh"),
        "why": ("Why it is taken so.", "written 4 s ago"),
        "written_at": ("When the node wrote last, by its own clock.", "2024-03-05T10:12:26"),
        "boot_id": ("Which boot of the node wrote it.", "0f1a2b3c-90f8-4d0c-8f3e-5a7c1b2d3e4f"),
        "running_servers": ("How many servers run there; null when the node could not tell.", 12),
    },
    "GateShape": {
        "gate": ("Name of the gate.", "few_are_down"),
        "outcome": ("`passed`, `waiting` or `refused`.", "refused"),
        "reason": ("Why.", "3 hosts are down, more than max_down_hosts (1): nobody is touched"),
    },
    "DecisionShape": {
        "task_id": ("The task that evacuates it.", TASK_ID),
        "made_at": ("When it was begun.", "2024-03-05T10:14:00"),
        "outcome": ("`open`, `succeeded` or `failed`.", "open"),
    },
    "AvailabilityShape": {
        "host": HOST["name"],
        "state": (
            (
                "`up`, `unknown`, `counting` (not seen down often enough), `explained` (nothing is to be "
                "done), `waiting`, `refused` (an alarm) or `dead`."
            ),
            "refused",
        ),
        "up": HOST["up"],
        "reported_at": HOST["reported_at"],
        "down_since": ("Since when it has been seen down.", "2024-03-05T10:13:00"),
        "down_count": ("How often in a row, while nothing explained it.", 3),
        "node_id": HOST["node_id"],
        "power": ("What its power device said last: `on`, `off` or `unknown`.", "on"),
        "expected_servers": ("How many servers Nova takes for running there; null: not asked.", 12),
        "storages": "What its availability storages say.",
        "gates": "All gates, in their order; the first that is shut says what happens next.",
        "next": ("What happens next.", "nothing: 3 hosts are down, more than max_down_hosts (1)"),
        "alarm": ("Why it is not evacuated although it looks dead.", None),
        "mode": ("`True`, `observe` or `False`, as `[node_tracker] enabled` says.", "True"),
        "decision": "The evacuation that was begun for the present outage.",
        "spare": ("The spare that stands in for it.", None),
        "spare_to_ask": "Which spare its evacuation would ask for; null when none is to be expected.",
        "lent_for": ("The host for which it stands in, when it is a spare that is lent.", None),
    },
}
