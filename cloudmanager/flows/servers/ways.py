"""Which ways lead a server off its host, judged before anything is touched: pure functions."""

from __future__ import annotations

import enum
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloudmanager.openstack.records import Server

Obstacle = tuple[str, str | None]
"""Why a server cannot move, and what would change that."""

DEFAULT_PRIORITY = 5
"""Recovery priority of a server whose metadata says none (0 never, 10 first)."""

_LIVE = frozenset({"active", "paused"})
_COLD = frozenset({"active", "stopped"})
_REBUILT = frozenset({"active", "stopped", "error"})
_CLEARED_FIRST = frozenset({"paused", "suspended", "rescued"})
_WAY_OUT = {
    "suspended": "resume it first",
    "rescued": "unrescue it first",
    "resized": "confirm or revert its resize first",
    "error": "repair it first",
    "building": "wait until it is built",
    "paused": "unpause it first",
}


class Way(enum.StrEnum):
    """How a server changes its host."""

    LIVE = "live"
    COLD = "cold"
    EVACUATE = "evacuate"


@dataclass(frozen=True)
class Allowed:
    """What a flow may do with servers. `disks` false: no local disk is copied while a server runs."""

    live: bool = True
    cold: bool = False
    evacuate: bool = False
    locked: bool = False
    disks: bool = True


@dataclass(frozen=True)
class Verdict:
    """What can be done with one server: the ways in order, or why none and what would change that."""

    server_id: str
    name: str
    status: str
    ways: tuple[Way, ...]
    reason: str | None = None
    option: str | None = None

    @property
    def movable(self) -> bool:
        """Whether there is a way."""
        return bool(self.ways)

    def told(self) -> dict[str, Any]:
        """In values that JSON can hold."""
        return asdict(self) | {"ways": [str(way) for way in self.ways]}


def judge(
    server: Server,
    allowed: Allowed,
    *,
    host_up: bool,
    nowhere: Obstacle | None = None,
    alike: bool = True,
) -> Verdict:
    """The verdict on one server.

    `nowhere` is why no other host could take it; `alike` whether one has the same model of CPU.
    """
    obstacles = list(_obstacles(server, allowed, host_up=host_up, nowhere=nowhere))
    if obstacles:
        reason, option = obstacles[0]
        return Verdict(server.id, server.name, server.status, (), reason, option)
    possible = _possible(server, host_up=host_up, alike=alike)
    ways = tuple(way for way in possible if getattr(allowed, way))
    if Way.LIVE in ways and not allowed.disks and has_local_disk(server):
        ways = tuple(way for way in ways if way is not Way.LIVE)
        if not ways:
            why = "it has a local disk, and copying disks is switched off"
            return Verdict(server.id, server.name, server.status, (), why, "block_migration: true")
    if ways:
        return Verdict(server.id, server.name, server.status, ways)
    reason, option = _why_no_way(server, possible, host_up=host_up, alike=alike)
    return Verdict(server.id, server.name, server.status, (), reason, option)


def priority(server: Server) -> int:
    """0 (never) to 10 (first), from the metadata `recovery_priority`; else the default."""
    text = server.metadata.get("recovery_priority", "")
    return min(int(text), 10) if text.isascii() and text.isdigit() else DEFAULT_PRIORITY


def has_local_disk(server: Server) -> bool:
    """Whether a disk of the server lies on its host: its root, made from an image, or another one."""
    flavor = server.flavor
    extra = flavor is not None and (flavor.ephemeral_gb > 0 or flavor.swap_mb > 0)
    return server.image_id is not None or extra


def _obstacles(
    server: Server, allowed: Allowed, *, host_up: bool, nowhere: Obstacle | None
) -> Iterator[Obstacle]:
    """What stands in the way whatever way is taken."""
    if nowhere is not None:
        yield nowhere
    if server.metadata.get("pinned", "").lower() in ("true", "1", "yes"):
        yield "its metadata pins it to its host", "remove its metadata `pinned`"
    if server.locked and not allowed.locked:
        because = f": {server.locked_reason}" if server.locked_reason else ""
        yield f"it is locked{because}", "move_locked: true, or unlock it"
    if server.task_state is not None and host_up:
        yield f"it is busy: {server.task_state}", "wait, or reset its state when that is stuck"
    if not host_up and priority(server) == 0:
        yield "its recovery priority is 0: never", "its metadata `recovery_priority`"


def _possible(server: Server, *, host_up: bool, alike: bool) -> tuple[Way, ...]:
    """The ways that Nova takes in the server's state; from a host that is up, evacuation comes last."""
    state = server.vm_state
    found = []
    if host_up and alike and state in _LIVE and not _needs_its_hardware(server):
        found.append(Way.LIVE)
    if host_up and state in _COLD:
        found.append(Way.COLD)
    if state in _REBUILT or state in _CLEARED_FIRST:
        found.append(Way.EVACUATE)
    return tuple(found)


def _needs_its_hardware(server: Server) -> bool:
    """Whether a device of the host is passed through to it, so that it cannot move while it runs."""
    specs = server.flavor.extra_specs if server.flavor else {}
    return "pci_passthrough:alias" in specs or any(key.startswith("resources:VGPU") for key in specs)


def _why_no_way(server: Server, possible: tuple[Way, ...], *, host_up: bool, alike: bool) -> Obstacle:
    if not possible:
        return f"it is {server.vm_state}", _WAY_OUT.get(server.vm_state)
    if not host_up:
        return "its host is down, and it may not be evacuated", "allow_evacuate: true"
    if Way.LIVE in possible:
        return "it runs, and may not be migrated live", "allow_live_migrate: true"
    if Way.COLD in possible:
        state = f"is {server.vm_state}"
        if server.vm_state == "active":
            state = "needs devices of its host" if alike else "runs on a CPU that no other host has"
        return f"it {state}, and moving servers by stopping them is not allowed", "allow_off_vm: true"
    out = _WAY_OUT.get(server.vm_state)
    return f"it is {server.vm_state}", " or ".join(filter(None, (out, "allow_evacuate: true")))
