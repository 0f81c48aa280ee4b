"""What the inventory has to change to have Nova's hypervisors: case by case, and that twice is once."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudmanager.hypervisors.difference import CLOUD, Kind, Known, Snapshot, decide
from cloudmanager.models import folded
from cloudmanager.openstack.records import AllocationRatios, Hypervisor

RATIOS = AllocationRatios(cpu=4.0, ram=1.5)


def hypervisor(key, name, host=None, ip=None):
    return Hypervisor(key, name, host or name, "QEMU", up=True, enabled=True, ip=ip)


def known(key, name, hypervisor_id=None, **values):
    return Known(id=key, name=name, hypervisor_id=hypervisor_id, **values)


def shown(found):
    return [(change.kind.value, change.node_id, dict(change.values)) for change in found.changes]


ONE = hypervisor("u1", "n1", ip="192.0.2.1")
TWO = hypervisor("u2", "n2")
NEW = {"hypervisor_id": "u1", "ip_addresses": ["192.0.2.1"]}
LOSS = {"active": False}


@pytest.mark.parametrize(
    ("hypervisors", "nodes", "changes"),
    [
        pytest.param([ONE], [], [("created", None, {"name": "n1", **NEW})], id="new"),
        pytest.param([ONE], [known(7, "N1")], [("updated", 7, NEW)], id="by name, without case"),
        pytest.param([ONE], [known(7, "x", "u1", ip_addresses=["::1"])], [], id="by id: the name stays"),
        pytest.param([ONE], [known(7, None, "u1", ip_addresses=["::1"])], [], id="by id, without name"),
        pytest.param(
            [hypervisor("u1", "n1.example.net", "n1")],
            [known(7, "n1")],
            [("updated", 7, {"hypervisor_id": "u1"})],
            id="by the name of its nova-compute",
        ),
        pytest.param(
            [hypervisor("u1", "a", "n1"), hypervisor("u2", "b", "n1")],
            [known(7, "n1")],
            [
                ("created", None, {"name": "a", "hypervisor_id": "u1", "ip_addresses": None}),
                ("created", None, {"name": "b", "hypervisor_id": "u2", "ip_addresses": None}),
            ],
            id="a nova-compute of several hypervisors names none of them",
        ),
        pytest.param(
            [hypervisor("u1", "a", "n1"), hypervisor("u2", "n1", "x")],
            [known(7, "n1")],
            [
                ("created", None, {"name": "a", "hypervisor_id": "u1", "ip_addresses": None}),
                ("updated", 7, {"hypervisor_id": "u2"}),
            ],
            id="a name counts more than the name of a nova-compute",
        ),
        pytest.param(
            [hypervisor("u1", "a", "n1")],
            [known(7, "n1", "u9"), known(8, "a", "u1")],
            [("vanished", 7, LOSS)],
            id="a node named like the host may have a hypervisor of its own",
        ),
        pytest.param(
            [TWO], [known(1, "n1", "u1"), known(2, "n2", "u2")], [("vanished", 1, LOSS)], id="vanished"
        ),
        pytest.param(
            [TWO],
            [known(1, "n1", "u1", cpu_allocation_ratio=4.0, ram_allocation_ratio=1.5), known(2, "n2", "u2")],
            [("vanished", 1, {**LOSS, "cpu_allocation_ratio": None, "ram_allocation_ratio": None})],
            id="what has vanished has no ratios",
        ),
        pytest.param(
            [TWO], [known(1, "n1", "u1", active=False), known(2, "n2", "u2")], [], id="vanished long ago"
        ),
        pytest.param(
            [TWO], [known(2, "n2", "u2", active=False, lost=True)], [("updated", 2, {"active": True})], id="back"
        ),
        pytest.param([TWO], [known(2, "n2", "u2", active=False)], [], id="made inactive by the operator"),
        pytest.param([TWO], [known(2, "n2", "u2"), known(3, "storage")], [], id="others are not looked at"),
        pytest.param([hypervisor("u1", "n1", ip="?")], [known(1, "n1", "u1")], [], id="an address that is none"),
    ],
)  # fmt: skip
def test_changes(hypervisors, nodes, changes):
    found = decide(Snapshot(hypervisors=hypervisors), nodes)
    assert shown(found) == changes
    assert found.unclear == ()


@pytest.mark.parametrize(
    ("hypervisors", "nodes", "about"),
    [
        pytest.param([TWO], [known(1, "a", "u2"), known(2, "b", "u2")], "u2", id="two with its id"),
        pytest.param([TWO], [known(1, "a", "u2"), known(2, "n2")], "u2", id="one by id, one by name"),
        pytest.param([TWO], [known(1, "n2", "u9")], "u2", id="the name belongs to another hypervisor's node"),
        pytest.param([TWO, hypervisor("u3", "N2")], [], "u2 u3", id="two of one name"),
        pytest.param([TWO, hypervisor("u3", "N2")], [known(1, "n2", "u2")], "u3", id="one of two is known"),
    ],
)
def test_what_is_unclear_is_left_alone(hypervisors, nodes, about):
    found = decide(Snapshot(hypervisors=hypervisors), nodes)
    assert found.changes == ()
    assert [each.subject for each in found.unclear] == [f"hypervisor:{key}" for key in about.split()]


@pytest.mark.parametrize(
    "hypervisors", [[], [hypervisor("u7", "elsewhere")]], ids=["nothing", "another cloud"]
)
def test_an_answer_that_knows_none_of_ours_is_not_believed(hypervisors):
    nodes = [known(1, "n1", "u1"), known(2, "n2", "u2"), known(3, "n3")]
    found = decide(Snapshot(hypervisors=hypervisors), nodes)
    assert found.changes == ()
    assert [each.subject for each in found.unclear] == [CLOUD]


def test_an_empty_answer_is_believed_where_nothing_is_known():
    found = decide(Snapshot(hypervisors=[]), [known(1, "n1"), known(2, "n2", "u2", active=False)])
    assert found.changes == found.unclear == ()


def test_ratios():
    node = known(1, "n1", "u1", ip_addresses=["192.0.2.1"], cpu_allocation_ratio=16.0)
    found = decide(Snapshot(hypervisors=[ONE], ratios={"u1": RATIOS}), [node])
    assert shown(found) == [("updated", 1, {"cpu_allocation_ratio": 4.0, "ram_allocation_ratio": 1.5})]
    assert found.changes[0].line == "~ n1: cpu_allocation_ratio 16.0 -> 4.0, ram_allocation_ratio None -> 1.5"
    assert decide(Snapshot(hypervisors=[ONE]), [node]).changes == ()  # unknown is not none


# Whatever there is

FEW = st.sampled_from("abcd")
NAMES = st.sampled_from(["n1", "N1", "n2", "n3", "n4.example"])
HYPERVISORS = st.lists(
    st.builds(hypervisor, FEW, NAMES, NAMES, st.sampled_from([None, "", "192.0.2.1", "nonsense"])), max_size=5
)
NODES = st.lists(
    st.builds(
        known,
        st.just(0),
        st.none() | NAMES,
        st.none() | FEW,
        active=st.booleans(),
        lost=st.booleans(),
        ip_addresses=st.none() | st.just(["::1"]),
        cpu_allocation_ratio=st.none() | st.just(4.0),
    ),
    max_size=6,
    unique_by=lambda node: folded(node.name) if node.name else id(node),
).map(
    lambda nodes: [
        replace(node, id=number, lost=node.lost and not node.active) for number, node in enumerate(nodes, 1)
    ]
)
SNAPSHOTS = st.builds(
    lambda hypervisors, ratios: Snapshot(hypervisors=hypervisors, ratios=ratios),
    HYPERVISORS,
    st.dictionaries(FEW, st.just(RATIOS) | st.just(AllocationRatios(cpu=None, ram=None))),
)


def carried_out(found, nodes):
    """The inventory after the changes."""
    rows = {node.id: node for node in nodes}
    for change in found.changes:
        key = change.node_id or len(rows) + 1
        row = rows.get(key, Known(id=key, name=None))
        lost = change.kind is Kind.VANISHED or (row.lost and not change.returned)
        rows[key] = replace(row, **change.values, lost=lost)
    return list(rows.values())


@given(SNAPSHOTS, NODES)
def test_twice_is_once(snapshot, nodes):
    found = decide(snapshot, nodes)
    after = carried_out(found, nodes)
    again = decide(snapshot, after)
    assert again.changes == ()
    assert again.unclear == found.unclear


@given(SNAPSHOTS, NODES)
def test_what_may_never_happen(snapshot, nodes):
    found = decide(snapshot, nodes)
    touched = Counter(change.node_id for change in found.changes if change.node_id)
    assert set(touched.values()) <= {1}
    after = carried_out(found, nodes)
    names = Counter(folded(node.name) for node in after if node.name)
    assert set(names.values()) <= {1}
    there = {each.id for each in snapshot.hypervisors}
    for before, now in zip(nodes, after, strict=False):
        assert now.name == before.name
        assert before.hypervisor_id in (None, now.hypervisor_id)
        assert now.ip_addresses == before.ip_addresses or not before.ip_addresses
        if before.active and not now.active:
            assert before.hypervisor_id not in there
