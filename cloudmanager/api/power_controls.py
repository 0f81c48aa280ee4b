"""Power controls: devices that can switch power. Their coils are switched in `node_power`."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from flask_smorest import Blueprint
from sqlalchemy import select

from cloudmanager.api import filters
from cloudmanager.api.answers import answer
from cloudmanager.api.idempotency import keep
from cloudmanager.api.node_classes import types_of_classes
from cloudmanager.api.nodes import SOURCE as NODES
from cloudmanager.api.operation import listed, operation, wrapped
from cloudmanager.api.power_control_options import OPTIONS_OF_TYPES, options_of_types
from cloudmanager.api.power_control_schemas import ControlBody, ControlChange, ControlShape, NodeOfControl
from cloudmanager.api.query import Options, Window, flag
from cloudmanager.api.reading import Nested, Source
from cloudmanager.api.resource import Resource
from cloudmanager.api.services import services
from cloudmanager.api.usage import node_title
from cloudmanager.drivers import (
    DRIVERS,
    driver_for,
    knows_its_outlets,
    names_outlets,
    outlets_count,
    why_no_outlet,
)
from cloudmanager.drivers.options import merged
from cloudmanager.errors import Busy, Conflict, InvalidInput
from cloudmanager.flows.locks import holders
from cloudmanager.flows.rotate_password import subject_of
from cloudmanager.models import Node, NodeControl, PowerControl, utc_now
from cloudmanager.power import settings_for
from cloudmanager.tokens import Role

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask import Response
    from sqlalchemy.orm import Session

    from cloudmanager.drivers.base import Driver, Settings
    from cloudmanager.vault import Vault

blueprint = Blueprint("power-controls", __name__, url_prefix="/v1", description="Devices that switch power")

VERIFY = Options({"verify": flag("Ask the device first; when it refuses or does not answer, store nothing.")})
_TYPE = {"type": "array", "items": {"type": "string"}, "examples": [["SupermicroRackDevice", "ipmi"]]}
_TYPES = {
    "type": "object",
    "required": ["types", "options"],
    "properties": {
        "types": {"type": "array", "items": _TYPE, "description": "Each type with its protocol."},
        "options": OPTIONS_OF_TYPES,
    },
}
_DOCUMENTED_TYPES = (
    "ET7067",
    "DaenetIP2",
    "DaenetIP2_ACPI",
    "SshDevice",
    "IntelAMT",
    "SupermicroRackDevice",
)
_DOCUMENTED_PROTOCOLS = ("modbus", "ipmi", "snmp", "ssh", "intel_amt")
SECRETS = {"password": "sealed_password", "ssh_key": "sealed_ssh_key"}
"""Fields that are kept encrypted, and the columns for them."""

# --- reading -----------------------------------------------------------------------------------------------


def present(row: Any, coils: list[dict[str, Any]]) -> dict[str, Any]:
    """A power control as the API shows it: never with its secrets."""
    key, title, control_type, protocol_type, host, port_number, login, options, count, created, updated = row
    coil_map: dict[str, Any] = {coil["power_control_port"]: coil for coil in coils}
    coils_count = outlets_count(control_type, count, coil_map)
    if not names_outlets(control_type):
        coil_map = {str(number): None for number in range(1, coils_count + 1)} | coil_map
    return {
        "id": key,
        "title": title,
        "control_type": control_type,
        "protocol_type": protocol_type,
        "host": host,
        "port_number": port_number,
        "login": login,
        "options": options,
        "coils_count": coils_count,
        "used_coils_count": len(coils),
        "coil_map": coil_map,
        "time_created": created,
        "time_updated": updated,
    }


def present_coil(row: Any) -> dict[str, Any]:
    """The node on a port."""
    _, port, is_default, is_initialized, power_state, node_id, node_name = row
    return {
        "power_control_port": port,
        "is_default": is_default,
        "is_initialized": is_initialized,
        "power_state": power_state,
        "node_id": node_id,
        "node_name": node_name,
    }


def release(session: Session, control: PowerControl) -> None:
    """A control with nodes on it stays."""
    on_it = select(Node.id, Node.name).join(NodeControl).where(NodeControl.power_control_id == control.id)
    if users := session.execute(on_it.order_by(Node.id)).all():
        names = ", ".join(node_title(key, name) for key, name in users)
        raise Conflict(f"power control {control.id} has nodes on its ports: {names}; unassign them first")
    check_unheld(session, control.id)


def check_unheld(session: Session, control_id: int) -> None:
    """A control that a task works on stays as it is until the task has ended."""
    subject = subject_of(control_id)
    if holder := holders(session, [subject]).get(subject):
        raise Busy(f"task {holder} works on power control {control_id}: wait for it or cancel it", holder)


COILS = Nested(
    select(
        NodeControl.power_control_id,
        NodeControl.power_control_port,
        NodeControl.is_default,
        NodeControl.is_initialized,
        NodeControl.power_state,
        NodeControl.node_id,
        Node.name,
    ).join(Node, Node.id == NodeControl.node_id),
    parent=NodeControl.power_control_id,
    order=NodeControl.node_id,
    present=present_coil,
)

power_controls = Resource(
    blueprint=blueprint,
    path="/power-controls/",
    noun="power_control",
    plural="power_controls",
    model=PowerControl,
    source=Source(
        select(
            PowerControl.id,
            PowerControl.title,
            PowerControl.control_type,
            PowerControl.protocol_type,
            PowerControl.host,
            PowerControl.port_number,
            PowerControl.login,
            PowerControl.options,
            PowerControl.coils_count,
            PowerControl.time_created,
            PowerControl.time_updated,
        ),
        key=PowerControl.id,
        present=present,
        nested=(COILS,),
    ),
    shape=ControlShape(),
    fields={
        "id": filters.integer(PowerControl.id),
        "created_at": filters.moment(PowerControl.time_created),
        "title": filters.text(PowerControl.title),
        "control_type": filters.text(PowerControl.control_type),
        "protocol_type": filters.text(PowerControl.protocol_type),
        "host": filters.text(PowerControl.host),
        "port_number": filters.integer(PowerControl.port_number),
    },
    release=release,
    observed=frozenset(("coil_map", "coils_count", "used_coils_count")),
    read_role=Role.ADMIN,
).register()


@operation(
    blueprint,
    "GET",
    "/power-controls/types",
    role=Role.ADMIN,
    name="list_power_control_types",
    summary="List the types of devices and the protocol of each",
    answers={200: _TYPES},
)
def list_types() -> Response:
    """What drivers there are, the documented ones first, and which options a control of each type takes."""
    drivers = _drivers()
    types = [[driver.control_type, driver.protocol_type] for driver in drivers]
    return answer({"types": types, "options": options_of_types(drivers)})


@operation(
    blueprint,
    "GET",
    "/power-controls/protocols",
    role=Role.ADMIN,
    name="list_power_control_protocols",
    summary="List the protocols that devices speak",
    answers={200: listed({"type": "string", "examples": ["ipmi"]}, "protocols")},
)
def list_protocols() -> Response:
    """The protocols of the drivers there are, the documented ones first."""
    names = dict.fromkeys(driver.protocol_type for driver in _drivers())
    return answer({"protocols": sorted(names, key=_place_in(_DOCUMENTED_PROTOCOLS))})


@operation(
    blueprint,
    "GET",
    "/power-controls/<id:power_control_id>/nodes",
    role=Role.ADMIN,
    name="list_power_control_nodes",
    summary="List the nodes on a power control",
    answers={200: listed(NodeOfControl(), "nodes")},
)
def list_nodes(power_control_id: int) -> Response:
    """Nodes with what this one list of the API adds: the types of the class, and the controls' older name."""
    on_it = select(NodeControl.node_id).where(NodeControl.power_control_id == power_control_id)
    with services().database.reading() as session:
        if session.get(PowerControl, power_control_id) is None:
            raise power_controls.missing(power_control_id)
        nodes = list(NODES.objects(session, Window(where=(Node.id.in_(on_it),))))
        types = types_of_classes(session, [node["node_class"]["id"] for node in nodes if node["node_class"]])
    for node in nodes:
        node["cloud_managers"] = node["node_controls"]
        if node["node_class"]:
            node["node_class"]["node_types"] = types.get(node["node_class"]["id"], [])
    return answer({"nodes": nodes})


