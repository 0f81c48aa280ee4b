"""Nodes: reading and writing them. Switching their power is in `node_power`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson
from flask_smorest import Blueprint
from sqlalchemy import Text, cast, select

from cloudmanager.api import filters
from cloudmanager.api.boot_files import follow
from cloudmanager.api.hypervisor_records import OS_HYPERVISOR, WithRecords
from cloudmanager.api.node_schemas import NodeBody, NodeShape
from cloudmanager.api.node_values import prepare
from cloudmanager.api.query import Options, flag
from cloudmanager.api.reading import Nested, Source
from cloudmanager.api.resource import Resource
from cloudmanager.api.services import services
from cloudmanager.errors import Busy, Conflict
from cloudmanager.flows.nodes.asking import subject_of as os_subject_of
from cloudmanager.models import (
    AvailabilityStorage,
    FlowRow,
    GuardedNode,
    Node,
    NodeAvailabilityStorage,
    NodeClass,
    NodeControl,
    NodeFacts,
    NodeImage,
    NodeType,
    PowerControl,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.orm import Session

blueprint = Blueprint("nodes", __name__, url_prefix="/v1", description="Physical machines")

HYPERVISOR = "hypervisor"
"""The class of nodes that are compute nodes of OpenStack."""


def subject_of(node_id: int) -> str:
    """The subject of flows that switch a node."""
    return f"node:{node_id}"


# --- reading -----------------------------------------------------------------------------------------------

# Plain tables, because selecting mapped attributes costs SQLAlchemy half a millisecond per statement.
node, classes, types = Node.__table__, NodeClass.__table__, NodeType.__table__
images, assigned, controls = NodeImage.__table__, NodeControl.__table__, PowerControl.__table__
storages, uses = AvailabilityStorage.__table__, NodeAvailabilityStorage.__table__
facts = NodeFacts.__table__

SELECT_NODES = (
    select(
        node.c.id,
        node.c.name,
        node.c.title,
        node.c.description,
        node.c.owner,
        node.c.active,
        node.c.condition,
        node.c.is_reserved,
        node.c.is_controller,
        node.c.inventory_code,
        node.c.created_at,
        node.c.dcc,
        node.c.hypervisor_id,
        node.c.controller_id,
        node.c.controller_type,
        node.c.cpu_allocation_ratio,
        node.c.ram_allocation_ratio,
        node.c.dtc_number,
        node.c.row_number,
        node.c.rack_number,
        node.c.unit_number,
        node.c.cpu_amount,
        node.c.ram_mb,
        node.c.hdd_gb,
        node.c.mac_address,
        cast(node.c.ip_addresses, Text),  # goes into the answer as it is stored, without being parsed
        cast(node.c.node_metadata, Text),
        node.c.power_state,
        node.c.power_state_checked_at,
        node.c.node_class_id,
        classes.c.name,
        classes.c.is_default,
        node.c.node_type_id,
        types.c.name,
        node.c.image_id,
        images.c.image_name,
    )
    .outerjoin(classes, classes.c.id == node.c.node_class_id)
    .outerjoin(types, types.c.id == node.c.node_type_id)
    .outerjoin(images, images.c.id == node.c.image_id)
)

SELECT_CONTROLS = select(
    assigned.c.node_id,
    assigned.c.power_control_id,
    controls.c.title,
    assigned.c.power_control_port,
    controls.c.control_type,
    controls.c.protocol_type,
    assigned.c.is_default,
    assigned.c.is_initialized,
).join(controls, controls.c.id == assigned.c.power_control_id)


SELECT_STORAGES = select(uses.c.node_id, storages.c.id, storages.c.name).join(
    storages, storages.c.id == uses.c.availability_storage_id
)


def present(row: Any, controls: list[dict[str, Any]], storages: list[dict[str, Any]]) -> dict[str, Any]:
    """A node as the API shows it."""
    (
        key, name, title, description, owner, active, condition, is_reserved, is_controller, inventory_code,
        created_at, dcc, hypervisor_id, controller_id, controller_type, cpu_allocation_ratio,
        ram_allocation_ratio, dtc_number, row_number, rack_number, unit_number, cpu_amount, ram_mb, hdd_gb,
        mac_address, ip_addresses, metadata, power_state, power_state_checked_at, class_id, class_name,
        class_is_default, type_id, type_name, image_id, image_name,
    ) = row  # fmt: skip
    return {
        "id": key,
        "name": name,
        "title": title,
        "description": description,
        "owner": owner,
        "active": active,
        "condition": condition,
        "is_reserved": is_reserved,
        "is_controller": is_controller,
        "inventory_code": inventory_code,
        "created_at": created_at,
        "dcc": dcc,
        "image_id": image_id,
        "image": None if image_id is None else {"id": image_id, "name": image_name},
        "node_class": None
        if class_id is None
        else {"id": class_id, "name": class_name, "is_default": class_is_default},
        "node_type": None if type_id is None else {"id": type_id, "name": type_name},
        "hypervisor_id": hypervisor_id,
        "controller_id": controller_id,
        "controller_type": controller_type,
        "cpu_allocation_ratio": cpu_allocation_ratio,
        "ram_allocation_ratio": ram_allocation_ratio,
        "dtc_number": dtc_number,
        "row_number": row_number,
        "rack_number": rack_number,
        "unit_number": unit_number,
        "cpu_amount": cpu_amount,
        "ram_mb": ram_mb,
        "hdd_gb": hdd_gb,
        "mac_address": mac_address,
        "ip_addresses": None if ip_addresses is None else orjson.Fragment(ip_addresses),
        "metadata": None if metadata is None else orjson.Fragment(metadata),
        "power_state": power_state,
        "power_state_checked_at": power_state_checked_at,
        "node_controls": controls,
        "availability_storages": storages,
    }


def present_control(row: Any) -> dict[str, Any]:
    """A power control as its node shows it."""
    _, control_id, title, port, control_type, protocol_type, is_default, is_initialized = row
    return {
        "power_control_id": control_id,
        "power_control_title": title,
        "power_control_port": port,
        "control_type": control_type,
        "protocol_type": protocol_type,
        "is_default": is_default,
        "is_initialized": is_initialized,
    }


def present_storage(row: Any) -> dict[str, Any]:
    """An availability storage as its node shows it."""
    return {"id": row[1], "name": row[2]}


def present_hwinfo(row: Any) -> Any:
    """The hardware of a node, as it was stored."""
    return None if row[1] is None else orjson.Fragment(row[1])


SOURCE = Source(
    SELECT_NODES,
    key=Node.id,
    present=present,
    nested=(
        Nested(
            SELECT_CONTROLS,
            parent=NodeControl.node_id,
            order=NodeControl.power_control_id,
            present=present_control,
        ),
        Nested(
            SELECT_STORAGES,
            parent=NodeAvailabilityStorage.node_id,
            order=NodeAvailabilityStorage.availability_storage_id,
            present=present_storage,
        ),
    ),
)

HARDWARE = Nested(
    select(facts.c.node_id, cast(facts.c.hwinfo, Text)),
    parent=NodeFacts.node_id,
    order=NodeFacts.node_id,
    present=present_hwinfo,
)

OPTIONS = Options(
    {
        "with_os_object": flag("Show `os_hypervisor`, OpenStack's record, of nodes of the class hypervisor."),
        "with_hwinfo": flag("Show `hwinfo`, facts about the hardware, of nodes of the class hypervisor."),
    }
)
OBSERVED = (
    "power_state",
    "power_state_checked_at",
    "cpu_allocation_ratio",
    "ram_allocation_ratio",
    "dcc",
    "nas",
)
_SHOWN_BY = {"with_os_object": OS_HYPERVISOR, "with_hwinfo": "hwinfo"}


def view(options: Mapping[str, bool]) -> Source:
    """Nodes with what the options ask for; null is what nobody has told us yet."""
    names = [name for option, name in _SHOWN_BY.items() if options[option]]
    if not names:
        return SOURCE

    def present_more(row: Any, controls: Any, storages: Any, hardware: Sequence[Any] = ()) -> dict[str, Any]:
        shown = present(row, controls, storages)
        node_class = shown["node_class"]
        if node_class is None or node_class["name"] != HYPERVISOR:
            return shown
        shown |= dict.fromkeys(names)
        return shown | {"hwinfo": hardware[0]} if hardware else shown

    nested = (*SOURCE.nested, HARDWARE) if options["with_hwinfo"] else SOURCE.nested
    if not options["with_os_object"]:
        return replace(SOURCE, present=present_more, nested=nested)
    return WithRecords(
        statement=SELECT_NODES, key=Node.id, present=present_more, nested=nested, cloud=services().cloud
    )


def detail(session: Session, shown: dict[str, Any]) -> dict[str, Any]:
    """A single node also tells its sessions to storage hosts, once they are collected; null until then."""
    return {**shown, "nas": session.scalar(select(NodeFacts.nas).where(NodeFacts.node_id == shown["id"]))}


# --- writing -----------------------------------------------------------------------------------------------


def release(session: Session, node: Node) -> None:
    """A node that a task works on stays until the task has ended, a guarded one as long as it is guarded."""
    query = select(FlowRow.id, FlowRow.kind).where(
        FlowRow.subject.in_([subject_of(node.id), os_subject_of(node.id)]), FlowRow.ended_at.is_(None)
    )
    if (open_flow := session.execute(query).first()) is not None:
        flow_id, kind = open_flow
        message = f"task {flow_id} ({kind}) works on node {node.id}: wait for it or cancel it"
        raise Busy(message, flow_id)
    if session.get(GuardedNode, node.id) is not None:
        way_out = f"deactivate that by /v1/sign/node/{node.id}/action"
        raise Conflict(f"the servers of node {node.id} are guarded: {way_out}")
    follow(session, [node.mac_address])


nodes = Resource(
    blueprint=blueprint,
    path="/nodes/",
    noun="node",
    plural="nodes",
    model=Node,
    source=SOURCE,
    shape=NodeShape(),
    fields={
        "id": filters.integer(Node.id),
        "image_id": filters.integer(Node.image_id),
        "node_class_id": filters.integer(Node.node_class_id),
        "node_type_id": filters.integer(Node.node_type_id),
        "hypervisor_id": filters.text(Node.hypervisor_id),
        "name": filters.text(Node.name),
        "controller_id": filters.text(Node.controller_id),
        "controller_type": filters.text(Node.controller_type),
        "description": filters.text(Node.description),
        "dtc_number": filters.integer(Node.dtc_number),
        "unit_number": filters.integer(Node.unit_number),
        "rack_number": filters.integer(Node.rack_number),
        "row_number": filters.integer(Node.row_number),
        "cpu_amount": filters.integer(Node.cpu_amount),
        "ram_mb": filters.integer(Node.ram_mb),
        "hdd_gb": filters.integer(Node.hdd_gb),
        "mac_address": filters.text(Node.mac_address),
        "title": filters.text(Node.title),
        "is_reserved": filters.boolean(Node.is_reserved),
        "is_controller": filters.boolean(Node.is_controller),
        "inventory_code": filters.text(Node.inventory_code),
        "power_state": filters.text(Node.power_state),
        "owner": filters.text(Node.owner),
        "active": filters.boolean(Node.active),
        "condition": filters.integer(Node.condition),
    },
    update_body=NodeBody(),
    prepare=prepare,
    release=release,
    options=OPTIONS,
    view=view,
    detail=detail,
    observed=frozenset({*OBSERVED, *_SHOWN_BY.values()}),
    read_errors=(502, 504),
).register()
