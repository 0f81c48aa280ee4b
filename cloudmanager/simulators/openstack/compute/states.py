"""In which states a server may be asked for what, and what its state is called for users."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.simulators.openstack.problems import Conflict

if TYPE_CHECKING:
    from cloudmanager.simulators.openstack.compute.rows import Server

ANY = ("*",)
_REBUILD = dict.fromkeys(("rebuilding", "rebuild_block_device_mapping", "rebuild_spawning"), "REBUILD")
_RESIZE = dict.fromkeys(("resize_prep", "resize_migrating", "resize_migrated", "resize_finish"), "RESIZE")
_REBOOT = dict.fromkeys(("rebooting", "reboot_pending", "reboot_started"), "REBOOT")
_HARD = dict.fromkeys(("rebooting_hard", "reboot_pending_hard", "reboot_started_hard"), "HARD_REBOOT")
_NAMES = {
    "active": ("ACTIVE", {**_REBOOT, **_HARD, **_REBUILD, **_RESIZE, "migrating": "MIGRATING"}),
    "building": ("BUILD", {}),
    "stopped": ("SHUTOFF", {**_RESIZE, **_REBUILD}),
    "resized": ("VERIFY_RESIZE", {"resize_reverting": "REVERT_RESIZE"}),
    "paused": ("PAUSED", {"migrating": "MIGRATING"}),
    "suspended": ("SUSPENDED", {}),
    "rescued": ("RESCUE", {}),
    "error": ("ERROR", _REBUILD),
    "deleted": ("DELETED", {}),
    "shelved": ("SHELVED", {}),
    "shelved_offloaded": ("SHELVED_OFFLOADED", {}),
}
_SNAPSHOTS = ("active", "stopped", "paused", "suspended")
_DISKS = ("active", "paused", "stopped", "resized", "shelved", "shelved_offloaded")

ALLOWED: dict[str, tuple[str, ...]] = {
    "start": ("stopped",),
    "stop": ("active", "error"),
    "reboot": ("active",),
    "reboot hard": ("active", "stopped", "paused", "suspended", "error"),
    "pause": ("active",),
    "unpause": ("paused",),
    "suspend": ("active",),
    "resume": ("suspended",),
    "rescue": ("active", "stopped", "error"),
    "unrescue": ("rescued",),
    "shelve": _SNAPSHOTS,
    "shelveOffload": ("shelved",),
    "unshelve": ("shelved", "shelved_offloaded"),
    "resize": ("active", "stopped"),
    "migrate": ("active", "stopped"),
    "confirmResize": ("resized",),
    "revertResize": ("resized",),
    "os-migrateLive": ("active", "paused"),
    "evacuate": ("active", "stopped", "error"),
    "createImage": _SNAPSHOTS,
    "attach_volume": _DISKS,
    "detach_volume": _DISKS,
    "attach_interface": ("active", "paused", "stopped"),
    "detach_interface": ("active", "paused", "stopped"),
    "abort live migration": ANY,
    "force_complete": ("active",),
}
"""The vm_states in which Nova 33 takes each request."""

_TASKS: dict[str, tuple[str, ...]] = {  # where no task at all is not what is demanded
    "evacuate": ANY,
    "abort live migration": ("migrating",),
    "force_complete": ("migrating",),
}


def status_of(server: Server) -> str:
    """The state in the words of the API."""
    if server.deleted:
        return "DELETED"
    default, by_task = _NAMES[server.vm_state]
    return by_task.get(server.task_state or "", default)


def status_names(status: str) -> set[str]:
    """The vm_states that have a status; empty when there is no such status."""
    wanted = status.upper()
    return {state for state, (name, tasks) in _NAMES.items() if wanted == name or wanted in tasks.values()}


def check(server: Server, asked: str, *, called: str | None = None) -> None:
    """`Conflict` when a server is in no state for what is asked."""
    allowed = ALLOWED[asked]
    if allowed != ANY and server.vm_state not in allowed:
        raise wrong_state(server, called or asked, "vm_state", server.vm_state)
    tasks = _TASKS.get(asked, ())
    fits = server.task_state in tasks or (not tasks and server.task_state is None)
    if tasks != ANY and not fits:
        if server.task_state is None:
            raise Conflict(f"Instance {server.id} is in an invalid state for '{called or asked}'")
        raise wrong_state(server, called or asked, "task_state", server.task_state)


def wrong_state(server: Server, asked: str, attribute: str, state: str) -> Conflict:
    """The refusal that names the state which is in the way."""
    return Conflict(f"Cannot '{asked}' instance {server.id} while it is in {attribute} {state}")