# --- writing -----------------------------------------------------------------------------------------------


@operation(
    blueprint,
    "POST",
    "/power-controls/",
    role=Role.ADMIN,
    name="create_power_control",
    summary="Create a power control; with verify only if it answers",
    query=VERIFY,
    body=ControlBody(),
    wrapper="power_control",
    answers={201: wrapped(ControlShape(), "power_control")},
    errors=(409, 502, 504),
)
def create_power_control(query: Mapping[str, bool], body: dict[str, Any]) -> Response:
    """A control is stored at once, dead device or not, unless verify is asked for."""
    values = column_values(services().vault, body, None)
    if query["verify"]:
        values |= _verify(values)
    with services().database.transaction() as session:
        shown = power_controls.show(session, power_controls.insert(session, values))
        return keep(session, power_controls.created(shown))


@operation(
    blueprint,
    "PUT",
    "/power-controls/<id:power_control_id>",
    role=Role.ADMIN,
    name="update_power_control",
    summary="Update a power control; with verify only if it answers",
    query=VERIFY,
    body=ControlChange(),
    wrapper="power_control",
    answers={200: wrapped(ControlShape(), "power_control")},
    errors=(409, 502, 504),
    conditional=True,
)
def update_power_control(power_control_id: int, query: Mapping[str, bool], body: dict[str, Any]) -> Response:
    """The device is asked outside of the transaction: no writer waits for it."""
    database, verified = services().database, {}
    if query["verify"]:
        with database.reading() as session:
            control = session.get(PowerControl, power_control_id)
        if control is None:
            raise power_controls.missing(power_control_id)
        present = columns_of(control)
        verified = _verify(present | column_values(services().vault, body, present))
    with database.transaction() as session:
        control = power_controls.row(session, power_control_id)
        power_controls.check_fresh(session, power_control_id)
        check_unheld(session, power_control_id)
        values = column_values(services().vault, body, columns_of(control))
        _check_ports_fit(session, control, columns_of(control) | values)
        values |= verified
        power_controls.change(session, control, {**values, "time_updated": utc_now()})
        return power_controls.one(power_controls.show(session, power_control_id))


