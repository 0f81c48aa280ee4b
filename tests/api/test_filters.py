"""Filters: every field with every operator against a second implementation, and what must be refused."""

import operator
import re
from urllib.parse import quote

import pytest

from cloudmanager.api.nodes import nodes
from cloudmanager.api.power_controls import power_controls

pytestmark = pytest.mark.both_databases

INTEGERS = {
    "id": lambda shown: shown["id"],
    "image_id": lambda shown: shown["image"]["id"],
    "node_class_id": lambda shown: shown["node_class"]["id"],
    "node_type_id": lambda shown: (shown["node_type"] or {"id": None})["id"],
}


def value_of(shown, name):
    if name in INTEGERS:
        return INTEGERS[name](shown)
    return shown["time_created" if name == "created_at" else name]


def like(value, pattern):
    expression = re.escape(pattern).replace("%", ".*").replace("_", ".")
    return re.fullmatch(expression, value, re.IGNORECASE | re.DOTALL) is not None


ORACLE = {
    "eq": operator.eq,
    "neq": operator.ne,
    "in": operator.eq,
    "nin": operator.ne,
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
    "like": like,
}
TRUE_FOR_NULL = {"neq", "nin"}


def fill_nodes(api):
    image = api.post("/v1/node-images/", {"node_image": {"image_name": "i", "file_data": ""}})["node_image"][
        "id"
    ]
    texts = ("hypervisor_id", "name", "controller_id", "controller_type", "description", "title", "owner")
    numbers = ("dtc_number", "unit_number", "rack_number", "row_number", "cpu_amount", "ram_mb", "hdd_gb")
    rows = [
        {"image_id": image, "node_class_id": 2, "node_type_id": 9, "power_state": "power_on", "condition": 3},
        {
            "image_id": 1,
            "node_class_id": 1,
            "node_type_id": None,
            "power_state": "power_off",
            "active": False,
        },
        {"is_reserved": True, "is_controller": True},
    ]
    for number, row in enumerate(rows):
        values = {name: f"{name} {'ABÄ'[number]}" for name in texts} | dict.fromkeys(numbers, 10 + number)
        values |= {"inventory_code": f"{number}7", "mac_address": f"aa:bb:cc:dd:ee:0{number}"}
        api.node(**row, **values)
    api.node()


def fill_controls(api):
    api.control(title="Ärmel", host="10.0.0.1", port_number=100)
    api.control(title="b", host="10.0.0.2", port_number=200, control_type="ET7067", protocol_type="modbus")
    api.control(title="C", host="bmc.example.org", port_number=300)


@pytest.mark.parametrize(
    ("resource", "path", "fill"),
    [(nodes, "/v1/nodes/", fill_nodes), (power_controls, "/v1/power-controls/", fill_controls)],
    ids=["nodes", "power_controls"],
)
def test_every_field_with_every_operator(api, resource, path, fill):
    fill(api)
    shown = api.get(path)[resource.plural]
    for name, field in resource.fields.items():
        values = [value_of(one, name) for one in shown]
        known = next(value for value in values if value is not None)
        for word in field.operators:
            if word == "null":
                continue
            operand = known if word != "like" else f"%{known[1:].lower()}"
            test = ORACLE[word]
            expected = [
                one["id"]
                for one, value in zip(shown, values, strict=True)
                if (word in TRUE_FOR_NULL if value is None else test(value, operand))
            ]
            asked = f"{name}={word}:{quote(str(operand))}"
            assert [one["id"] for one in api.get(f"{path}?{asked}")[resource.plural]] == expected, asked
            assert api.get(f"{path}count?{asked}")["count"] == len(expected), asked
        for wanted in (True, False):
            expected = sum((value is None) == wanted for value in values)
            assert api.get(f"{path}count?{name}=null:{wanted}")["count"] == expected
        equal = sum(value == known for value in values)
        assert api.get(f"{path}count?{name}={quote(str(known))}")["count"] == equal
        wrong = "like:x" if "like" not in field.operators else "like:\\"
        assert name in api.get(f"{path}?{name}={quote(wrong)}", 422)["error"]["errors"]


def names(api, query):
    return [node["name"] for node in api.get(f"/v1/nodes/?{query}")["nodes"]]


@pytest.fixture
def named(api):
    for name in ("gt:5", "50%", "5000", "Straße", "ÄÖ", "a_b", "axb"):
        api.node(name=name)
    return api


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("name=eq:gt:5", ["gt:5"]),
        ("name=eq:eq:gt:5", []),
        ("name=like:50\\%25", ["50%"]),
        ("name=like:50%25", ["50%", "5000"]),
        ("name=like:a\\_b", ["a_b"]),
        ("name=like:a_b", ["a_b", "axb"]),
        ("name=like:sTRaße", ["Straße"]),
        ("name=like:äö", ["ÄÖ"]),
        ("name=like:A_B", ["a_b", "axb"]),
        ("name=in:50%25,axb,nobody", ["50%", "axb"]),
        ("name=in:", []),
        ("name=", []),
        ("name=gte:a&name=lt:axb", ["a_b"]),
        ("id=gt:2&id=lte:4&id=neq:3", ["Straße"]),
        ("id=in:1,7", ["gt:5", "axb"]),
        ("name=x' OR 1=1 --", []),
        ("active=TRUE&id=1", ["gt:5"]),
        ("active=0", []),
        ("id=-1", []),
    ],
)
def test_values(named, query, expected):
    assert names(named, query) == expected


@pytest.mark.parametrize(
    "query",
    [
        "id=x", "id=1.5", "id=", "id=in:1,x", "id=in:", "id=gt:", "id=99999999999",
        "id=2147483648",
        "id=in:1,-2147483648", "id=gt:" + "9" * 4000,
        "id=%D9%A1", "id= 1", "id=1_0", "id=like:1", "active=yes", "active=gt:true", "name=like:x\\",
        "name=null:maybe", "name=%00", "name=like:%00", "name=in:a,%00", "active=null:", "power_state=null:1x",
        "sort=colour", "sort=", "sort=--name", "sort=name&sort=id", "limit=-1", "limit=x", "limit=", "limit=1.0",
        "offset=-1", "offset=" + "9" * 30, "offset=1&offset=2", "Limit=1", "name[]=x",
    ],
)  # fmt: skip
def test_what_cannot_be_understood_is_422_and_named(api, query):
    error = api.get(f"/v1/nodes/?{query}", 422)["error"]
    assert list(error["errors"]) == [query.split("=")[0]]


def test_all_wrong_parameters_are_named_together(api):
    error = api.get("/v1/nodes/?id=x&colour=red&limit=-1", 422)["error"]
    assert set(error["errors"]) == {"id", "colour", "limit"}


@pytest.mark.parametrize(
    ("value", "count"),
    [
        ("{now}", 1),
        ("lte:{now}", 1),
        ("gt:{now}", 0),
        ("eq:{now}Z", 1),
        ("{now}%2B00:00", 1),
        ("gt:{now}%2B01:00", 1),
        ("2018-10-17", 0),
        ("gt:2018-10-17", 1),
        ("nin:{now}", 0),
    ],
)
def test_times(api, value, count):
    now = api.control()["time_created"]
    assert api.get(f"/v1/power-controls/count?created_at={value.format(now=now)}")["count"] == count


@pytest.mark.parametrize(
    "value", ["yesterday", "", "2018-13-01", "0001-01-01T00:00:00%2B14:00", "1e9", "10:00"]
)
def test_wrong_times(api, value):
    assert "created_at" in api.get(f"/v1/power-controls/?created_at={value}", 422)["error"]["errors"]
