"""What brings a server back to ACTIVE, by how it is: pure functions."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloudmanager.openstack.records import Server


class Remedy(enum.StrEnum):
    """An action of Nova's after which a server runs."""

    START = "start"
    REBOOT = "reboot"
    RESUME = "resume"
    UNPAUSE = "unpause"
    UNSHELVE = "unshelve"


IN_WORDS = {
    Remedy.START: "start it",
    Remedy.REBOOT: "reboot it hard",
    Remedy.RESUME: "resume it",
    Remedy.UNPAUSE: "unpause it",
    Remedy.UNSHELVE: "unshelve it",
}

_WAKES = {
    "suspended": Remedy.RESUME,
    "paused": Remedy.UNPAUSE,
    "stopped": Remedy.START,
    "shelved": Remedy.UNSHELVE,
    "shelved_offloaded": Remedy.UNSHELVE,
}
_NEVER_BUILT = "it was never built: delete it and make another"
_ASLEEP_ON_PURPOSE = frozenset({"suspended", "paused", "shelved", "shelved_offloaded"})


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong and what helps. No remedy: nothing is wrong, or `hopeless`: nothing here helps."""

    told: str
    remedy: Remedy | None = None
    reset: bool = False
    hopeless: bool = False

    @property
    def acts(self) -> tuple[str, ...]:
        """What would be done, in words."""
        reset = ("reset its state to active",) if self.reset else ()
        return (*reset, IN_WORDS[self.remedy]) if self.remedy else reset


def diagnose(server: Server, *, busy_is_stuck: bool, reset: bool) -> Diagnosis:
    """What is wrong with a server whose host is up. `reset`: its record is reset before any reboot."""
    if server.vm_state == "building" or (server.host is None and server.vm_state == "error"):
        return Diagnosis(_NEVER_BUILT, hopeless=True)
    if server.task_state is None:
        return _at_rest(server.vm_state, reset=reset)
    if busy_is_stuck:
        return Diagnosis(f"it is stuck in {server.task_state}", Remedy.REBOOT, reset=True)
    return Diagnosis(f"it is busy: {server.task_state}")


def _at_rest(state: str, *, reset: bool) -> Diagnosis:
    if state == "active":
        return Diagnosis("it is ACTIVE and nothing is wrong with it: nothing was done")
    if state == "error":
        return Diagnosis("it is in ERROR", Remedy.REBOOT, reset=reset)
    if state == "stopped":
        return Diagnosis("it is stopped", Remedy.START)
    if state in _ASLEEP_ON_PURPOSE:
        return Diagnosis(f"it is {state} and nothing is wrong with it: wake it up to have it run")
    return Diagnosis(f"it is {state}, which is for its user to end: nothing was done")


def waking(server: Server) -> Diagnosis:
    """What wakes a server up."""
    if server.task_state is not None:
        return Diagnosis(f"it is busy: {server.task_state}")
    remedy = _WAKES.get(server.vm_state)
    if remedy is not None:
        return Diagnosis(f"it is {server.vm_state}", remedy)
    if server.vm_state == "active":
        return Diagnosis("it is ACTIVE: nothing was done")
    return Diagnosis(f"it is {server.vm_state}, not asleep: nothing was done")


def resetting(server: Server, *, reboot: bool) -> Diagnosis:
    """What resets the record of a server, and restarts it where that is wished."""
    if server.host is None:
        return Diagnosis(_NEVER_BUILT, hopeless=True)
    return Diagnosis(f"it is {server.status}", Remedy.REBOOT if reboot else None, reset=True)
