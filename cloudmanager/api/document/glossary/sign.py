"""Words for signatures of servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.api.document.glossary.hosts import SERVER, SERVER_ID

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudmanager.api.document.glossary.words import Words

SIGN: Words = {
    "id": ("Number of the signature.", 114),
    "instance_name": ("What libvirt calls the server.", "instance-00000069"),
    "server_id": ("Id of the server.", SERVER_ID),
    "node_id": ("Number of the node that it is on.", 2),
    "is_valid": ("`true`, `false` or `unknown`, which is not valid; a text.", "true"),
    "reason": ("Why it is not valid.", None),
    "created_at": ("When it was created.", "Mon, 03 Jun 2024 10:45:35 GMT"),
    "updated_at": ("When it was recalculated, or followed to another node.", None),
}

_PLAN: Words = {
    "action": ("What would be done.", "activate"),
    "node_id": ("Number of the node.", 7),
    "host": ("Nova's name of the node.", "r1n07.example.net"),
    "servers": "The servers that it would touch.",
}

SCHEMAS: Mapping[str, Words] = {
    "SignShape": SIGN,
    "SignServer": {"server_id": SIGN["server_id"]},
    "GuardPlanShape": _PLAN,
    "GuardedServerShape": {
        **SERVER,
        "lock": ("Whose its lock is, or becomes: `ours`, `ours already`, `somebody else's`.", "ours"),
    },
    "GuardNode": {
        "action": ("`activate` or `deactivate`.", "activate"),
        "dry_run": ("Only say what would be done.", False),
    },
}
