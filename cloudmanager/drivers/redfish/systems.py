"""What a client must know of a computer system (schema `ComputerSystem`, DSP8010) to switch it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from cloudmanager.drivers.base import Action, PowerState
from cloudmanager.drivers.http_client import Effect

MAX_SYSTEMS: Final = 256

_STATES: Final = {"On": PowerState.ON, "Off": PowerState.OFF}
"""`PoweringOn`, `PoweringOff`, `Paused`, null and what is not told are unknown."""

_KINDS: Final[dict[Action, tuple[str, ...]]] = {
    Action.ON: ("On", "ForceOn"),
    Action.OFF: ("ForceOff",),
    Action.RESET: ("ForceRestart", "PowerCycle"),
    Action.SOFT_OFF: ("GracefulShutdown",),
}
"""Kinds of reset that mean the action, best first."""

_STATE_KINDS: Final = {*_KINDS[Action.ON], *_KINDS[Action.OFF]}

BUTTON: Final = "PushPowerButton"
_BUTTON_WHEN: Final = {Action.ON: PowerState.OFF, Action.SOFT_OFF: PowerState.ON}
"""The button toggles: it means an action in one state only."""


@dataclass(frozen=True, slots=True)
class System:
    """One computer system as it was read. Empty strings are what it did not tell."""

    state: PowerState
    target: str
    kinds: tuple[str, ...]
    action_info: str
    etag: str
    boot_targets: tuple[str, ...]

    def kind_for(self, action: Action, state: PowerState) -> str | None:
        """The kind of reset that does `action` to a system in `state`; None if it has none.

        A system that lists no kinds is asked for the usual one, which it may refuse.
        """
        if not self.kinds:
            return _KINDS[action][0]
        for kind in _KINDS[action]:
            if kind in self.kinds:
                return kind
        return BUTTON if BUTTON in self.kinds and _BUTTON_WHEN.get(action) is state else None


def effect_of(kind: str) -> Effect:
    """Whether this kind of reset asks for a state."""
    return Effect.STATE if kind in _STATE_KINDS else Effect.ONCE


def parse_system(resource: dict[str, object], etag: str) -> System:
    """Read a `ComputerSystem`; whatever is missing or of another type counts as not told."""
    reset = _object(_object(resource.get("Actions")).get("#ComputerSystem.Reset"))
    boot = _object(resource.get("Boot"))
    own_etag = resource.get("@odata.etag")
    power = resource.get("PowerState")
    return System(
        state=_STATES.get(power, PowerState.UNKNOWN) if isinstance(power, str) else PowerState.UNKNOWN,
        target=_text(reset.get("target")),
        kinds=_texts(reset.get("ResetType@Redfish.AllowableValues")),
        action_info=_text(reset.get("@Redfish.ActionInfo")),
        etag=etag or _text(own_etag),
        boot_targets=_texts(boot.get("BootSourceOverrideTarget@Redfish.AllowableValues")),
    )


def parse_action_info(resource: dict[str, object]) -> tuple[str, ...]:
    """The kinds of reset that an `ActionInfo` lists."""
    parameters = resource.get("Parameters")
    for each in parameters if isinstance(parameters, list) else []:
        if _object(each).get("Name") == "ResetType":
            return _texts(each.get("AllowableValues"))
    return ()


def link(resource: dict[str, object], *names: str) -> str:
    """The path under `@odata.id` of a nested object; empty if there is none."""
    for name in names:
        resource = _object(resource.get(name))
    return _text(resource.get("@odata.id"))


def member_paths(collection: dict[str, object]) -> list[str]:
    """The members of a collection, in the order of their names with numbers by value: Node2 before Node10."""
    members = collection.get("Members")
    paths = {link(_object(each)) for each in members} if isinstance(members, list) else set()
    return sorted(paths - {""}, key=_natural)[:MAX_SYSTEMS]


def _natural(path: str) -> list[tuple[int, str]]:
    parts = re.findall(r"[0-9]+|[^0-9]+", path)
    return [(len(part.lstrip("0")), part.lstrip("0")) if part.isdigit() else (-1, part) for part in parts]


def _object(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: object) -> tuple[str, ...]:
    return tuple(each for each in value if isinstance(each, str)) if isinstance(value, list) else ()
