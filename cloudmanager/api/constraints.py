"""Broken constraints of the database in our words: an answer never shows SQL."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlalchemy import CheckConstraint, Index, UniqueConstraint

from cloudmanager.models import SMALL_NUMBERS, Base

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.exc import IntegrityError

NODE_NAME = "a node with this name exists: names of nodes are unique, without regard to case"
WORDS = {
    "uq_api_tokens_name": "a token with this name exists",
    "uq_api_tokens_digest": "this token exists",
    "uq_flows_id": "a task with this id exists",
    "ix_flows_one_open_per_subject": "another task works on this: wait for it or cancel it",
    "uq_node_classes_name": "a node class with this name exists: names of classes are unique",
    "ix_node_classes_one_default": "there is a default node class already",
    "uq_node_types_node_class_id_name": "the class has a type with this name",
    "uq_node_images_image_name": "a PXE image with this name exists: names of images are unique",
    "uq_nodes_name": NODE_NAME,
    "ix_nodes_name_without_case": NODE_NAME,
    "uq_availability_storages_name": "an availability storage with this name exists: their names are unique",
    "uq_maintenance_windows_name": "a maintenance window with this name exists: their names are unique",
    "uq_signatures_server_id": "the server has a signature: PUT renews it",
    "uq_signing_keys_is_current": "another key has just become the signing key",
    "ix_spare_loans_one_open_per_host": "the spare is lent already",
    "uq_spare_loans_task_id": "the task has a loan",
    "uq_audits_aggregate_id_scheduled_for": "the aggregate has an audit for this time",
    "uq_maintenance_runs_window_id_opens_at": "the window has been opened at this time",
    "ck_audit_log_outcome": "outcome is success, refused or failed",
    "uq_node_controls_power_control_id_power_control_port": "another node was just put on this port",
    "ix_node_controls_one_default": "another default control of this node was just chosen: try again",
    "pk_node_controls": "the power control is assigned to this node already: change it with PUT",
    "ck_node_controls_power_state": "power_state is power_on, power_off or null",
    "ck_nodes_power_state": "power_state is power_on, power_off or null",
    "ck_nodes_condition": "condition is 0..4",
    "ck_power_controls_port_number": "port_number is 1..65535",
    **{f"ck_nodes_{name}": f"{name} is 1..99" for name in SMALL_NUMBERS},
}
OTHERWISE = "it refers to something that does not exist, or something refers to it"


def in_words(error: IntegrityError) -> str:
    """What is wrong, for people."""
    return WORDS.get(broken(error) or "", OTHERWISE)


def broken(error: IntegrityError) -> str | None:
    """The name of the broken constraint, where the database tells it."""
    diagnosis = getattr(error.orig, "diag", None)
    if diagnosis is not None:
        name = diagnosis.constraint_name
        return name if isinstance(name, str) else None
    found = re.search(r"constraint failed: (?:index ')?(.+?)'?$", str(error.orig))
    return _BY_COLUMNS.get(found[1], found[1]) if found else None


def named() -> Iterator[tuple[str, str]]:
    """(name, how SQLite calls it) of every constraint that a value can break, foreign keys apart."""
    for table in Base.metadata.sorted_tables:
        for constraint in table.constraints:
            name = str(constraint.name)
            if isinstance(constraint, UniqueConstraint):
                yield name, ", ".join(f"{table.name}.{column.name}" for column in constraint.columns)
            elif isinstance(constraint, CheckConstraint):
                yield name, name
        for index in table.indexes:
            if isinstance(index, Index) and index.unique:
                yield str(index.name), ", ".join(f"{table.name}.{column.name}" for column in index.columns)
    yield "pk_node_controls", "node_controls.node_id, node_controls.power_control_id"


_BY_COLUMNS = {columns: name for name, columns in named()}
