"""When two names are one: composed Unicode for all, and for nodes no case of ASCII letters, as in DNS."""

import pytest
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from cloudmanager.models import Node, folded, without_case

E_ACUTE = "r\u00e9"
E_COMBINED = "re\u0301"
pytestmark = pytest.mark.both_databases


@pytest.mark.parametrize(
    ("first", "second", "one"),
    [
        ("Node1", "node1", True),
        (E_ACUTE, E_COMBINED, True),
        (E_ACUTE.upper(), E_ACUTE, False),
        ("node1", "node1 ", False),
        ("\u017f1", "s1", False),
        ("\u0130", "i\u0307", False),
        ("stra\u00dfe", "STRASSE", False),
    ],
)
def test_names_of_nodes(api, first, second, one):
    api.node(name=first)
    api.post("/v1/nodes/", {"node": {"name": second}}, 409 if one else 201)
    other = api.node(name="other")
    api.put(f"/v1/nodes/{other['id']}", {"node": {"name": second}}, 409)
    assert api.get("/v1/nodes/1")["node"]["name"] == first


def test_a_node_may_change_the_case_of_its_own_name(api):
    api.node(name="Node1")
    assert api.put("/v1/nodes/1", {"node": {"name": "NODE1"}})["node"]["name"] == "NODE1"


def test_nodes_without_names_are_no_namesakes(api):
    for _ in range(2):
        api.node(name=None)


@pytest.mark.parametrize(
    ("path", "noun", "field", "rest"),
    [
        ("/v1/node-classes/", "node_class", "name", {}),
        ("/v1/node-classes/1/types/", "node_type", "name", {}),
        ("/v1/node-images/", "node_image", "image_name", {"file_data": ""}),
        ("/v1/availability-storages/", "availability_storage", "name", {"compute_path": "/", "controller_path": "/"}),
    ],
    ids=lambda value: value if isinstance(value, str) and "/" in value else "",
)  # fmt: skip
def test_other_names_are_compared_exactly(api, path, noun, field, rest):
    for name, status in ((E_ACUTE, 201), (E_ACUTE, 409), (E_COMBINED, 409), (E_ACUTE.upper(), 201)):
        api.post(path, {noun: {field: name, **rest}}, status)


@pytest.mark.parametrize("name", ["Node1", "\u00c9A", "\u017f", "\u0130", "x" * 255, "\U00010400a"])
def test_the_database_folds_as_we_do(database, name):
    with database.transaction() as session:
        session.execute(insert(Node), [{"name": name}])
        assert session.scalar(without_case(Node.name).select()) == folded(name)


def test_the_database_itself_refuses_a_namesake(database):
    with database.transaction() as session:
        session.execute(insert(Node), [{"name": "Node1"}])
    with pytest.raises(IntegrityError), database.transaction() as session:
        session.execute(insert(Node), [{"name": "nODE1"}])
