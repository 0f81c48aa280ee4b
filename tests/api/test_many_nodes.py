"""POST /v1/nodes/ with many nodes: all of them or none, and every mistake named by its place."""

import pytest
from sqlalchemy import event, text

from cloudmanager.api import node_creation

NODES = "/v1/nodes/"


def count(api):
    return api.get("/v1/nodes/count")["count"]


@pytest.mark.both_databases
def test_many_are_as_if_created_one_by_one(api):
    bodies = [
        {"name": "a", "rack_number": 1, "ip_addresses": ["10.0.0.1"], "metadata": {"x": 1}},
        {"name": "b", "node_class_id": 2},
        {},
        {"node_type_id": 3, "is_reserved": True, "mac_address": "AA-BB-CC-DD-EE-FF", "created_at": "never"},
        {"image_id": None, "ip_addresses": None, "metadata": None, "power_state": "power_off"},
    ]
    many = api.post(NODES, {"nodes": bodies})["nodes"]
    assert [node["id"] for node in many] == [1, 2, 3, 4, 5]
    assert api.get(NODES)["nodes"] == many
    for node in many[:2]:
        api.delete(f"/v1/nodes/{node['id']}")
    for body, node in zip(bodies, many, strict=True):
        alone = api.node(**body)
        alone.pop("nas")
        alone |= {"id": node["id"], "created_at": node["created_at"]}
        assert alone == node


def test_every_mistake_is_named_by_its_place(api):
    bodies = [{"name": "ok"}, {"name": 5, "colour": "red"}, {"rack_number": 100, "ip_addresses": ["x"]}]
    error = api.post(NODES, {"nodes": bodies}, 422)["error"]
    assert set(error["errors"]) == {
        "nodes.1.name",
        "nodes.1.colour",
        "nodes.2.rack_number",
        "nodes.2.ip_addresses.0",
    }
    bodies = [{"image_id": 77}, {"name": "x"}, {"node_class_id": 77}, {"node_class_id": 2, "node_type_id": 1}]
    error = api.post(NODES, {"nodes": bodies}, 422)["error"]
    assert list(error["errors"]) == ["nodes.0.image_id", "nodes.2.node_class_id", "nodes.3.node_type_id"]
    assert count(api) == 0


def test_names_given_twice_are_named(api):
    bodies = [{"name": "a"}, {"name": "b"}, {"name": "A"}, {}, {}, {"name": "a"}, {"image_id": 77}]
    error = api.post(NODES, {"nodes": bodies}, 422)["error"]
    assert error["errors"] == {
        "nodes.2.name": ["The same name as nodes.0.name."],
        "nodes.5.name": ["The same name as nodes.0.name."],
        "nodes.6.image_id": ["No such PXE image."],
    }
    assert count(api) == 0


@pytest.mark.both_databases
def test_names_that_are_taken_are_named(api):
    api.node(name="Node1")
    error = api.post(NODES, {"nodes": [{"name": "x"}, {"name": "node1"}]}, 409)["error"]
    assert error["errors"] == {"nodes.1.name": ["Taken by node 1 (Node1)."]}
    assert "node 1 (Node1)" in error["message"]
    assert count(api) == 1


@pytest.mark.parametrize(
    "body",
    [
        {"nodes": []},
        {"nodes": {}},
        {"nodes": None},
        {"nodes": "ab"},
        {"nodes": [1]},
        {"nodes": [None]},
        {"nodes": [[]]},
        {"nodes": [{}], "node": {}},
        {"nodes": [{}], "more": 1},
        {},
        {"node": []},
    ],
    ids=str,
)
def test_wrong_lists(api, body):
    api.post(NODES, body, 422)
    assert count(api) == 0


def test_the_configuration_says_how_many(api):
    api.services.config.set_override("max_bulk_nodes", 2, group="api")
    error = api.post(NODES, {"nodes": [{}] * 3}, 422)["error"]
    assert list(error["errors"]) == ["nodes"]
    assert "max_bulk_nodes" in error["message"]
    api.post(NODES, {"nodes": [{}] * 2})


@pytest.mark.both_databases
def test_five_thousand_in_a_few_statements(api):
    statements = []
    event.listen(api.database.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    bodies = [{"name": f"n{n}", "rack_number": n % 99 + 1, "ip_addresses": ["10.0.0.1"]} for n in range(5000)]
    made = api.post(NODES, {"nodes": bodies})["nodes"]
    assert [node["name"] for node in made] == [body["name"] for body in bodies]
    assert len(statements) < 60


def test_only_admins_create_many(api):
    for role in ("reader", "member"):
        api.post(NODES, {"nodes": [{}]}, 403, role=role)


def test_nothing_is_left_when_the_database_refuses(api):
    """A name that was taken between the check and the insert."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(node_creation, "_refuse_taken_names", lambda *_: None)
        api.node(name="taken")
        error = api.post(NODES, {"nodes": [{"name": "x"}, {"name": "TAKEN"}]}, 409)["error"]
    assert "names of nodes are unique" in error["message"]
    assert count(api) == 1


def test_names_are_looked_up_by_an_index(database):
    with database.reading() as session:
        plan = session.execute(
            text("EXPLAIN QUERY PLAN SELECT id FROM nodes WHERE lower(name) IN ('a')")
        ).all()
    assert "ix_nodes_name_without_case" in str(plan)
