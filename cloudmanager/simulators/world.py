"""The physical truth of a simulated data centre: machines, the devices that switch them, time and faults.

Protocol servers hold nothing of this: they decode, ask the world and encode. A device has outlets; an
outlet is wired to one node. A node may be wired to several devices (a BMC and a relay board).
"""

from __future__ import annotations

import contextlib
import enum
import uuid
from collections import deque
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from cloudmanager.simulators.clock import Clock, LoopClock
from cloudmanager.simulators.faults import HEALTHY, Faults, Wire

if TYPE_CHECKING:
    from collections.abc import Callable

HISTORY_LENGTH = 1000
ADMINISTRATOR = 4


class Action(enum.StrEnum):
    """What a device can do to an outlet. Only `ON` makes anything of a node that is off."""

    ON = "on"
    OFF = "off"
    CYCLE = "cycle"
    RESET = "reset"
    SOFT_OFF = "soft_off"


class Cause(enum.StrEnum):
    """Why a node last started."""

    UNKNOWN = "unknown"
    COMMAND = "command"
    BUTTON = "button"


class UnknownName(LookupError):
    """The world has no such node, device or outlet."""


class Refused(Exception):
    """The device answers a power command with an error; `code` is in the words of its protocol."""

    def __init__(self, code: int) -> None:
        super().__init__(f"refused with code {code:#04x}")
        self.code = code


class NotPossible(Exception):
    """The command needs a node that is on."""


class Event(NamedTuple):
    """One thing that happened: when, to which node or device, and what."""

    at: float
    subject: str
    what: str


@dataclass(slots=True)
class Node:
    """A physical machine."""

    name: str
    rack: int = 1
    unit: int = 1
    on: bool = False
    boot_id: str = ""
    boots: int = 0
    resets: int = 0
    power_changed_at: float = 0.0
    started_by: Cause = Cause.UNKNOWN
    address: str = ""  # of its operating system, as others see it
    settled_at: float = field(default=0.0, compare=False)  # when the last accepted power command is done


@dataclass(slots=True)
class Account:
    """A login that a device knows; `privilege` is in the numbers of IPMI (4 = administrator)."""

    name: str
    password: str = field(repr=False)
    privilege: int = ADMINISTRATOR
    enabled: bool = True


@dataclass(slots=True)
class Device:
    """Something on the network that switches power.

    `memory` is its non-volatile memory: values that JSON can hold, under keys that its kind chooses.
    """

    name: str
    kind: str
    port: int = 0
    outlets: dict[str, str] = field(default_factory=dict)
    accounts: dict[int, Account] = field(default_factory=dict)
    memory: dict[str, Any] = field(default_factory=dict)
    faults: Faults = HEALTHY


