"""Words for events."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudmanager.api.document.glossary.words import Words

EVENT: Words = {
    "id": ("Number of the event.", 1),
    "time": ("When it was noticed.", "2024-03-05T11:02:17"),
    "kind": (
        (
            "What happened: `power.drift`, `device.silent`, `device.back`; `hypervisor.` and `found`, "
            "`vanished`, `returned` or `unclear`; `host.` and `down`, `back`, `alive`, `evacuating` or "
            "`would_evacuate`; `guard.refused`; `tracker.blind` or `sighted`; "
            "`webhook.gave_up`."
        ),
        "power.drift",
    ),
    "subject": ("What it is about.", "node:7"),
    "message": ("The same for people.", "bmc-r1n07, port 1: on became off"),
}

SCHEMAS: Mapping[str, Words] = {"EventShape": EVENT}
