"""Switching the power of one node or coil: `power-on`, `power-off`, `reset`.

Parameters: `node_id`, and for one given outlet `control_id` with `port`; `power-off` also takes `soft`.
All three look first, send one command, and confirm by reading back. Power on and off may be sent again after
a crash, because they ask for a state; a reset may not: nothing on the device tells whether it happened.
"""

from __future__ import annotations

import asyncio
from dataclasses import astuple
from functools import wraps
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import bindparam, insert, select, update

from cloudmanager.drivers.base import Action, PowerState
from cloudmanager.errors import Conflict, DeviceError, DeviceRefused, DeviceUnreachable
from cloudmanager.flows.base import Done, Fail, Flow, Outcome, Step, Wait
from cloudmanager.models import NodeControl, PowerAction, PowerControl, utc_now
from cloudmanager.observations import Seen, record
from cloudmanager.power import Outlet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Table
    from sqlalchemy.orm import Session

    from cloudmanager.flows.run import Run
    from cloudmanager.flows.state import FlowState

QUEUE = "power"
_QUICKEST_LOOK = 0.02
WORDS = {PowerState.ON: "on", PowerState.OFF: "off", PowerState.UNKNOWN: "in an unknown state"}


# --- steps -----------------------------------------------------------------------------------------------


async def look(run: Run) -> Outcome:
    """Find the outlets, the default one first, and the first device that answers."""
    outlets = await run.read(lambda session: outlets_of(session, run.params))
    if not outlets:
        return Fail(f"node {run.params.get('node_id')} has no power control: assign one first")
    reached, state, silent = await _first_that_answers(run, outlets)
    usable = [reached, *(other for other in outlets if other not in (reached, *silent))]
    run.memo["outlets"] = [astuple(outlet) for outlet in usable]
    run.memo["found"] = state
    passed_over = f"; {', '.join(str(outlet) for outlet in silent)} did not answer" if silent else ""
    return Done(f"{reached} says that it is {WORDS[state]}{passed_over}")


async def switch_on(run: Run) -> Outcome:
    """Ask for power, unless it is on: a running node is never touched."""
    if run.memo["found"] == PowerState.ON and run.memo.get("way") != "cycle":
        return Done()
    return await _send(run, Action.ON)


async def press_button(run: Run) -> Outcome:
    """Ask the operating system to shut down, once, where that was wished and the device can."""
    if not run.params.get("soft") or run.memo["found"] == PowerState.OFF:
        return Done()
    outlet = _outlet(run)
    if Action.SOFT_OFF not in await run.ports.power.actions(outlet):
        return Done(f"{outlet} cannot press the button; power will be cut")
    unsure = await _apply_once(run, outlet, Action.SOFT_OFF)
    run.memo["pressed_at"] = run.now()
    note = f" (not known whether it arrived: {unsure})" if unsure else ""
    return Done(f"asked the operating system to shut down through {outlet}{note}")


async def wait_for_shutdown(run: Run) -> Outcome:
    """Give the operating system its time."""
    pressed_at = run.memo.get("pressed_at")
    if pressed_at is None:
        return Done()
    outlet = _outlet(run)
    if await run.ports.power.read(outlet) == PowerState.OFF:
        _record(run, outlet, PowerState.OFF)
        run.memo["found"] = PowerState.OFF
        return Done("the operating system has shut down")
    grace = run.ports.config.power.soft_off_grace
    if run.now() - pressed_at >= grace:
        return Done(f"still not off after {grace:g} s; power will be cut")
    return Wait(_pause(run, pressed_at), "waiting for the operating system to shut down")


async def cut_power(run: Run) -> Outcome:
    """Switch off hard, unless it is off."""
    if run.memo["found"] == PowerState.OFF:
        return Done()
    return await _send(run, Action.OFF)


async def choose_way(run: Run) -> Outcome:
    """A reset: by the device where it can, else off and on; a node that is off is only switched on."""
    outlet = _outlet(run)
    if run.memo["found"] == PowerState.OFF:
        run.memo["way"] = "on"
        return Done("it is off: a restart is to switch it on")
    actions = await run.ports.power.actions(outlet)
    run.memo["way"] = "reset" if Action.RESET in actions else "cycle"
    return Done()


