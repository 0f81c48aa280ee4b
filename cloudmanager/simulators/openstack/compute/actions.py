"""The history of each server: what was asked, and how each part of it went.

A request that fails after it was accepted says why only here, in the details of an event.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.simulators.openstack.compute.rows import Action, ActionEvent
from cloudmanager.simulators.openstack.problems import NotThere

if TYPE_CHECKING:
    from cloudmanager.simulators.clock import Clock
    from cloudmanager.simulators.openstack.compute.rows import Origin, Server
    from cloudmanager.simulators.openstack.compute.tables import Tables


class Actions:
    """Writes and finds actions."""

    def __init__(self, clock: Clock, tables: Tables) -> None:
        self._clock = clock
        self._tables = tables

    def begin(self, server: Server, name: str, origin: Origin) -> None:
        """Remember that something was asked."""
        now = self._clock.now()
        action = Action(
            server_id=server.id,
            request_id=origin.request_id,
            name=name,
            user_id=origin.user_id,
            project_id=origin.project_id,
            started_at=now,
            updated_at=now,
        )
        self._tables.actions.setdefault(server.id, []).append(action)

    def of(self, server_id: str) -> list[Action]:
        """All actions of a server, newest first."""
        return self._tables.actions.get(server_id, [])[::-1]

    def one(self, server_id: str, request_id: str) -> Action:
        """The action of a request, or `NotThere`."""
        for action in self.of(server_id):
            if action.request_id == request_id:
                return action
        raise NotThere(f"Action for request_id {request_id} on instance {server_id} not found")

    def started(self, server_id: str, request_id: str, event: str, host: str | None = None) -> None:
        """A part of the action has begun."""
        action = self.one(server_id, request_id)
        action.events.append(ActionEvent(name=event, started_at=self._clock.now(), host=host))
        action.updated_at = self._clock.now()

    def ended(
        self, server_id: str, request_id: str, event: str, error: str | None = None, host: str | None = None
    ) -> None:
        """A part of the action has ended, well or with an error; it may be begun and ended at once."""
        action = self.one(server_id, request_id)
        now = self._clock.now()
        open_ones = [e for e in action.events if e.name == event and e.finished_at is None]
        if not open_ones:
            open_ones = [ActionEvent(name=event, started_at=now, host=host)]
            action.events += open_ones
        found = open_ones[-1]
        found.finished_at, found.result, found.details = now, "Error" if error else "Success", error
        action.updated_at = now
        if error:
            action.message = "Error"
