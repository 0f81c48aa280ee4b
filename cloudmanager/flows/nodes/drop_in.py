"""A file of ours in the configuration of a service, which is restarted; put back if it does not run with it.

The witness of the restart is systemd's InvocationID: it is new after each start.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cloudmanager.flows.base import Done, Fail, Outcome, Wait
from cloudmanager.flows.nodes.asking import LOOK_EVERY, kept_file, run_on_node, unit, write_file
from cloudmanager.models import Node

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudmanager.flows.run import Run


@dataclass(frozen=True)
class DropIn:
    """What it is for people, and the commands for the file and its service; `content` None: no file.

    `check` asks the service whether it would take its configuration, where it can say so.
    """

    what: str
    show: str
    write: str
    remove: str
    state: str
    restart: str
    content: Callable[[Run], str | None]
    check: str = ""

    @property
    def steps(self) -> tuple[Any, ...]:
        """In their order."""
        return (self.look, self.write_settings, self.restart_service, self.confirm)

    async def look(self, run: Run) -> Outcome:
        """What the file holds, and whether the service is there."""
        if not await run.read(lambda session: session.get_one(Node, run.params["node_id"]).dcc):
            return Fail("dynamic component configuration of the node is off: enable-dcc allows it")
        found = await unit(run, self.state)
        if not found.installed:
            return Fail(f"the node has no such service ({self.state} says so): install it first")
        before = await kept_file(run, self.show)
        run.memo |= {"before": before, "wanted": self.content(run), "invocation": found.invocation}
        run.memo["nothing_to_do"] = before == run.memo["wanted"] and found.runs
        return Done(f"{self.what}: as wished already" if run.memo["nothing_to_do"] else "")

    async def write_settings(self, run: Run) -> Outcome:
        """Put the file there, and have it checked."""
        if run.memo["nothing_to_do"]:
            return Done()
        run.memo["written"] = True
        await write_file(run, self.write, self.remove, run.memo["wanted"])
        if self.check:
            await run_on_node(run, self.check)
        return Done(f"{self.what}: {'written' if run.memo['wanted'] is not None else 'removed'}")

    async def restart_service(self, run: Run) -> Outcome:
        """Once: not when it has been started anew since we looked."""
        if run.memo["nothing_to_do"]:
            return Done()
        if run.attempt > 1 and (await unit(run, self.state)).invocation != run.memo["invocation"]:
            return Done("the service was restarted")
        await run_on_node(run, self.restart)
        return Done("asked systemd to restart the service")

    async def confirm(self, run: Run) -> Outcome:
        """Watch until it has run for a while, and see that the file is there."""
        found = await unit(run, self.state)
        now, options = run.now(), run.ports.config.node_actions
        begun = run.memo.setdefault("confirming_since", now)
        run.result = {"active": found.active, "settings": run.memo["wanted"]}
        if run.memo["nothing_to_do"]:
            return Done()
        if found.active == "failed":
            return Fail(f"{self.what}: the service does not start with it; its journal on the node says why")
        is_new = found.runs and found.invocation != run.memo["invocation"]
        if is_new and run.memo.get("seen") == found.invocation:
            if now - run.memo["seen_since"] >= options.settle:
                return await self._see(run)
        elif is_new:
            run.memo |= {"seen": found.invocation, "seen_since": now}
        if now - begun >= options.confirm_timeout + options.settle:
            return Fail(f"{self.what}: the service does not stay up; it is {found.active}")
        return Wait(LOOK_EVERY, f"the service is {found.active}; it has to stay up")

    async def put_back(self, run: Run) -> Outcome:
        """What the file held before, and the service with it."""
        if not run.memo.get("written"):
            return Done()
        if await kept_file(run, self.show) != run.memo["before"]:
            await write_file(run, self.write, self.remove, run.memo["before"])
        elif (await unit(run, self.state)).invocation == run.memo["invocation"]:
            return Done("the file is as it was, and the service was not touched")
        await run_on_node(run, self.restart)
        return Done("the file is as it was; the service is restarted with it")

    async def _see(self, run: Run) -> Outcome:
        if await kept_file(run, self.show) != run.memo["wanted"]:
            return Fail(f"{self.what}: somebody else has changed the file meanwhile")
        return Done(f"{self.what}: the service runs with it")
