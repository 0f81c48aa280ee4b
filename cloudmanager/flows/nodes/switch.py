"""Switching a service of a node on or off for good: `enable-snmp`, `disable-snmp`, `disable-nodesafe`.

Parameters: `node_id`. Result: `{"active": …, "enabled": …}` as systemd says them at the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cloudmanager.flows.base import Done, Fail, Flow, Outcome, Wait
from cloudmanager.flows.nodes.asking import LOOK_EVERY, QUEUE, run_on_node, unit

if TYPE_CHECKING:
    from cloudmanager.flows.run import Run
    from cloudmanager.host.systemd import Unit


@dataclass(frozen=True)
class Service:
    """A service by its name for people, and the commands that look at it, enable and disable it."""

    name: str
    state: str
    enable: str
    disable: str


SNMP = Service("the SNMP agent", "snmp-state", "snmp-enable", "snmp-disable")
NODESAFE = Service("the watchdog", "nodesafe-state", "nodesafe-enable", "nodesafe-disable")


class Switch:
    """The steps of switching one service one way."""

    def __init__(self, service: Service, *, on: bool) -> None:
        self._service = service
        self._on = on

    def steps(self) -> tuple[Any, ...]:
        """In their order."""
        return (self.look, self.switch, self.confirm)

    async def look(self, run: Run) -> Outcome:
        """What it is; a service that is not installed is off."""
        found = await unit(run, self._service.state)
        run.memo["found"] = {"enabled": found.enabled, "runs": found.runs}
        run.memo["done"] = self._is_done(found)
        if not found.installed and self._on:
            return Fail(f"{self._service.name} is not installed on the node: install it first")
        return Done(f"{self._service.name} {_in_words(found)}")

    async def switch(self, run: Run) -> Outcome:
        """Ask systemd, unless it is as wished."""
        if run.memo["done"]:
            return Done()
        await run_on_node(run, self._service.enable if self._on else self._service.disable)
        return Done(f"asked systemd to {'enable' if self._on else 'disable'} {self._service.name}")

    async def confirm(self, run: Run) -> Outcome:
        """Watch until systemd says so."""
        found = await unit(run, self._service.state)
        run.result = {"active": found.active, "enabled": found.file}
        if self._is_done(found):
            return Done(f"{self._service.name} {_in_words(found)}")
        since = run.memo.setdefault("confirming_since", run.now())
        if found.active == "failed" and self._on:
            return Fail(f"{self._service.name} does not start: see its journal on the node")
        if run.now() - since >= (limit := run.ports.config.node_actions.confirm_timeout):
            return Fail(f"{self._service.name} {_in_words(found)}, {limit:g} s after it was asked not to be")
        return Wait(LOOK_EVERY, f"{self._service.name} {_in_words(found)}")

    async def restore(self, run: Run) -> Outcome:
        """Put back what was found, where something was changed."""
        before = run.memo.get("found")
        if before is None or run.memo["done"] or before["enabled"] == self._on:
            return Done()
        await run_on_node(run, self._service.disable if self._on else self._service.enable)
        return Done(f"{self._service.name} is {'enabled' if before['enabled'] else 'disabled'} again")

    def _is_done(self, found: Unit) -> bool:
        if self._on:
            return found.installed and found.enabled and found.runs
        return not found.enabled and not found.runs and not found.changes


def _in_words(found: Unit) -> str:
    if not found.installed:
        return "is not installed"
    return f"is {found.active} and {found.file or 'not enabled'}"


def _flow(kind: str, summary: str, service: Service, *, on: bool) -> Flow:
    switch = Switch(service, on=on)
    return Flow(
        kind=kind,
        summary=summary,
        queue=QUEUE,
        steps=switch.steps(),
        undo=(switch.restore,),
        no_return=switch.switch,
    )


ENABLE_SNMP = _flow("enable-snmp", "Start the SNMP agent of a node, now and with it", SNMP, on=True)
DISABLE_SNMP = _flow("disable-snmp", "End the SNMP agent of a node, now and for good", SNMP, on=False)
DISABLE_NODESAFE = _flow("disable-nodesafe", "End the watchdog of a node", NODESAFE, on=False)
