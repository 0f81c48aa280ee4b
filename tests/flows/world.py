"""A world in memory for flows: devices behind the power port, a clock of its own, and death on request."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING

from cloudmanager.availability.heartbeats import Storages
from cloudmanager.config import drs as drs_section
from cloudmanager.config import node_actions as node_section
from cloudmanager.drivers.base import Action, PowerState
from cloudmanager.errors import CloudUnreachable, DeviceUnreachable, Unsupported
from cloudmanager.flows.base import Ports
from cloudmanager.host.absent import absent_host
from cloudmanager.openstack.absent import absent_cloud
from cloudmanager.openstack.tenants import absent_tenants
from cloudmanager.power import Outlet
from cloudmanager.sign.keys import SigningKeys

if TYPE_CHECKING:
    import random

ALL_ACTIONS = frozenset(Action)


class WorkerDied(BaseException):
    """The worker is gone: nothing of it runs any more."""


class VirtualClock:
    """Time stands still while anybody works, and jumps to the next sleeper when all sleep."""

    def __init__(self) -> None:
        self.time = 1_000_000.0
        self.working = 0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        wake = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.time + max(0.0, seconds), next(self._order), wake))
        await wake

    async def to_thread(self, function, *args, **kwargs):
        """Stands in for `asyncio.to_thread`: others may come first, time stands still meanwhile."""
        self.working += 1
        try:
            await asyncio.sleep(0)
            return function(*args, **kwargs)
        finally:
            self.working -= 1

    async def run(self) -> None:
        """Let time pass until cancelled."""
        while True:
            for _ in range(20):  # enough for whoever was woken to begin something
                await asyncio.sleep(0)
            if self.working or not self._sleepers:
                await asyncio.sleep(0)
                continue
            wakes_at, _, wake = heapq.heappop(self._sleepers)
            if not wake.done():
                self.time = max(self.time, wakes_at)
                wake.set_result(None)


@dataclass
class Machine:
    """What hangs on one outlet. `lag` is how many seconds a switch takes."""

    clock: VirtualClock
    on: bool = True
    lag: float = 0.4
    deaf: bool = False
    """Accepts commands and does nothing."""
    dead: bool = False
    """Its device does not answer."""
    says_off: bool = False
    """Its device lies, and does nothing."""
    obeys_button: bool = True
    commands: list[Action] = field(default_factory=list)
    resets: int = 0
    cuts: int = 0
    boots_from_network: bool = True
    next_boot: str = "disk"
    _becoming: bool | None = None
    _changes_at: float = 0.0

    def obey(self, action: Action) -> None:
        self.settle()
        self.commands.append(action)
        if self.deaf or self.says_off or (action is Action.SOFT_OFF and not self.obeys_button):
            return
        if action is Action.RESET:
            self.resets += self.on
            return
        self._becoming, self._changes_at = action is Action.ON, self.clock.now() + self.lag

    def boot_from_network(self) -> None:
        if not self.boots_from_network:
            raise Unsupported("the device cannot choose what a machine starts from")
        self.next_boot = "network"

    def settle(self) -> None:
        if self._becoming is not None and self.clock.now() >= self._changes_at:
            self.cuts += self.on and not self._becoming
            self.on, self._becoming = self._becoming, None

    def state(self) -> PowerState:
        self.settle()
        return PowerState.ON if self.on and not self.says_off else PowerState.OFF


class Line:
    """The line to the outside world: counts calls, and the worker dies at the n-th when told to."""

    def __init__(self) -> None:
        self.calls = 0
        self.acts: list[int] = []
        """Those of the calls that change something."""
        self.die_after: int | None = None
        self.die_before: int | None = None
        self.lose_answer_of: int | None = None
        self.flaky: random.Random | None = None
        self.share = 0.0

    def call(self, what, act, *, lost=DeviceUnreachable, changes=False):
        self.calls += 1
        if changes:
            self.acts.append(self.calls)
        if self.die_before == self.calls:
            raise WorkerDied
        answer = act()
        if self.die_after == self.calls:
            raise WorkerDied
        if self.lose_answer_of == self.calls:
            raise lost(
                f"{what} did not answer", **({} if lost is CloudUnreachable else {"maybe_applied": True})
            )
        if self.flaky and lost is CloudUnreachable and self.flaky.random() < self.share:
            raise CloudUnreachable(f"{what} did not answer")
        return answer


class FakePower:
    """The power port over machines."""

    def __init__(self, clock: VirtualClock, line: Line, actions: frozenset[Action] = ALL_ACTIONS) -> None:
        self.clock = clock
        self.line = line
        self.machines: dict[Outlet, Machine] = {}
        self._actions = actions

    def plug(self, control_id: int, port: str = "1", **machine: object) -> Machine:
        self.machines[Outlet(control_id, port)] = new = Machine(self.clock, **machine)
        return new

    async def read(self, outlet: Outlet) -> PowerState:
        return self._call(outlet, lambda machine: machine.state())

    async def apply(self, outlet: Outlet, action: Action) -> None:
        self._call(outlet, lambda machine: machine.obey(action), changes=True)

    async def set_next_boot_from_network(self, outlet: Outlet) -> None:
        self._call(outlet, Machine.boot_from_network, changes=True)

    async def actions(self, outlet: Outlet) -> frozenset[Action]:
        return self._actions

    def _call(self, outlet, act, *, changes=False):
        def reached():
            machine = self.machines[outlet]
            if machine.dead:
                raise DeviceUnreachable(f"{outlet} does not answer")
            return act(machine)

        return self.line.call(outlet, reached, changes=changes)


def power_options(**changed: float) -> SimpleNamespace:
    """The [power] options, quick."""
    defaults = {
        "confirm_timeout": 10.0,
        "confirm_interval": 0.5,
        "soft_off_grace": 5.0,
        "off_on_pause": 2.0,
        "fleet_rate": 0.0,
        "rack_rate": 0.0,
        "control_rate": 0.0,
    }
    return SimpleNamespace(**(defaults | changed))


def host_options(**changed: object) -> SimpleNamespace:
    """The [hosts] options, quick."""
    defaults = {
        "migrations_per_source": 4,
        "migrations_per_destination": 4,
        "poll_interval": 1.0,
        "migration_tries": 2,
        "live_migration_timeout": 60.0,
        "live_migration_policy": "wait",
        "migration_timeout": 120.0,
        "server_timeout": 30.0,
        "clone_timeout": 60.0,
        "restart_batch": 1,
        "boot_timeout": 60.0,
        "return_interval": 20.0,
    }
    return SimpleNamespace(**(defaults | changed))


def node_options(**changed: object) -> SimpleNamespace:
    """The [node_actions] options: their defaults, but for what is changed."""
    defaults = {option.dest: option.default for option in node_section.OPTIONS}
    return SimpleNamespace(**(defaults | changed))


def drs_options(**changed: object) -> SimpleNamespace:
    """The [drs] options: their defaults, but for what is changed."""
    defaults = {option.dest: option.default for option in drs_section.OPTIONS}
    return SimpleNamespace(**(defaults | changed))


class FakeAlerts:
    """What fires, by query; `error` is raised instead."""

    def __init__(self) -> None:
        self.firing: dict[str, list[str]] = {}
        self.error: Exception | None = None
        self.asked: list[str] = []

    async def found_by(self, query: str) -> list[str]:
        self.asked.append(query)
        if self.error is not None:
            raise self.error
        return self.firing.get(query, [])


class PromptStorages(Storages):
    """Reads in no time: time would not stand still for a thread."""

    async def _in_own_thread(self, path, work):
        return work()


def ports(
    power: FakePower,
    clock: VirtualClock,
    cloud=None,
    host=None,
    *,
    hosts=None,
    host_tasks=None,
    alerts=None,
    availability=None,
    drs=None,
    sign=None,
    signing=None,
    node_actions=None,
    tenants=None,
    names=None,
    vault=None,
    **power_,
) -> Ports:
    config = SimpleNamespace(
        power=power_options(**power_),
        hosts=host_options(**(hosts or {})),
        host_tasks=SimpleNamespace(
            **(
                {
                    "allow_evacuate_host": True,
                    "evacuation_retries": 2,
                    "deny_evacuate": [],
                    "spare_wait": 60.0,
                }
                | (host_tasks or {})
            )
        ),
        extra_availability_check=SimpleNamespace(
            **({"stale_after": 60.0, "max_clock_skew": 5.0} | (availability or {}))
        ),
        drs=drs_options(**(drs or {})),
        node_actions=node_options(**(node_actions or {})),
        volumes=SimpleNamespace(poll_interval=0.5, stalled_after=10.0),
        portal=SimpleNamespace(public_network="", ssh_sources=["0.0.0.0/0"]),
        sign=SimpleNamespace(
            **({"verify_interval": 300.0, "verify_nvram": True, "stop_violated": True} | (sign or {}))
        ),
    )
    return Ports(
        power=power,
        cloud=cloud or absent_cloud(),
        host=host or absent_host(),
        alerts=alerts or FakeAlerts(),
        clock=clock,
        config=config,
        storages=PromptStorages(clock=clock.now),
        signing=signing or SigningKeys(None),
        tenants=tenants or absent_tenants(),
        names=names,
        vault=vault,
    )
