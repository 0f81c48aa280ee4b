"""Testing a power control: whether it can be reached with what is stored, and what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import update

from cloudmanager.api.answers import answer
from cloudmanager.api.operation import operation
from cloudmanager.api.power_controls import blueprint, columns_of, power_controls, settings_of
from cloudmanager.api.services import services
from cloudmanager.drivers import knows_its_outlets
from cloudmanager.drivers.base import PowerState
from cloudmanager.models import PowerControl
from cloudmanager.tokens import Role

if TYPE_CHECKING:
    from flask import Response

_STATES = {
    "type": "object",
    "required": ["states"],
    "additionalProperties": False,
    "properties": {
        "states": {
            "type": "object",
            "description": "The state of each output port now; null when the device does not know.",
            "additionalProperties": {"enum": ["power_on", "power_off", None]},
            "examples": [{"1": "power_on"}],
        }
    },
}


@operation(
    blueprint,
    "POST",
    "/power-controls/<id:power_control_id>/actions/check",
    role=Role.ADMIN,
    name="check_power_control",
    summary="Ask the device with the stored credentials what its ports are; nothing is switched",
    answers={200: _STATES},
    errors=(502, 504),
)
def check_power_control(power_control_id: int) -> Response:
    """502 when the device refuses, 504 when it is silent; both say why. How many ports it has is kept."""
    with services().database.reading() as session:
        control = session.get(PowerControl, power_control_id)
        if control is None:
            raise power_controls.missing(power_control_id)
        columns = columns_of(control)
    states = services().power.probe(columns["control_type"], settings_of(columns))
    if knows_its_outlets(columns["control_type"]) and columns["coils_count"] != len(states):
        with services().database.transaction() as session:
            here = (PowerControl.id == power_control_id, PowerControl.host == columns["host"])
            session.execute(update(PowerControl).where(*here).values(coils_count=len(states)))
    shown = {port: None if state is PowerState.UNKNOWN else state.value for port, state in states.items()}
    return answer({"states": shown})