async def send_reset(run: Run) -> Outcome:
    """Send the reset, once. Where it is not known whether it arrived, that is said; it is not sent again."""
    outlet = _outlet(run)
    if unsure := await _apply_once(run, outlet, Action.RESET):
        return Fail(
            f"it is not known whether {outlet} took the reset ({unsure}); it was not sent again, because "
            "that could hit a machine that is starting: look whether it has restarted, else ask again"
        )
    run.memo["sent_at"] = run.now()
    return Done(f"{outlet} accepted the reset")


async def pause_without_power(run: Run) -> Outcome:
    """Keep the node without power for a moment, so that its supply discharges."""
    pause = run.ports.config.power.off_on_pause
    off_since = run.memo.setdefault("off_since", run.now())
    left = off_since + pause - run.now()
    return Wait(left, f"without power for {pause:g} s") if left > 0 else Done()


async def confirm_on(run: Run) -> Outcome:
    """Watch until the device says on."""
    return await _confirm(run, PowerState.ON)


async def confirm_off(run: Run) -> Outcome:
    """Watch until the device says off. No answer is not off."""
    return await _confirm(run, PowerState.OFF)


def only(way: str, step: Step) -> Step:
    """The step, when the restart goes this way; else nothing."""

    @wraps(step)
    async def guarded(run: Run) -> Outcome:
        return await step(run) if run.memo["way"] == way else Done()

    return guarded


# --- what steps share --------------------------------------------------------------------------------------


async def power_of(run: Run) -> PowerState:
    """What the first of the node's devices that answers says of its power; `Conflict` when it has none."""
    outlets = await run.read(lambda session: outlets_of(session, run.params))
    if not outlets:
        raise Conflict(f"node {run.params['node_id']} has no power control: assign one first")
    return (await _first_that_answers(run, outlets))[1]


async def _first_that_answers(run: Run, outlets: list[Outlet]) -> tuple[Outlet, PowerState, list[Outlet]]:
    """The default outlet if it answers, else the first of the others; with its state and who was silent.

    Raises the default's error when nobody answers.
    """
    first, *others = outlets
    try:
        return first, await _read(run, first), []
    except DeviceError as error:
        if not others:
            raise
        default_error = error
    answers = await asyncio.gather(*(_read(run, other) for other in others), return_exceptions=True)
    silent = [first]
    for outlet, answer in zip(others, answers, strict=True):
        if isinstance(answer, PowerState):
            return outlet, answer, silent
        if not isinstance(answer, DeviceError):
            raise answer
        silent.append(outlet)
    raise default_error


async def _send(run: Run, action: Action) -> Outcome:
    """Send a command that asks for a state, through the first outlet that takes it."""
    outlets = [Outlet(*outlet) for outlet in run.memo["outlets"]]
    for position, outlet in enumerate(outlets):
        try:
            await run.ports.power.apply(outlet, action)
        except (DeviceUnreachable, DeviceRefused) as error:
            if outlet is outlets[-1]:
                raise
            run.event(str(outlet), "retry", f"{error.message}; trying the next control")
        else:
            run.memo["outlets"] = run.memo["outlets"][position:]
            run.memo["sent_at"] = run.now()
            return Done(f"{outlet} accepted to switch {action}")
    raise AssertionError  # there is always an outlet


async def _apply_once(run: Run, outlet: Outlet, action: Action) -> str | None:
    """Send a command that must not be repeated; answers None, or why it is unknown whether it arrived."""
    if run.attempt > 1 and run.memo.get("not_sent_in") != run.attempt - 1:
        return "the worker that was sending it stopped"
    try:
        await run.ports.power.apply(outlet, action)
    except DeviceUnreachable as error:
        if error.maybe_applied:
            return error.message
        run.memo["not_sent_in"] = run.attempt
        raise
    return None


