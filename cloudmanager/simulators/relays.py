"""A board of eight relays: what its contacts do to the machines behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.simulators.world import Action, Refused

if TYPE_CHECKING:
    from cloudmanager.simulators.world import Node, World

RELAYS = 8
CLOSED = "closed relays"  # key in the device's memory: one bit for each relay, bit 0 = relay 1
BUTTON_HELD = 4.0  # seconds: ACPI 6.5 §4.8.3.1.1, the power-button override of the hardware
HELD_SECONDS = "button held seconds"  # key in the device's memory: another time than BUTTON_HELD
DEBOUNCE = 0.03  # seconds: mainboards take nothing shorter for a press


class RelayBoard:
    """Contacts 1..8 that close and open, wired to nodes or to nothing; a free contact works as well.

    Here a contact carries the mains of a node whose firmware is set to start whenever power comes.
    """

    def __init__(self, world: World, device: str) -> None:
        self._world = world
        self._device = world.device(device)

    @property
    def byte(self) -> int:
        """What the contacts really are."""
        return int(self._device.memory.get(CLOSED, 0))

    @property
    def told(self) -> int:
        """What the board says its contacts are, which is a lie if it has that fault."""
        lie = self._device.faults.lie_state
        return self.byte if lie is None else 0xFF * (lie == "on")

    def senses(self, number: int) -> bool:  # noqa: ARG002 - no line, no voltage
        """Whether a sense line has voltage; only boards on power buttons have such lines."""
        return False

    def switch(self, number: int, closed: bool) -> None:
        """Move one contact; `Refused` if the board has that fault."""
        faults = self._device.faults
        if faults.refuse is not None:
            raise Refused(faults.refuse)
        bit = 1 << number - 1
        if faults.ignore_commands or bool(self.byte & bit) == closed:
            return
        self._remember(self.byte ^ bit)
        if str(number) in self._device.outlets:
            self._moved(str(number), closed)

    def switch_all(self, byte: int) -> None:
        """Move all contacts, contact 1 first."""
        for number in range(1, RELAYS + 1):
            self.switch(number, bool(byte >> number - 1 & 1))

    def _moved(self, outlet: str, closed: bool) -> None:
        self._world.switch(self._device.name, outlet, Action.ON if closed else Action.OFF)

    def _remember(self, byte: int) -> None:
        self._world.remember(self._device.name, CLOSED, byte)


class ButtonBoard(RelayBoard):
    """Contacts across the power buttons of nodes, and a sense line from each node back to the board.

    A press starts a node that is off. A running one shuts down when the button is let go, and loses its power
    when it is held for `BUTTON_HELD` seconds, whatever runs (ACPI 6.5 §4.8.3.1.1).
    """

    def __init__(self, world: World, device: str) -> None:
        super().__init__(world, device)
        self._presses: dict[str, tuple[float, bool]] = {}  # since when, and whether the node was on then

    @property
    def told(self) -> int:
        """What the contacts are; it is the sense lines that lie."""
        return self.byte

    def senses(self, number: int) -> bool:
        """Whether the node has power, as its sense line tells it."""
        outlet = str(number)
        return outlet in self._device.outlets and self._world.read(self._device.name, outlet)

    @property
    def held_seconds(self) -> float:
        """How long a press takes power away."""
        return float(self._device.memory.get(HELD_SECONDS, BUTTON_HELD))

    def _moved(self, outlet: str, closed: bool) -> None:
        now, node = self._world.clock.now(), self._node(outlet)
        if closed:
            self._presses[outlet] = press = (now, node.on)
            self._world.clock.call_later(DEBOUNCE, self._noticed, outlet, press)
            self._world.clock.call_later(self.held_seconds, self._held, outlet, press)
            return
        since, was_on = self._presses.pop(outlet, (now, False))
        if was_on and node.on and DEBOUNCE <= now - since < self.held_seconds:
            self._world.switch(self._device.name, outlet, Action.SOFT_OFF)

    def _noticed(self, outlet: str, press: tuple[float, bool]) -> None:
        if self._presses.get(outlet) is press:
            self._do(outlet, Action.ON)

    def _held(self, outlet: str, press: tuple[float, bool]) -> None:
        if self._presses.get(outlet) is press:
            self._do(outlet, Action.OFF)

    def _do(self, outlet: str, action: Action) -> None:
        """What the machine does by itself, although the board may have got a fault since the press."""
        if self._device.faults.refuse is None:
            self._world.switch(self._device.name, outlet, action)

    def _node(self, outlet: str) -> Node:
        return self._world.wired(self._device.name, outlet)


def mains_closed(on: dict[str, bool]) -> dict[str, int]:
    """The memory of a board whose nodes run or not, by outlet: contacts of running nodes are closed."""
    return {CLOSED: sum(1 << int(outlet) - 1 for outlet, running in on.items() if running)}
