"""Giving a power device another password. The work itself is done by the flow `rotate-password`."""

from __future__ import annotations

import itertools
import secrets
import string
from typing import TYPE_CHECKING, Any

from marshmallow import fields, validate
from sqlalchemy import select

from cloudmanager.api.body import Body
from cloudmanager.api.fields import text, whole
from cloudmanager.api.idempotency import keep
from cloudmanager.api.node_power import start_flow
from cloudmanager.api.operation import operation
from cloudmanager.api.power_controls import blueprint, check_unheld, power_controls
from cloudmanager.api.services import services
from cloudmanager.api.started import STARTED, started
from cloudmanager.drivers import driver_for
from cloudmanager.errors import Conflict, InvalidInput, NotFound, Unsupported
from cloudmanager.flows import holders
from cloudmanager.flows.rotate_password import subject_of
from cloudmanager.models import PowerControl
from cloudmanager.tokens import Role

if TYPE_CHECKING:
    from flask import Response
    from sqlalchemy.orm import Session

LENGTH = 16
"""What every BMC takes: longer ones are cut off by some, and Redfish services often ask for 8 to 20."""

KINDS = (string.ascii_lowercase, string.ascii_uppercase, string.digits, "-_")
_CHARACTERS = "".join(KINDS)


class RotatePassword(Body):
    """The password that the device is to have; without one, it gets one that nobody knows."""

    password = text(1024, min_length=1, load_only=True)


class RotatePasswords(Body):
    """The power controls whose devices are to have other passwords."""

    ids = fields.List(whole(1), required=True, validate=validate.Length(min=1, max=10_000))


@operation(
    blueprint,
    "POST",
    "/power-controls/<id:power_control_id>/actions/rotate-password",
    role=Role.ADMIN,
    name="rotate_password",
    summary="Give the device another password, and store it once it has logged in",
    body=RotatePassword(),
    answers={202: STARTED},
    errors=(409,),
)
def rotate_password(power_control_id: int, body: dict[str, Any]) -> Response:
    """Without a password, a rotation that did not come to its end is finished with the password it had."""
    with services().database.transaction() as session:
        control = power_controls.row(session, power_control_id)
        check_unheld(session, power_control_id)
        task_id = _begin(session, control, body.get("password"))
        return keep(session, started(task_id))


@operation(
    blueprint,
    "POST",
    "/power-controls/actions/rotate-password",
    role=Role.ADMIN,
    name="rotate_passwords",
    summary="Give many devices other passwords; one failure never fails the rest",
    body=RotatePasswords(),
    answers={202: STARTED},
    errors=(404, 409),
)
def rotate_passwords(body: dict[str, Any]) -> Response:
    """Each gets one that nobody knows. Nothing is begun when one of them cannot, or a task holds it."""
    wanted: list[int] = list(dict.fromkeys(body["ids"]))
    with services().database.transaction() as session:
        controls = {
            row.id: row for row in session.scalars(select(PowerControl).where(PowerControl.id.in_(wanted)))
        }
        if unknown := [str(key) for key in wanted if key not in controls]:
            raise NotFound(f"there is no power control {', '.join(unknown)}")
        if held := holders(session, [subject_of(key) for key in wanted]):
            raise Conflict("; ".join(f"{what} is held by task {task}" for what, task in held.items()))
        resumes = [key for key in wanted if _prepare(controls[key], None)]
        params = {"control_ids": wanted, "resumes": resumes}
        return keep(session, started(start_flow(session, "rotate-passwords", None, params)))


def _begin(session: Session, control: PowerControl, given: str | None) -> str:
    """Store the new password before anybody else hears of it, and begin; answers the task."""
    params: dict[str, Any] = {"control_id": control.id}
    if _prepare(control, given):
        params["resumes"] = True
    return start_flow(session, "rotate-password", subject_of(control.id), params)


def _prepare(control: PowerControl, given: str | None) -> bool:
    """Store the new password; true: an earlier rotation has, and is to be finished."""
    _check(control, given)
    if control.sealed_pending_password is not None:
        return True
    control.sealed_pending_password = services().vault.seal(generated() if given is None else given)
    return False


def _check(control: PowerControl, given: str | None) -> None:
    driver = driver_for(control.control_type)
    if not driver.longest_password:
        raise Unsupported(
            f"{control.control_type} cannot change its password over the network: change it on the device, "
            "then store the new one"
        )
    if given is None:
        return
    if len(given.encode()) > (most := driver.longest_password):
        message = f"password: {control.control_type} takes up to {most} bytes"
        raise InvalidInput(message, {"password": [f"Longer than {most} bytes."]})
    if control.sealed_pending_password is not None:
        raise Conflict(
            f"an earlier rotation of power control {control.id} did not come to its end, and the device may "
            "have its password: finish that one first, by rotating without a password"
        )


def generated() -> str:
    """A password with characters of every kind, beginning with a letter, none twice in a row."""
    while True:
        password = "".join(secrets.choice(_CHARACTERS) for _ in range(LENGTH))
        repeats = any(one == following for one, following in itertools.pairwise(password))
        if password[0].isalpha() and not repeats and all(set(kind) & set(password) for kind in KINDS):
            return password
