"""What authors of flows write: steps, and the flow that lists them.

A step looks, acts once, or watches, and answers one of three outcomes. Rules for the wall:
look first; look in one step, act in the next; an act that must happen only once needs a witness;
keep it short (start long things, then watch them by `Wait`); restore what you found, not what you assume.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from cloudmanager.availability.heartbeats import Storages
from cloudmanager.flows.desk import Desk
from cloudmanager.openstack.tenants import absent_tenants
from cloudmanager.sign.keys import SigningKeys

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from cloudmanager.drivers.base import Action, PowerState
    from cloudmanager.flows.run import Run
    from cloudmanager.flows.state import FlowState
    from cloudmanager.host.port import HostPort
    from cloudmanager.openstack.port import CloudPort
    from cloudmanager.openstack.tenant_port import TenantClouds
    from cloudmanager.power import Outlet, Password
    from cloudmanager.vault import Vault


@dataclass(frozen=True)
class Done:
    """The step is finished; go on with the next. No message: there was nothing to do."""

    message: str = ""


@dataclass(frozen=True)
class Wait:
    """Not there yet: run this step again after so many seconds."""

    seconds: float
    why: str


@dataclass(frozen=True)
class Fail:
    """It cannot be done; undo and end."""

    why: str


Outcome = Done | Wait | Fail
Step = Callable[["Run"], Awaitable[Outcome]]
Hook = Callable[["Session", Sequence["FlowState"]], None]
Write = tuple[Callable[["Session", Sequence[Any]], None], Any]


@dataclass(frozen=True, kw_only=True)
class Flow:
    """A kind of long work. The open flow is the lock of its subject.

    `queue` is the Celery queue that rings for it. A cancel is obeyed before the step `no_return` is begun,
    never after. `begin` and `finish` write to the database in the transactions that open and end flows of
    this kind, for all of them together.
    """

    kind: str
    summary: str
    steps: tuple[Step, ...]
    queue: str
    undo: tuple[Step, ...] = ()
    no_return: Step | None = None
    begin: Hook | None = None
    finish: Hook | None = None


@dataclass(frozen=True)
class Child:
    """A flow to start below another: its subject, its parameters, and after how many seconds it begins.

    `turn` tells apart those that one flow starts on the same subject, one after another.
    """

    subject: str
    params: dict[str, Any]
    delay: float = 0.0
    turn: int = 0


class PowerPort(Protocol):
    """The power devices, by outlet. Errors: `DeviceUnreachable`, `DeviceRefused`, `Unsupported`."""

    async def read(self, outlet: Outlet) -> PowerState:
        """What the device says now."""

    async def apply(self, outlet: Outlet, action: Action) -> None:
        """Send one command; return means accepted."""

    async def actions(self, outlet: Outlet) -> frozenset[Action]:
        """What the device can do."""

    async def set_next_boot_from_network(self, outlet: Outlet) -> None:
        """Make the next start of the machine, and only that one, come from the network; switches nothing."""

    async def accepts(self, control_id: int, which: Password) -> bool:
        """Whether this password of a control logs in now; `Conflict` when none is pending."""

    async def set_password(self, control_id: int) -> None:
        """Give the device the pending password, with the current one; return means accepted."""


class AlertsPort(Protocol):
    """What watches the data centre. Errors: `Unavailable`, `InvalidInput`."""

    async def found_by(self, query: str) -> list[str]:
        """What a query finds now, in words; nothing is all clear."""


class DomainNames(Protocol):
    """What makes names lead to addresses. Asking twice is harmless. Errors: `Unavailable`, `Conflict`."""

    async def publish(self, name: str, address: str, project_id: str) -> bool:
        """Let a name lead to an address; False when nobody is told of names."""

    async def withdraw(self, name: str, address: str, project_id: str) -> bool:
        """Let a name no longer lead to that address; False when nobody is told of names."""


class Clock(Protocol):
    """Time, in seconds since the epoch."""

    def now(self) -> float:
        """The time."""

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""


@dataclass(frozen=True)
class Ports:
    """All of the outside world that steps can touch, and the configuration, such as `config.power`."""

    power: PowerPort
    cloud: CloudPort
    host: HostPort
    alerts: AlertsPort
    clock: Clock
    config: Any
    storages: Storages = field(default_factory=Storages)
    signing: SigningKeys = field(default_factory=lambda: SigningKeys(None))
    desk: Desk = field(default_factory=Desk)
    tenants: TenantClouds = field(default_factory=absent_tenants)
    names: DomainNames | None = None
    vault: Vault | None = None
