"""What the state machine of a BMC needs of the outside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from .bmc import Bmc

Address = tuple[Any, ...]
"""A socket address as the `socket` module gives it."""


class Wire(Protocol):
    """Time, packets and session ids. `Transport` is the real one; tests have their own."""

    def now(self) -> float:
        """Seconds of a clock that never goes back."""

    def send(self, bmc: Bmc, packet: bytes) -> None:
        """Send a packet to `bmc.address`."""

    def wake_at(self, bmc: Bmc, when: float) -> None:
        """Call `bmc.wake` at this time instead of the one asked for before; `inf` is never."""

    def new_session_id(self, bmc: Bmc) -> bytes:
        """Make a session id of ours; packets that carry it come to `bmc.receive` until it is dropped."""

    def drop_session_id(self, session_id: bytes) -> None:
        """Forget a session id."""
