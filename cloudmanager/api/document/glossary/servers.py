"""Words for servers and what is done with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.api.document.glossary.hosts import MOVING, SERVER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudmanager.api.document.glossary.words import Words

_ACTION: Words = {"deadline": MOVING["deadline"], "dry_run": MOVING["dry_run"]}

SCHEMAS: Mapping[str, Words] = {
    "ServerPlanShape": {
        "action": ("What would be done.", "balance"),
        "server_id": SERVER["server_id"],
        "name": SERVER["name"],
        "status": SERVER["status"],
        "host": ("The host it is on.", "r1n07.example.net"),
        "acts": (
            "What would be done, in order; empty when nothing can or need be done.",
            ["migrate it from r1n07.example.net to r1n08.example.net"],
        ),
        "reason": ("Why that, or why nothing.", None),
    },
    "ServerAction": _ACTION,
    "BalanceServer": {
        **_ACTION,
        "move_locked": ("It is moved although it is locked.", True),
        "block_migration": (
            "true: copy its local disks; false: do not move it if it has one; null: Nova finds out.",
            None,
        ),
        "policy": MOVING["policy"],
    },
    "RepairServer": {
        **_ACTION,
        "fenced": ("You vouch that its dead host is off; recorded with your name.", False),
    },
    "ResetRebootServer": {**_ACTION, "reboot": ("Reboot it hard after its state is reset.", True)},
    "CloneServer": {**_ACTION, "count": ("How many servers to make.", 2)},
}
