"""Giving a power device another password, so that it is known at every moment: `rotate-password`.

Parameters: `control_id`, and `resumes` when an earlier rotation may have told the device already. The new
password is stored beside the current one before this flow begins, both encrypted; it takes the other's place
when it has logged in. Whichever logs in is the good one: so a flow that was cut off finds out how far it got.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import update

from cloudmanager.errors import CredentialsRefused, DeviceUnreachable
from cloudmanager.flows.base import Done, Fail, Flow, Outcome, Wait
from cloudmanager.flows.power import QUEUE
from cloudmanager.models import PowerControl, utc_now
from cloudmanager.power import Password

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from cloudmanager.flows.run import Run

_PROOF_PAUSES = (1.0, 4.0)
"""Seconds between log-ins with the new password: some devices need a moment. Few, as they lock accounts."""

_SILENCE_PAUSES = (2.0, 4.0, 8.0, 16.0, 32.0)
"""Seconds between looks at a device that fell silent when it may or may not have the new password."""

NEITHER = (
    "the device accepts neither its current nor its new password; both are kept: "
    "if it has locked the account, rotate again later; else give it a password by hand and store that one"
)


def subject_of(control_id: int) -> str:
    """The subject of flows that change a power control itself."""
    return f"control:{control_id}"


async def look(run: Run) -> Outcome:
    """Find out which password the device has. Nothing is sent to a device that we cannot log in to."""
    if await _accepts(run, Password.CURRENT):
        run.memo["has"] = Password.CURRENT
        return Done("the device accepts the current password")
    if not run.params.get("resumes"):
        return Fail("the device does not accept the password that is stored; nothing was sent to it")
    if await _accepts(run, Password.PENDING):
        run.memo["has"] = Password.PENDING
        return Done("the device has the new password already")
    run.memo["lost"] = True
    return Fail(NEITHER)


async def tell_device(run: Run) -> Outcome:
    """Give it the new password, unless an earlier attempt has done so."""
    if run.memo["has"] == Password.PENDING:
        return Done()
    if run.attempt > 1 and await _accepts(run, Password.PENDING):
        return Done("the device has the new password already")
    try:
        await run.ports.power.set_password(run.params["control_id"])
    except CredentialsRefused:
        # Some obey, end the session, and answer that nobody is logged in.
        if not await _accepts(run, Password.PENDING):
            raise
    return Done("the device took the new password")


async def prove(run: Run) -> Outcome:
    """Log in with the new password; then it is the current one."""
    if await _accepts(run, Password.PENDING):
        run.write(make_current, run.params["control_id"])
        return Done("logged in with the new password; it is stored as the current one")
    refused = run.memo["refused"] = run.memo.get("refused", 0) + 1
    if refused > len(_PROOF_PAUSES):
        return Fail("the device took the new password, but does not log in with it")
    return Wait(_PROOF_PAUSES[refused - 1], "the device does not accept the new password yet")


async def keep_what_works(run: Run) -> Outcome:
    """Store the password that the device has; both, when that cannot be found out."""
    if run.memo.get("lost"):
        return Done()
    if "has" not in run.memo and not run.params.get("resumes"):
        run.write(forget_pending, run.params["control_id"])
        return Done("nothing was sent to the device: its password stays")
    try:
        return await _find_out(run)
    except DeviceUnreachable as error:
        silent = run.memo["silent"] = run.memo.get("silent", 0) + 1
        if silent <= len(_SILENCE_PAUSES):
            return Wait(_SILENCE_PAUSES[silent - 1], f"{error.message}; asking again which password it has")
        return Fail(f"{error.message}; both passwords are kept: rotate again when it answers")


async def _find_out(run: Run) -> Outcome:
    control_id = run.params["control_id"]
    if await _accepts(run, Password.CURRENT):
        run.write(forget_pending, control_id)
        return Done("the device has its old password, which stays")
    if await _accepts(run, Password.PENDING):
        run.write(make_current, control_id)
        return Done("the device has the new password; it is stored as the current one")
    return Fail(NEITHER)


async def _accepts(run: Run, which: Password) -> bool:
    return await run.ports.power.accepts(run.params["control_id"], which)


def make_current(session: Session, control_ids: Sequence[int]) -> None:
    """The pending passwords of these controls are the ones that their devices have."""
    _write(
        session,
        control_ids,
        sealed_password=PowerControl.sealed_pending_password,
        sealed_pending_password=None,
        time_updated=utc_now(),
    )


def forget_pending(session: Session, control_ids: Sequence[int]) -> None:
    """The devices of these controls do not have the pending passwords."""
    _write(session, control_ids, sealed_pending_password=None)


def _write(session: Session, control_ids: Sequence[int], **values: object) -> None:
    being_changed = PowerControl.sealed_pending_password.is_not(None)
    session.execute(
        update(PowerControl).where(PowerControl.id.in_(control_ids), being_changed).values(**values)
    )


ROTATE_PASSWORD = Flow(
    kind="rotate-password",
    summary="Give a power device another password and store it when it has logged in",
    queue=QUEUE,
    steps=(look, tell_device, prove),
    undo=(keep_what_works,),
    no_return=tell_device,
)