def settings_of(values: Mapping[str, Any]) -> Settings:
    """How to reach the device that these columns describe."""
    stored = SimpleNamespace(**{"login": None, "sealed_password": None, "sealed_ssh_key": None, **values})
    return settings_for(stored, services().vault, services().config.power)


def _verify(values: Mapping[str, Any]) -> dict[str, int]:
    """Ask the device; how many outlets it has, if only it knows."""
    states = services().power.probe(values["control_type"], settings_of(values))
    return {"coils_count": len(states)} if knows_its_outlets(values["control_type"]) else {}


def column_values(vault: Vault, body: dict[str, Any], present: Mapping[str, Any] | None) -> dict[str, Any]:
    """Values of columns: a known type with its protocol and options, secrets sealed, the default title.

    `present` are the columns of the control that is changed; None: a new one.
    """
    values = {name: value for name, value in body.items() if name not in SECRETS}
    for name, column in SECRETS.items():
        if name in body:
            values[column] = vault.seal(body[name])
    if "password" in body:
        values["sealed_pending_password"] = None
    after = {**(present or {}), **values}
    driver = _driver(after["control_type"], after["protocol_type"])
    if body.get("ssh_key") and not driver.uses_ssh_key:
        message = f"{driver.control_type} is not reached with an SSH key"
        raise InvalidInput(message, {"ssh_key": ["Not used by this control_type."]})
    if present is None or "options" in body or present["control_type"] != driver.control_type:
        values["options"] = merged(driver, body.get("options", {}), present["options"] if present else {})
    if present is None or present["control_type"] != driver.control_type:
        values["coils_count"] = 0 if driver.counts_outlets else driver.coils_count
    if not after.get("title") or (
        present and "title" not in values and present["title"] == default_title(present)
    ):
        values["title"] = default_title(after)
    return values


def _driver(control_type: str, protocol_type: str) -> type[Driver]:
    driver = driver_for(control_type)
    if driver.protocol_type != protocol_type:
        message = f"{control_type} speaks {driver.protocol_type}, not {protocol_type}"
        raise InvalidInput(message, {"protocol_type": [f"{control_type} speaks {driver.protocol_type}."]})
    return driver


def _check_ports_fit(session: Session, control: PowerControl, after: Mapping[str, Any]) -> None:
    """Ports in use must still be there when the type changes."""
    used = select(NodeControl.power_control_port).where(NodeControl.power_control_id == control.id)
    kind, count = after["control_type"], after["coils_count"]
    if ports := [port for port in session.scalars(used) if why_no_outlet(kind, count, port)]:
        raise Conflict(f"nodes are on ports that such a device does not have: {', '.join(ports)}")


def default_title(values: Mapping[str, Any]) -> str:
    """What a control is called that nobody gave a title."""
    where = f"{values['host']}:{values['port_number']}"
    return f"{values['protocol_type']}://{values['control_type']}@{where}"


def columns_of(control: PowerControl) -> dict[str, Any]:
    """The values of a row, for use when its session is gone."""
    return {column.key: getattr(control, column.key) for column in PowerControl.__table__.columns}


def _drivers() -> list[type[Driver]]:
    place = _place_in(_DOCUMENTED_TYPES)
    return sorted(DRIVERS, key=lambda driver: place(driver.control_type))


def _place_in(first: tuple[str, ...]) -> Any:
    return lambda name: first.index(name) if name in first else len(first)
