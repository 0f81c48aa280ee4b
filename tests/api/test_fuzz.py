"""Arbitrary input: never a 5xx, never SQL, never a traceback."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

FIELDS = [
    "name", "title", "node_class_id", "node_type_id", "image_id", "mac_address", "ip_addresses", "metadata",
    "power_state", "condition", "inventory_code", "ram_mb", "created_at", "control_type", "protocol_type", "host",
    "port_number", "password", "ssh_key", "node_ids", "coil", "soft", "dry_run", "is_reserved", "is_default",
    "power_control_id", "power_control_port", "node_types", "image_name", "file_data", "login",
    "compute_path", "controller_path", "availability_storages", "nodes",
]  # fmt: skip
WRAPPERS = ["node", "node_class", "node_type", "node_image", "power_control", "availability_storage", "nodes"]
TARGETS = [
    ("POST", "/v1/nodes/", "node"),
    ("PUT", "/v1/nodes/1", "node"),
    ("POST", "/v1/node-classes/", "node_class"),
    ("PUT", "/v1/node-classes/2", "node_class"),
    ("POST", "/v1/node-classes/1/types/", "node_type"),
    ("POST", "/v1/node-images/", "node_image"),
    ("POST", "/v1/power-controls/", "power_control"),
    ("PUT", "/v1/power-controls/1", "power_control"),
    ("POST", "/v1/availability-storages/", "availability_storage"),
    ("PUT", "/v1/availability-storages/1", "availability_storage"),
    ("POST", "/v1/nodes/1/availability-storages/", None),
    ("PUT", "/v1/availability-storages/1/nodes/", None),
    ("POST", "/v1/nodes/", "nodes"),
    ("POST", "/v1/nodes/1/power-controls/", None),
    ("PUT", "/v1/nodes/1/power-controls/1", None),
    ("POST", "/v1/nodes/1/actions/power-off", None),
    ("POST", "/v1/nodes/1/actions/reserve", None),
    ("POST", "/v1/nodes/1/actions/assign-image", None),
    ("POST", "/v1/nodes/actions/reset?wait=0", None),
    ("POST", "/v1/power-controls/1/actions/power-on", None),
]
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from([1, "1", "", "\0", 2**31, 10**40]),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
bodies = st.dictionaries(st.one_of(st.sampled_from(FIELDS), st.text(max_size=8)), values, max_size=5)
calm = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@pytest.fixture
def target(api):
    api.powered_node(name="first")
    return api


def check(response):
    assert response.status_code < 500, response.text
    for word in ("Traceback", "sqlalchemy", "sqlite3", "SELECT ", "INSERT ", "UPDATE "):
        assert word not in response.text


@pytest.mark.parametrize(("method", "path", "wrapper"), TARGETS, ids=str)
def test_bodies(target, method, path, wrapper):
    @calm
    @given(bodies, st.sampled_from([wrapper, wrapper, wrapper, *WRAPPERS, None]))
    def run(body, key):
        sent = json.dumps(body if key is None else {key: body})
        check(target.ask(method, path, data=sent, content_type="application/json"))

    run()


@pytest.mark.parametrize(
    "path",
    ["/v1/nodes/", "/v1/nodes/count", "/v1/power-controls/", "/v1/tasks/", "/v1/nodes/1/power-actions/"],
)
def test_query_strings(target, path):
    names = [
        "id",
        "name",
        "title",
        "active",
        "created_at",
        "status",
        "host",
        "sort",
        "limit",
        "offset",
        "detail",
        "start_time",
    ]
    prefixes = ["", "eq:", "neq:", "in:", "nin:", "gt:", "gte:", "lt:", "lte:", "like:", "null:"]
    operands = st.one_of(
        st.text(max_size=12),
        st.integers().map(str),
        st.sampled_from(["1", "true", "%", "\\", "2018-10-17", "name", "-id", "1,2"]),
    )

    @calm
    @given(st.lists(st.tuples(st.sampled_from(names), st.sampled_from(prefixes), operands), max_size=3))
    def run(parameters):
        check(
            target.ask(
                "GET", path, query_string=[(name, prefix + value) for name, prefix, value in parameters]
            )
        )

    run()


@calm
@given(raw=st.binary(max_size=60))
def test_raw_bytes(target, raw):
    check(target.ask("POST", "/v1/nodes/", data=raw, content_type="application/json"))


@calm
@given(path=st.text(max_size=30))
def test_paths(target, path):
    for prefix in ("/", "/v1/nodes/", "/v1/tasks/", "/v1/power-controls/"):
        check(target.ask("GET", prefix + path.replace("?", "").replace("#", "")))
