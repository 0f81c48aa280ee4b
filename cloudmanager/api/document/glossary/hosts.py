"""Words for compute hosts and what is done with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.api.document.glossary.tasks import DRY_RUN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudmanager.api.document.glossary.words import Words

HOST: Words = {
    "name": ("Nova's name of the host.", "r1n07.example.net"),
    "up": ("Whether Nova counts its nova-compute as up; down is no proof of death.", True),
    "cordoned": ("Whether nothing new is put on it.", False),
    "cordon_reason": ("Why it is cordoned.", None),
    "forced_down": ("Whether it was declared down, whatever it reports.", False),
    "reported_at": ("When its nova-compute reported last.", "2024-03-05T10:12:30"),
    "zone": ("Its availability zone.", "nova"),
    "running_servers": ("How many servers Nova counts on it.", 12),
    "node_id": ("Its machine in the inventory; null when none has this name or hypervisor id.", 7),
    "task_id": ("The open task that holds it.", None),
}

MOVING: Words = {
    "allow_off_vm": ("Servers may also be moved by stopping them, where live migration fails.", True),
    "move_locked": ("Locked servers are moved, too.", False),
    "block_migration": (
        "true: copy local disks; false: move no server that has one; null: Nova finds out.",
        None,
    ),
    "policy": (
        (
            "What is done with a live migration that does not converge; a server's metadata "
            "`live_migration_policy` counts more."
        ),
        "wait",
    ),
    "deadline": ("Seconds after which the task gives up and restores what it found.", 3600),
    "dry_run": (DRY_RUN, False),
    "fenced": ("You vouch that the host is off; recorded with your name.", False),
    "allow_evacuate": (
        "What cannot be moved otherwise is started elsewhere once the host is confirmed off.",
        True,
    ),
}
SERVER_ID = "45bb8680-c070-4080-be45-ec4d2312eda8"

SERVER: Words = {
    "server_id": ("Id of the server.", SERVER_ID),
    "name": ("Its name.", "web-3"),
    "status": ("Its status in Nova.", "ACTIVE"),
}

SCHEMAS: Mapping[str, Words] = {
    "HostShape": HOST,
    "VerdictShape": {
        **SERVER,
        "ways": ("How it can leave: `live`, `cold`, `evacuate`, tried in this order.", ["live"]),
        "reason": ("Why it cannot.", None),
        "option": ("What would change that.", None),
    },
    "HostPlanShape": {
        "host": HOST["name"],
        "up": HOST["up"],
        "cordoned": HOST["cordoned"],
        "movable": ("Whether every server has a way.", True),
        "servers": "What can be done with each of its servers, in the order in which they would move.",
        "spare": "Which spare would stand in for it; null unless it is down and `use_spare` is asked for.",
    },
    "SpareChoiceShape": {
        "host": ("Nova's name of the spare; null when none fits.", "r1n30.example.net"),
        "node_id": ("Its machine in the inventory.", 30),
        "reason": ("Why no spare fits.", None),
    },
    "PlanShape": {
        "action": ("What would be done.", "shutdown"),
        "at_a_time": ("How many hosts would be out of service at a time.", 1),
        "hosts": "To which hosts.",
    },
    "EvacuateHost": {
        **MOVING,
        "use_spare": ("When it is down, a reserved node is switched on to stand in for it.", True),
    },
    "ShutdownHost": MOVING,
    "DecommissionHost": {
        **MOVING,
        "allow_live_migrate": ("Servers may be moved while they run; true unless it is said.", True),
        "allow_migrate": ("The same as `allow_off_vm`.", True),
        "power_off": ("Switch the host off in the end.", False),
    },
    "RestartHosts": {
        **MOVING,
        "hosts": ("Names of the hosts.", ["r1n07.example.net", "r1n08.example.net"]),
        "in_sequence": ("One after another.", True),
        "batch": ("How many at a time; the configuration's `[hosts] restart_batch` without it.", 1),
    },
    "CordonHost": {"reason": ("Why nothing new shall be put on it.", "disk swap")},
}