async def _confirm(run: Run, wanted: PowerState) -> Outcome:
    outlet = _outlet(run)
    state = await run.ports.power.read(outlet)
    if state == wanted:
        _record(run, outlet, state)
        return Done(f"{outlet} says that it is {WORDS[wanted]}")
    options = run.ports.config.power
    waited = run.now() - run.memo.setdefault("sent_at", run.now())
    if waited >= options.confirm_timeout:
        _record(run, outlet, state)
        return Fail(f"{outlet} still says {WORDS[state]} {waited:.0f} s after it accepted the command")
    return Wait(_pause(run, run.memo["sent_at"]), f"waiting for {outlet} to say {WORDS[wanted]}")


async def _read(run: Run, outlet: Outlet) -> PowerState:
    """Read the outlet and record what was seen."""
    state = await run.ports.power.read(outlet)
    _record(run, outlet, state)
    return state


def _record(run: Run, outlet: Outlet, state: PowerState) -> None:
    run.write(record, Seen(outlet, run.params.get("node_id"), state))


def _pause(run: Run, since: float) -> float:
    """Seconds until the next look: often at first, because most devices are quick, then more seldom."""
    most: float = run.ports.config.power.confirm_interval
    return min(most, max(_QUICKEST_LOOK, (run.now() - since) / 8))


def _outlet(run: Run) -> Outlet:
    return Outlet(*run.memo["outlets"][0])


# --- rows ------------------------------------------------------------------------------------------------


def outlets_of(session: Session, params: dict[str, Any]) -> list[Outlet]:
    """The outlets that serve: the one that was given, or those of the node, the default first."""
    if "control_id" in params:
        title = session.scalar(select(PowerControl.title).where(PowerControl.id == params["control_id"]))
        return [Outlet(params["control_id"], params["port"], title or "")]
    query = (
        select(NodeControl.power_control_id, NodeControl.power_control_port, PowerControl.title)
        .join(PowerControl)
        .where(NodeControl.node_id == params["node_id"])
        .order_by(NodeControl.is_default.desc(), NodeControl.power_control_id)
    )
    return [Outlet(*row) for row in session.execute(query)]


def note_actions(session: Session, states: Sequence[FlowState]) -> None:
    """Open the power actions of the nodes that are switched."""
    rows = [
        {
            "action": state.kind.replace("-", "_"),
            "node_id": state.params["node_id"],
            "user_name": state.requested_by,
            "task_id": state.id,
        }
        for state in states
        if "node_id" in state.params
    ]
    if rows:
        session.execute(insert(PowerAction), rows)


def close_actions(session: Session, states: Sequence[FlowState]) -> None:
    """Write what came of the power actions."""
    actions = cast("Table", PowerAction.__table__)
    statement = (
        update(actions)
        .where(actions.c.task_id == bindparam("task"))
        .values(end_time=bindparam("now"), result=bindparam("status"), error=bindparam("why"))
    )
    now = utc_now()
    rows = [{"task": state.id, "now": now, "status": state.status, "why": state.error} for state in states]
    session.connection().execute(statement, rows)


POWER_ON = Flow(
    kind="power-on",
    summary="Switch a node on and confirm it",
    queue=QUEUE,
    steps=(look, switch_on, confirm_on),
    no_return=switch_on,
    begin=note_actions,
    finish=close_actions,
)

POWER_OFF = Flow(
    kind="power-off",
    summary="Switch a node off, softly first if asked, and confirm it",
    queue=QUEUE,
    steps=(look, press_button, wait_for_shutdown, cut_power, confirm_off),
    no_return=press_button,
    begin=note_actions,
    finish=close_actions,
)

_RESET_ONCE = only("reset", send_reset)

RESET = Flow(
    kind="reset",
    summary="Restart a node and confirm that it is on",
    queue=QUEUE,
    steps=(
        look,
        choose_way,
        _RESET_ONCE,
        only("cycle", cut_power),
        only("cycle", confirm_off),
        only("cycle", pause_without_power),
        switch_on,
        confirm_on,
    ),
    no_return=_RESET_ONCE,
    begin=note_actions,
    finish=close_actions,
)
