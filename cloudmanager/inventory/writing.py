"""Changes into the database: a few statements for each kind, however many rows there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, bindparam, delete, insert, select, update

from cloudmanager.inventory.stored import MODELS, NODE_COLUMNS, Stored
from cloudmanager.models import (
    NodeAvailabilityStorage,
    NodeClass,
    NodeControl,
    NodeType,
    utc_now,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection, Table
    from sqlalchemy.orm import Session

    from cloudmanager.inventory.changes import Change
    from cloudmanager.inventory.records import Fields, Key

_NAMES = {"node_images": "image_name", "power_controls": "title"}

_UNSEEN = {"is_initialized": False, "power_state": None, "power_state_checked_at": None}


def write(session: Session, stored: Stored, changes: dict[str, list[Change]]) -> None:
    """Make what is new before what refers to it, and delete what nothing refers to any more."""
    connection = session.connection()
    _delete_assignments(connection, stored, changes["node_controls"])
    _write_rows(connection, stored, changes["node_classes"], lambda row: {"name": row["name"]})
    _write_types(connection, stored, changes["node_classes"])
    for section in ("node_images", "availability_storages", "power_controls"):
        _write_rows(connection, stored, changes[section], dict)
    _write_rows(connection, stored, changes["nodes"], lambda row: _node_columns(stored, row))
    _write_storages_of_nodes(connection, stored, changes["nodes"])
    _write_assignments(connection, stored, changes["node_controls"])
    for section in ("nodes", "power_controls", "availability_storages", "node_images"):
        _delete_rows(connection, stored, section, changes[section])
    _delete_types(connection, stored, changes["node_classes"])
    _delete_rows(connection, stored, "node_classes", changes["node_classes"])


def _table(section: str) -> Table:
    table: Any = MODELS[section].__table__
    return table  # type: ignore[no-any-return]


def _execute(connection: Connection, statement: Any, rows: Sequence[Fields]) -> None:
    if rows:
        connection.execute(statement, rows)


def _write_rows(
    connection: Connection,
    stored: Stored,
    changes: Sequence[Change],
    columns: Callable[[Fields], Fields],
) -> None:
    """Insert and update the rows of one table, then learn the ids of the new ones."""
    if not changes:
        return
    section = changes[0].section
    table = _table(section)
    new = [change for change in changes if change.before is None]
    _execute(connection, insert(table), [columns(change.after or {}) for change in new])
    alike: dict[tuple[str, ...], list[Fields]] = {}
    for change in changes:
        if change.before and change.after:
            before, after = columns(change.before), columns(change.after)
            values = {name: value for name, value in after.items() if before[name] != value}
            alike.setdefault(tuple(values), []).append({**values, "row": stored.ids[section][change.key]})
    for names, rows in alike.items():
        if names:
            values = {name: bindparam(name) for name in names}
            if section == "power_controls":
                values["time_updated"] = utc_now()
            _execute(connection, update(table).where(table.c.id == bindparam("row")).values(values), rows)
    if new:
        _learn_ids(connection, stored, section, new)


def _learn_ids(connection: Connection, stored: Stored, section: str, new: Sequence[Change]) -> None:
    table, name = _table(section), _NAMES.get(section, "name")
    found = {value: row_id for row_id, value in connection.execute(select(table.c.id, table.c[name]))}
    for change in new:
        stored.ids[section][change.key] = found[(change.after or {})[name]]


def _node_columns(stored: Stored, row: Fields) -> Fields:
    values = {column: row[name] for name, column in NODE_COLUMNS.items()}
    values["node_class_id"] = stored.ids["node_classes"].get(row["node_class"])
    values["node_type_id"] = stored.type_ids.get((row["node_class"], row["node_type"]))
    values["image_id"] = stored.ids["node_images"].get(row["image"])
    return values


def _write_types(connection: Connection, stored: Stored, changes: Sequence[Change]) -> None:
    new = [
        {"node_class_id": stored.ids["node_classes"][change.key], "name": name}
        for change in changes
        for name in (change.after or {"node_types": []})["node_types"]
        if (change.key, name) not in stored.type_ids
    ]
    _execute(connection, insert(NodeType.__table__), new)  # type: ignore[arg-type]
    if new:
        query = select(NodeClass.name, NodeType.name, NodeType.id).join(
            NodeType, NodeType.node_class_id == NodeClass.id
        )
        stored.type_ids = {(owner, name): type_id for owner, name, type_id in connection.execute(query)}


def _delete_types(connection: Connection, stored: Stored, changes: Sequence[Change]) -> None:
    gone = [
        {"row": stored.type_ids[str(change.key), name]}
        for change in changes
        if change.before is not None
        for name in change.before["node_types"]
        if name not in (change.after or {"node_types": []})["node_types"]
    ]
    _execute(connection, delete(NodeType).where(NodeType.id == bindparam("row")), gone)


def _write_storages_of_nodes(connection: Connection, stored: Stored, changes: Sequence[Change]) -> None:
    table = NodeAvailabilityStorage
    touched = [change for change in changes if change.after and "availability_storages" in change.fields]
    nodes = [{"node": stored.ids["nodes"][change.key]} for change in touched if change.before]
    _execute(connection, delete(table).where(table.node_id == bindparam("node")), nodes)
    rows = [
        {
            "node_id": stored.ids["nodes"][change.key],
            "availability_storage_id": stored.ids["availability_storages"][name],
        }
        for change in touched
        for name in (change.after or {})["availability_storages"]
    ]
    _execute(connection, insert(table.__table__), rows)  # type: ignore[arg-type]


def _delete_rows(connection: Connection, stored: Stored, section: str, changes: Sequence[Change]) -> None:
    table = _table(section)
    rows = [{"row": stored.ids[section][change.key]} for change in changes if change.after is None]
    _execute(connection, delete(table).where(table.c.id == bindparam("row")), rows)


def _ids_of(stored: Stored, key: Key) -> dict[str, int]:
    node, control = key
    return {"node": stored.ids["nodes"][node], "control": stored.ids["power_controls"][control]}


def _moved(change: Change) -> bool:
    return "power_control_port" in change.fields


_HERE = and_(NodeControl.node_id == bindparam("node"), NodeControl.power_control_id == bindparam("control"))


def _delete_assignments(connection: Connection, stored: Stored, changes: Sequence[Change]) -> None:
    """Those that end, and those that move: they come back, so that two can change places."""
    gone = [change for change in changes if change.before and (change.after is None or _moved(change))]
    _execute(connection, delete(NodeControl).where(_HERE), [_ids_of(stored, change.key) for change in gone])
    no_default = update(NodeControl).where(_HERE).values(is_default=False)
    rest = [change for change in changes if change.before and change.after and not _moved(change)]
    _execute(connection, no_default, [_ids_of(stored, change.key) for change in rest])


def _write_assignments(connection: Connection, stored: Stored, changes: Sequence[Change]) -> None:
    """What has moved has not been seen there yet."""
    placed = [change for change in changes if change.after and (change.before is None or _moved(change))]
    rows = [_assignment(stored, change.key, change.after or {}) for change in placed]
    _execute(connection, insert(NodeControl.__table__), rows)  # type: ignore[arg-type]
    chosen = [
        change.key for change in changes if change.before and not _moved(change) and _is_default(change)
    ]
    defaults = update(NodeControl).where(_HERE).values(is_default=True)
    _execute(connection, defaults, [_ids_of(stored, key) for key in chosen])


def _is_default(change: Change) -> bool:
    return bool(change.after and change.after["is_default"])


def _assignment(stored: Stored, key: Key, row: Fields) -> Fields:
    ids = _ids_of(stored, key)
    return {
        "node_id": ids["node"],
        "power_control_id": ids["control"],
        "power_control_port": row["power_control_port"],
        "is_default": row["is_default"],
        **_UNSEEN,
    }