class World:
    """All nodes and devices. Everything that changes is told to the watchers and kept in `history`."""

    def __init__(self, *, clock: Clock | None = None, seed: int = 1) -> None:
        self.clock: Clock = clock or LoopClock()
        self.seed = seed
        self.wire = Wire(self.clock, seed)
        self.nodes: dict[str, Node] = {}
        self.devices: dict[str, Device] = {}
        self.history: deque[Event] = deque(maxlen=HISTORY_LENGTH)
        self._watchers: list[Callable[[Event], object]] = []

    # --- building -------------------------------------------------------------------------------------------

    def add_node(self, name: str, *, rack: int = 1, unit: int = 1, on: bool = False) -> Node:
        """Put a machine into a rack."""
        if name in self.nodes:
            raise ValueError(f"there already is a node {name}")
        self.nodes[name] = node = Node(name, rack=rack, unit=unit, power_changed_at=self.clock.now())
        if on:
            self.power_on(name, cause=Cause.UNKNOWN)
        return node

    def add_device(
        self, name: str, kind: str, *, port: int = 0, accounts: dict[int, Account] | None = None
    ) -> Device:
        """Put a power device on the network; port 0 lets its server choose a free one."""
        if name in self.devices:
            raise ValueError(f"there already is a device {name}")
        self.devices[name] = device = Device(name, kind, port=port, accounts=accounts or {})
        return device

    def plug(self, device: str, outlet: str, node: str) -> None:
        """Wire an outlet of a device to a node."""
        self.device(device).outlets[outlet] = self.node(node).name

    # --- asking ---------------------------------------------------------------------------------------------

    def node(self, name: str) -> Node:
        """Find a node or raise `UnknownName`."""
        try:
            return self.nodes[name]
        except KeyError:
            raise UnknownName(f"there is no node {name!r}") from None

    def device(self, name: str) -> Device:
        """Find a device or raise `UnknownName`."""
        try:
            return self.devices[name]
        except KeyError:
            raise UnknownName(f"there is no device {name!r}") from None

    def wired(self, device: str, outlet: str) -> Node:
        """Find the node behind an outlet."""
        try:
            return self.node(self.device(device).outlets[outlet])
        except KeyError:
            raise UnknownName(f"device {device} has nothing on outlet {outlet!r}") from None

    def is_on(self, node: str) -> bool:
        """Whether the node really has power."""
        return self.node(node).on

    def read(self, device: str, outlet: str) -> bool:
        """Tell what the device reports of its outlet, which is a lie if it has that fault."""
        if (lie := self.device(device).faults.lie_state) is not None:
            return lie == "on"
        return self.wired(device, outlet).on

    # --- what happens to a node, at once --------------------------------------------------------------------

    def power_on(self, name: str, *, cause: Cause = Cause.COMMAND) -> None:
        """Give power; a node that is on does not notice."""
        node = self.node(name)
        if not node.on:
            node.on = True
            node.power_changed_at = self.clock.now()
            self._boot(node, cause)
            self._record(name, "power on")

    def power_off(self, name: str) -> None:
        """Cut power, whatever runs."""
        self._stop(self.node(name), "power off")

    def reset(self, name: str, *, cause: Cause = Cause.COMMAND) -> None:
        """Restart a running node without its consent; a node that is off stays off."""
        node = self.node(name)
        if node.on:
            node.resets += 1
            self._boot(node, cause)
            self._record(name, "reset")

    def press_power_button(self, name: str, *, shutdown_takes: float = HEALTHY.soft_off_delay) -> None:
        """Press the ACPI button: a node that is off starts, a running system begins to shut down."""
        node = self.node(name)
        if not node.on:
            self.power_on(name, cause=Cause.BUTTON)
            return
        self._record(name, "power button")
        self.clock.call_later(shutdown_takes, self._shut_down, node, node.boot_id)

    # --- what a device does to its outlets, with the device's faults ----------------------------------------

    def switch(self, device: str, outlet: str, action: Action) -> None:
        """Accept a power command; the change follows after the hardware's lag, in the order of commands.

        Raises `Refused` if the device has that fault and `NotPossible` if the action needs a running node.
        """
        faults = self.device(device).faults
        node = self.wired(device, outlet)
        if faults.refuse is not None:
            raise Refused(faults.refuse)
        if faults.ignore_commands:
            return
        if action is not Action.ON and action is not Action.OFF and not node.on:
            raise NotPossible(f"{action} needs a node that is on; {node.name} is off")
        match action:
            case Action.ON:
                self._after(faults.power_on_lag, node, self.power_on)
            case Action.OFF:
                self._after(faults.power_off_lag, node, self.power_off)
            case Action.CYCLE:
                self._after(faults.power_off_lag, node, self._interrupt)
                self._after(faults.power_on_lag, node, self.power_on)
            case Action.RESET:
                self._after(faults.power_on_lag, node, self.reset)
            case Action.SOFT_OFF if not faults.soft_off_ignored:
                self.press_power_button(node.name, shutdown_takes=faults.soft_off_delay)

    def _after(self, lag: float, node: Node, effect: Callable[[str], None]) -> None:
        now = self.clock.now()
        node.settled_at = max(now, node.settled_at) + lag
        if node.settled_at > now:
            self.clock.call_later(node.settled_at - now, effect, node.name)
        else:
            effect(node.name)

    def _interrupt(self, name: str) -> None:
        node = self.node(name)
        node.resets += node.on
        self.power_off(name)

    def _shut_down(self, node: Node, boot_id: str) -> None:
        if node.boot_id == boot_id:  # else it was restarted meanwhile: the request died with that system
            self._stop(node, "shutdown")

    def _stop(self, node: Node, what: str) -> None:
        if node.on:
            node.on = False
            node.power_changed_at = self.clock.now()
            self._record(node.name, what)

    def _boot(self, node: Node, cause: Cause) -> None:
        node.boots += 1
        node.boot_id = str(uuid.uuid4())
        node.started_by = cause

    # --- what a device is and remembers ---------------------------------------------------------------------

    def set_faults(self, device: str, /, **changes: Any) -> Faults:
        """Change some faults of a device; `BadFault` names a key or value that is wrong."""
        found = self.device(device)
        found.faults = found.faults.changed(**changes)
        self._record(device, f"faults {found.faults.to_dict()}")
        return found.faults

    def heal(self, device: str | None = None) -> None:
        """Take all faults from one device, or from all."""
        for found in self.devices.values() if device is None else (self.device(device),):
            if found.faults != HEALTHY:
                found.faults = HEALTHY
                self._record(found.name, "healed")

    def set_password(self, device: str, account: int, password: str) -> None:
        """Change the password of one account of a device."""
        self.device(device).accounts[account].password = password
        self._record(device, f"password of account {account} changed")

    def enable_account(self, device: str, account: int, enabled: bool) -> None:
        """Let one account of a device log in, or not."""
        self.device(device).accounts[account].enabled = enabled
        self._record(device, f"account {account} {'enabled' if enabled else 'disabled'}")

    def remember(self, device: str, key: str, value: Any) -> None:
        """Write into the non-volatile memory of a device."""
        self.device(device).memory[key] = value
        self._record(device, f"{key} set")

    def watch(self, watcher: Callable[[Event], object]) -> Callable[[], None]:
        """Call `watcher` with every event from now on; the answer ends that."""
        self._watchers.append(watcher)

        def stop() -> None:
            with contextlib.suppress(ValueError):
                self._watchers.remove(watcher)

        return stop

    def _record(self, subject: str, what: str) -> None:
        event = Event(self.clock.now(), subject, what)
        self.history.append(event)
        for watcher in self._watchers:
            watcher(event)

    # --- keeping --------------------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Everything that a restart of the data centre must find again, in values that JSON can hold."""
        return {
            "seed": self.seed,
            "nodes": [_without(asdict(node), "settled_at") for node in self.nodes.values()],
            "devices": [{**asdict(d), "faults": d.faults.to_dict()} for d in self.devices.values()],
            "history": [list(event) for event in self.history],
        }

    @classmethod
    def from_dict(cls, kept: dict[str, Any], *, clock: Clock | None = None) -> World:
        """Build the world that `to_dict` described."""
        world = cls(clock=clock, seed=kept["seed"])
        for row in kept["nodes"]:
            world.nodes[row["name"]] = Node(**{**row, "started_by": Cause(row["started_by"])})
        for row in kept["devices"]:
            accounts = {int(number): Account(**account) for number, account in row["accounts"].items()}
            faults = HEALTHY.changed(**row["faults"])
            world.devices[row["name"]] = Device(**{**row, "accounts": accounts, "faults": faults})
        world.history.extend(Event(*event) for event in kept["history"])
        return world


def _without(row: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != key}
