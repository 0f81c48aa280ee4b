"""What the inventory is after an import: what is stored, with what the file says put over it.

A field that the file does not mention stays; a new object gets the defaults that the API gives it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.api.node_creation import BLANK
from cloudmanager.api.power_controls import SECRETS as SEALED
from cloudmanager.api.power_controls import column_values
from cloudmanager.errors import InvalidInput
from cloudmanager.inventory.records import KINDS, Fields, Inventory, Key, Problems, Record
from cloudmanager.inventory.stored import NODE_COLUMNS, Stored, unnamed
from cloudmanager.pxe import DEFAULT_IMAGE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudmanager.vault import Vault


def merged(
    stored: Stored, records: Sequence[Record], vault: Vault, problems: Problems, *, prune: bool
) -> Inventory:
    """The inventory to be. With `prune`, a kind that the file has is all that there will be of that kind."""
    after: Inventory = {}
    given = {kind.section: [record for record in records if record.kind is kind] for kind in KINDS}
    for section, rows in stored.rows.items():
        after[section] = (
            {key: row for key, row in rows.items() if unnamed(key)}
            if prune and given[section]
            else dict(rows)
        )
    for record in given["node_classes"]:
        _put_class(stored, after, record, prune=prune)
    for section in ("node_images", "availability_storages"):
        for record in given[section]:
            key = record.kind.key(record.fields)
            after[section][key] = {**stored.rows[section].get(key, {}), **record.fields}
    for record in given["power_controls"]:
        _put_control(stored, after, record, vault, problems)
    for record in given["nodes"]:
        _put_node(stored, after, record)
    _put_assignments(stored, after, given["node_controls"], problems)
    return after


def _put_class(stored: Stored, after: Inventory, record: Record, *, prune: bool) -> None:
    name, types = record.fields["name"], record.fields.get("node_types", [])
    present = stored.rows["node_classes"].get(name, {"node_types": []})["node_types"]
    kept = [known for known in present if known in types or not (prune and "node_types" in record.fields)]
    new = [known for known in dict.fromkeys(types) if known not in kept]
    after["node_classes"][name] = {"name": name, "node_types": kept + new}


def _put_control(stored: Stored, after: Inventory, record: Record, vault: Vault, problems: Problems) -> None:
    """A secret that is not given, or is the stored one, leaves what is there. Options come all at once."""
    key = record.kind.key(record.fields)
    present = stored.rows["power_controls"].get(key)
    body = {name: value for name, value in record.fields.items() if name not in SEALED or value}
    for name, column in SEALED.items():
        if present and name in body and body[name] == vault.open(present[column]):
            del body[name]
    if present and body.get("options") is not None:
        body["options"] = {**dict.fromkeys(present["options"]), **body["options"]}
    try:
        values = column_values(vault, body, present)
    except InvalidInput as error:
        problems.add(record.place, f"power_control {key}: {error.message}")
        return
    blank = dict.fromkeys(("login", "sealed_pending_password", *SEALED.values()))
    after["power_controls"][key] = {**blank, **(present or {}), **values}


def _put_node(stored: Stored, after: Inventory, record: Record) -> None:
    key = record.kind.key(record.fields)
    present = stored.rows["nodes"].get(key)
    node = {**(present or _new_node(stored, after)), **record.fields}
    if node["image"] is None and DEFAULT_IMAGE in after["node_images"]:
        node["image"] = DEFAULT_IMAGE
    same_class = present is not None and present["node_class"] == node["node_class"]
    if "node_type" not in record.fields and not same_class:
        types = after["node_classes"].get(node["node_class"], {"node_types": []})["node_types"]
        node["node_type"] = "" if "" in types else None
    node["availability_storages"] = sorted(set(node["availability_storages"]))
    after["nodes"][key] = node


def _new_node(stored: Stored, after: Inventory) -> Fields:
    blank = {name: BLANK[column] for name, column in NODE_COLUMNS.items()}
    image = DEFAULT_IMAGE if DEFAULT_IMAGE in after["node_images"] else None
    return {**blank, "image": image, "node_class": stored.default_class, "availability_storages": []}


def _put_assignments(stored: Stored, after: Inventory, records: Sequence[Record], problems: Problems) -> None:
    """Assignments of nodes that will be gone go with them. A node with controls has exactly one default."""
    assignments, wishes = after["node_controls"], {}
    for record in records:
        key = record.kind.key(record.fields)
        present = stored.rows["node_controls"].get(key, {"is_default": False})
        assignments[key] = {**present, **record.fields, "is_default": present["is_default"]}
        wishes[key] = (record.fields.get("is_default"), record.place)
    of_nodes: dict[str, list[Key]] = {}
    for key in list(assignments):
        if key not in wishes and key[0] not in after["nodes"]:
            del assignments[key]
        else:
            of_nodes.setdefault(key[0], []).append(key)
    for keys in of_nodes.values():
        default = _default_of(assignments, keys, wishes, problems)
        for key in keys:
            if assignments[key]["is_default"] is not (key == default):
                assignments[key] = {**assignments[key], "is_default": key == default}


def _default_of(
    assignments: dict[Key, Fields],
    keys: list[Key],
    wishes: dict[Key, tuple[bool | None, str]],
    problems: Problems,
) -> Key | None:
    """The one that the file wants, else the present one, else the first."""
    wanted = [key for key in keys if wishes.get(key, (None, ""))[0]]
    left = [key for key in keys if wishes.get(key, (None, ""))[0] is not False]
    if len(wanted) > 1 or not left:
        place = wishes[wanted[-1] if wanted else keys[-1]][1]
        problems.add(place, f"node_control: is_default: node {keys[0][0]} has exactly one default control")
        return None
    present = [key for key in left if assignments[key]["is_default"]]
    return (wanted or present or left)[0]
