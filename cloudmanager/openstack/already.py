"""What was asked for already: states in which Nova refuses an action that has nothing left to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloudmanager.openstack.records import Migration, Server

_TASKS = {
    "live_migrate": {"migrating"},
    "cold_migrate": {"resize_prep", "resize_migrating", "resize_migrated", "resize_finish"},
    "revert_resize": {"resize_reverting"},
    "evacuate": {"rebuilding", "rebuild_block_device_mapping", "rebuild_spawning"},
    "soft reboot": {"rebooting", "reboot_pending", "reboot_started"},
    "hard reboot": {"rebooting_hard", "reboot_pending_hard", "reboot_started_hard"},
    "start": {"powering-on"},
    "stop": {"powering-off"},
    "resume": {"resuming"},
    "unpause": {"unpausing"},
    "unshelve": {"unshelving", "spawning"},
    "delete_server": {"deleting"},
}
"""Tasks of a server that are doing it now."""

_STATES = {
    "start": "active",
    "stop": "stopped",
    "resume": "active",
    "unpause": "active",
    "unshelve": "active",
}
"""States of a server without task in which it has been done."""

_MIGRATIONS = {
    "confirm_resize": {"confirming", "confirmed"},
    "revert_resize": {"reverting", "reverted"},
}
"""States of its newest migration in which it is being done, or has been."""


def by_server(verb: str, server: Server) -> bool:
    """Whether what `verb` asks for is under way or done, as the server shows."""
    if server.task_state is not None:
        return server.task_state in _TASKS.get(verb, ())
    return _STATES.get(verb) == server.vm_state


def by_migration(verb: str, newest: Migration | None) -> bool:
    """The same, as the newest migration of the server shows."""
    return newest is not None and newest.status in _MIGRATIONS.get(verb, ())


def needs_migration(verb: str) -> bool:
    """Whether the server alone does not tell."""
    return verb in _MIGRATIONS
