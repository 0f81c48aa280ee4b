"""Paging, sorting, streaming, and nested lists that stay with their objects."""

import json
import re

import pytest
from sqlalchemy import insert

from cloudmanager.api.reading import CHUNK
from cloudmanager.models import Node, NodeControl, PowerControl

pytestmark = pytest.mark.both_databases


@pytest.fixture
def fleet(api):
    """Nodes over several chunks: every third without control, every fifth with two, names in another order."""
    count = 5 * CHUNK + 60
    with api.database.transaction() as session:
        session.execute(
            insert(Node),
            [
                {"id": n, "name": f"n{n * 7919 % 10007:05}", "rack_number": n % 5 + 1}
                for n in range(1, count + 1)
            ],
        )
        fields = {
            "control_type": "ET7067",
            "protocol_type": "modbus",
            "host": "h",
            "port_number": 1,
            "coils_count": 8,
        }
        session.execute(
            insert(PowerControl), [{"id": n, "title": f"c{n}", **fields} for n in range(1, count + 1)]
        )
        assigned = [(n, n, "1") for n in range(1, count + 1) if n % 3] + [
            (n, n - 1, "2") for n in range(5, count + 1, 5)
        ]
        session.execute(
            insert(NodeControl),
            [
                {"node_id": n, "power_control_id": c, "power_control_port": p, "is_default": p == "1"}
                for n, c, p in assigned
            ],
        )
    api.expected = {n: sorted(c for node, c, _ in assigned if node == n) for n in range(1, count + 1)}
    return api


def assert_controls_are_right(api, nodes):
    for node in nodes:
        found = [control["power_control_id"] for control in node["node_controls"]]
        assert found == api.expected[node["id"]]


@pytest.mark.parametrize(
    "query",
    [
        "",
        "sort=name",
        "sort=-name",
        "sort=-id",
        "sort=rack_number",
        "rack_number=2&sort=-rack_number",
        "limit=300&offset=200",
        "offset=500",
        "sort=name&limit=7&offset=3",
    ],
)
def test_nested_lists_stay_with_their_objects(fleet, query):
    nodes = fleet.get(f"/v1/nodes/?{query}")["nodes"]
    assert nodes
    assert_controls_are_right(fleet, nodes)


def test_a_long_list_is_streamed_and_whole(fleet):
    response = fleet.ask("GET", "/v1/nodes/")
    assert response.content_length is None
    assert [node["id"] for node in json.loads(response.data)["nodes"]] == list(fleet.expected)


def test_a_page_has_its_length(fleet):
    response = fleet.ask("GET", f"/v1/nodes/?limit={CHUNK + 50}")
    assert response.content_length == len(response.data)
    assert len(response.get_json()["nodes"]) == CHUNK + 50


def test_a_long_list_takes_as_many_queries_as_a_short_one(fleet, count_queries):
    fleet.get("/v1/nodes/?limit=1")
    for path in ("/v1/nodes/", "/v1/power-controls/", "/v1/availability-storages/"):
        short = count_queries(lambda path=path: fleet.get(f"{path}?limit=1"))
        assert count_queries(lambda path=path: fleet.ask("GET", path).get_data()) == short


def test_a_list_that_is_not_read_to_its_end_gives_its_connection_back(fleet):
    before = fleet.database.engine.pool.checkedout()
    for _ in range(3):
        response = fleet.ask("GET", "/v1/nodes/")
        next(iter(response.response))
        response.close()
        fleet.ask("HEAD", "/v1/nodes/").close()
    del response
    assert fleet.database.engine.pool.checkedout() == before


@pytest.mark.parametrize(
    "query", ["limit=100", "limit=64&sort=-name&rack_number=2&rack_number=neq:3", "limit=300&offset=10"]
)
def test_links_lead_through_the_whole_list(fleet, query):
    whole = re.sub("limit=[0-9]+", "", query)
    path, found = f"/v1/nodes/?{query}", []
    while path:
        response = fleet.ask("GET", path)
        found += response.get_json()["nodes"]
        link = response.headers.get("Link")
        path = re.fullmatch('<(.*)>; rel="next"', link)[1] if link else None
    assert found == fleet.get(f"/v1/nodes/?{whole}")["nodes"]


def test_no_link_at_the_end(api):
    for number in range(4):
        api.node(name=f"n{number}")
    for query, linked in (
        ("limit=4", False),
        ("limit=3", True),
        ("limit=0", False),
        ("offset=2&limit=2", False),
        ("offset=9&limit=2", False),
        ("", False),
    ):
        assert ("Link" in api.ask("GET", f"/v1/nodes/?{query}").headers) is linked, query


def test_the_configuration_caps_the_limit(api):
    api.services.config.set_override("max_limit", 2, group="api")
    for number in range(4):
        api.node(name=f"n{number}")
    response = api.ask("GET", "/v1/nodes/?limit=1000")
    assert len(response.get_json()["nodes"]) == 2
    assert "offset=2&limit=2" in response.headers["Link"]
    assert len(api.get("/v1/nodes/")["nodes"]) == 4


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("limit=0", []),
        ("limit=2", [1, 2]),
        ("offset=3", [4]),
        ("offset=99", []),
        ("sort=-id&limit=1", [4]),
        ("sort=name", [3, 1, 4, 2]),
        ("sort=-name", [2, 4, 1, 3]),
    ],
)
def test_windows(api, query, ids):
    for name in ("b", "d", "a", "c"):
        api.node(name=name)
    assert [node["id"] for node in api.get(f"/v1/nodes/?{query}")["nodes"]] == ids
    if "sort" not in query:
        assert api.get(f"/v1/nodes/count?{query}")["count"] == len(ids)


def test_a_count_cannot_be_sorted(api):
    api.get("/v1/nodes/count?sort=id", 422)


@pytest.mark.parametrize("size", [CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK])
def test_lists_around_the_size_of_a_chunk_are_whole(api, size):
    with api.database.transaction() as session:
        session.execute(insert(Node), [{"id": n} for n in range(1, size + 1)])
    assert len(json.loads(api.ask("GET", "/v1/nodes/").data)["nodes"]) == size
