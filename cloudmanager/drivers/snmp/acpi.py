"""`DaenetIP2_ACPI`: the same board with its relays across the power buttons of machines."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Final, Literal

from cloudmanager.drivers.base import Action, PowerState, Settings
from cloudmanager.errors import DeviceError, DeviceRefused, DeviceUnreachable

from .daenet import ALL_DIGITAL, CLOSED, OPEN, DaenetBoard, analog, relay, states

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

LOG = logging.getLogger(__name__)

_LARGEST_ANALOG = 1023
_PRESS_ANSWERED_WITHIN = 2.0
"""Seconds. Whoever waits longer for the answer to a press risks that a short press becomes a long one, which
takes the machine's power away after four seconds (ACPI 6.5 §4.8.3.1.1)."""


@dataclass(frozen=True, kw_only=True)
class AcpiSettings(Settings):
    """Adds the lengths of presses, and where the board sees whether a machine runs.

    A short press ends before, and a long one after, the four seconds of ACPI 6.5 §4.8.3.1.1; the longest is
    shorter than a step of a task may be.
    """

    short_press: float = field(
        default=0.7,
        metadata={
            "help": "Seconds that a press lasts which starts a machine or shuts it down.",
            "minimum": 0.1,
            "maximum": 3.5,
        },
    )
    long_press: float = field(
        default=5.0,
        metadata={
            "help": "Seconds that a press lasts which takes a machine's power away.",
            "minimum": 4.1,
            "maximum": 8.0,
        },
    )
    sense: Literal["analog", "digital"] = field(
        default="analog",
        metadata={"help": "Where machine n is sensed: channel n of port P6, or line n of port P3."},
    )
    threshold: int = field(
        default=512,
        metadata={
            "help": "Analog value from which on a machine is taken to run.",
            "minimum": 0,
            "maximum": _LARGEST_ANALOG,
        },
    )


class DaenetIP2_ACPI(DaenetBoard):  # noqa: N801 - the name of the type in the API
    """Presses power buttons, after a look whether the machine runs: the same press starts and stops it.

    `apply` waits while it holds a button. That is not waiting for an effect: how long the press lasts *is*
    the command (short starts or shuts down, long takes the power away). The button is let go of whatever
    happens meanwhile. The other outlets of the board wait that long.
    """

    control_type: ClassVar[str] = "DaenetIP2_ACPI"
    actions: ClassVar[frozenset[Action]] = frozenset({Action.ON, Action.OFF, Action.SOFT_OFF})
    settings_type: ClassVar[type[Settings]] = AcpiSettings

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._options: Final = (
            settings if isinstance(settings, AcpiSettings) else AcpiSettings(**vars(settings))
        )

    async def _read_states(self, outlets: Collection[str]) -> Mapping[str, PowerState]:
        deadline = self._deadline()
        if self._options.sense == "digital":
            return states(await self._get(ALL_DIGITAL, deadline, largest=0xFF), outlets)
        return {outlet: await self._sense(outlet, deadline) for outlet in outlets}

    async def _sense(self, outlet: str, deadline: float) -> PowerState:
        value = await self._get(analog(int(outlet)), deadline, largest=_LARGEST_ANALOG)
        return PowerState.ON if value >= self._options.threshold else PowerState.OFF

    async def _apply(self, outlet: str, action: Action) -> None:
        state = (await self._read_states([outlet]))[outlet]
        if (state is PowerState.ON) == (action is Action.ON):
            return  # it is as it should be; a press would change that
        await self._press(
            outlet, self._options.long_press if action is Action.OFF else self._options.short_press
        )

    async def _press(self, outlet: str, seconds: float) -> None:
        """Hold the button. Once it may be pressed it is let go of, be it that nobody waits any more."""
        now = asyncio.get_running_loop().time()
        answered_by = now + min(self.settings.timeout, _PRESS_ANSWERED_WITHIN)
        try:
            # Sent once: a repetition that is late on its way would press the button again.
            await self._set(relay(int(outlet)), CLOSED, answered_by, repeat=False)
            await asyncio.sleep(seconds)
        except BaseException as error:
            await self._undo(outlet, error)
            raise
        if problem := await self._let_go(outlet):
            raise self._still_pressed(outlet, problem)

    async def _undo(self, outlet: str, error: BaseException) -> None:
        """Let go after a press that failed or was cancelled; raises only if it then is worse than `error`."""
        if isinstance(error, DeviceUnreachable) and not error.maybe_applied:
            return
        problem = await self._let_go(outlet)
        if problem is None or (isinstance(error, DeviceRefused) and isinstance(problem, DeviceRefused)):
            return
        pressed = self._still_pressed(outlet, problem)
        if isinstance(error, DeviceError):
            raise pressed from error
        LOG.error(pressed.message)  # cancelled: nobody hears an error

    async def _let_go(self, outlet: str) -> DeviceError | None:
        """Open the contact, trying for as long as the time-out allows, even if cancelled meanwhile."""
        opening = asyncio.create_task(self._set(relay(int(outlet)), OPEN, self._deadline()))
        cancelled: asyncio.CancelledError | None = None
        while not opening.done():
            try:
                await asyncio.wait({opening})
            except asyncio.CancelledError as request:
                cancelled = request
        problem = opening.exception()
        if cancelled:
            if isinstance(problem, DeviceError):
                LOG.error(self._still_pressed(outlet, problem).message)
            raise cancelled
        if problem is None or isinstance(problem, DeviceError):
            return problem
        raise problem

    def _still_pressed(self, outlet: str, problem: DeviceError) -> DeviceUnreachable:
        message = (
            f"the power button on port {outlet} may still be pressed, see that its contact opens: {problem}"
        )
        return DeviceUnreachable(message, maybe_applied=True)
