"""Rules between objects, looked at in the inventory to be: what is named is there, no port is shared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.drivers import why_no_outlet
from cloudmanager.inventory.records import Fields, Inventory, Key, Problems, Record, shown
from cloudmanager.inventory.stored import unnamed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudmanager.inventory.stored import Stored

Place = tuple[str, Key]
_REFERENCES = (
    ("node_class", "node_classes", "node class"),
    ("image", "node_images", "PXE image"),
)


def check(stored: Stored, after: Inventory, records: Sequence[Record], problems: Problems) -> None:
    """Note every rule that the inventory to be breaks, at the place of the record that breaks it."""
    places: dict[Place, str] = {
        (record.kind.section, record.kind.key(record.fields)): record.place for record in records
    }
    if stored.default_class not in after["node_classes"]:
        problems.add(
            "--prune", f"node class {stored.default_class} is the default class: it cannot be deleted"
        )
    for key in after["nodes"]:
        _check_node(after, key, places, problems)
    _check_ports(after, places, problems)
    _check_held(stored, after, places, problems)


def _check_node(after: Inventory, key: Key, places: dict[Place, str], problems: Problems) -> None:
    node = after["nodes"][key]
    place = places.get(("nodes", key), "--prune")
    title = f"node {node['name'] or key[1:]}"
    for field, section, noun in _REFERENCES:
        if node[field] is not None and node[field] not in after[section]:
            problems.add(place, f"{title}: {field}: there is no {noun} {node[field]!r}")
    known = after["node_classes"].get(node["node_class"])
    if known and node["node_type"] is not None and node["node_type"] not in known["node_types"]:
        problems.add(
            place, f"{title}: node_type: {node['node_type']!r} is no type of node class {node['node_class']}"
        )
    for name in node["availability_storages"]:
        if name not in after["availability_storages"]:
            problems.add(place, f"{title}: availability_storages: there is no availability storage {name!r}")


def _check_ports(after: Inventory, places: dict[Place, str], problems: Problems) -> None:
    taken: dict[tuple[str, str], Key] = {}
    for key, assignment in after["node_controls"].items():
        node, title = key
        place = places.get(("node_controls", key)) or places.get(("power_controls", title), "--prune")
        port: str = assignment["power_control_port"]
        control: Fields = after["power_controls"].get(title, {})
        if node not in after["nodes"]:
            problems.add(place, f"node_control: node: there is no node {assignment['node']!r}")
        if not control:
            problems.add(place, f"node_control: power_control: there is none with the title {title!r}")
        elif reason := why_no_outlet(control["control_type"], control["coils_count"], port):
            problems.add(place, f"node_control: power_control_port: {title} has {reason}")
        first: Key = taken.setdefault((title, port), key)
        if first != key:
            at = f"port {port} of {title} is taken by node {first[0]}"
            problems.add(place, f"node_control: power_control_port: {at}")


def _check_held(stored: Stored, after: Inventory, places: dict[Place, str], problems: Problems) -> None:
    """What a task works with stays until the task has ended."""
    before, then = stored.rows["node_controls"], after["node_controls"]
    for key, holder in stored.held.items():
        changed = [
            each
            for each in before.keys() | then.keys()
            if each[0] == key and _wiring(before, each) != _wiring(then, each)
        ]
        if key not in after["nodes"] and not unnamed(key):
            problems.add("--prune", f"node {shown(key)}: {holder} works on it: wait for it or cancel it")
        elif changed:
            place = places.get(("node_controls", changed[0]), "--prune")
            problems.add(place, f"node {shown(key)}: {holder} works on it: wait for it or cancel it")
    controls, wanted = stored.rows["power_controls"], after["power_controls"]
    for key, holder in stored.held_controls.items():
        if controls[key] != wanted.get(key):
            place = places.get(("power_controls", key), "--prune")
            problems.add(place, f"power_control {key}: {holder} works on it: wait for it or cancel it")


def _wiring(assignments: dict[Key, dict[str, object]], key: Key) -> tuple[object, ...] | None:
    assignment = assignments.get(key)
    if assignment is None:
        return None
    return assignment["power_control_port"], assignment["is_default"]
