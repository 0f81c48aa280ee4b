"""What every resource does: one case per resource, one suite for all."""

from dataclasses import dataclass, field

import pytest

pytestmark = pytest.mark.both_databases

HUGE = 10**40


@dataclass
class Case:
    path: str
    noun: str
    plural: str
    create: dict
    wrong: dict
    required: list = field(default_factory=list)
    change: dict | None = None
    countable: bool = True
    read_role: str = "reader"
    only_single: tuple = ()

    @property
    def id(self):
        return self.plural


CONTROL = {
    "control_type": "SupermicroRackDevice",
    "protocol_type": "ipmi",
    "host": "10.0.0.7",
    "port_number": 623,
    "title": "first",
}
CASES = [
    Case(
        "/v1/nodes/",
        "node",
        "nodes",
        create={"name": "node one", "title": "a title", "rack_number": 7},
        change={"title": "another title"},
        only_single=("nas",),
        wrong={
            "name": 5, "title": [], "active": "true", "condition": 5, "is_reserved": 1, "rack_number": 100,
            "dtc_number": 0, "unit_number": "7", "cpu_amount": 1.5, "ram_mb": -1, "hdd_gb": HUGE,
            "inventory_code": True, "image_id": 77, "node_class_id": 77, "node_type_id": HUGE,
            "mac_address": "aa:bb", "ip_addresses": ["10.0.0.256"], "power_state": "on", "metadata": "x",
            "hypervisor_id": {}, "description": "\0", "owner": "x" * 256, "controller_id": 1,
        },
    ),
    Case(
        "/v1/node-classes/",
        "node_class",
        "node_classes",
        create={"name": "a class", "node_types": ["type1", "type2"]},
        change={"name": "a class renamed"},
        required=["name"],
        wrong={"name": "  ", "node_types": ["x", "x"]},
    ),
    Case(
        "/v1/node-classes/1/types/",
        "node_type",
        "node_types",
        create={"name": "a type"},
        change={"name": "a type renamed"},
        wrong={"name": 5},
        countable=False,
    ),
    Case(
        "/v1/node-images/",
        "node_image",
        "node_images",
        create={"image_name": "test_image", "file_data": "root=test"},
        required=["image_name", "file_data"],
        wrong={"image_name": "", "file_data": 7},
    ),
    Case(
        "/v1/power-controls/",
        "power_control",
        "power_controls",
        create=CONTROL,
        change={"title": "test_power_control"},
        required=["control_type", "protocol_type", "host", "port_number"],
        wrong={
            "control_type": "Nothing", "protocol_type": "snmp", "host": "not a host", "port_number": 65536,
            "title": 5, "login": [], "password": 7, "ssh_key": "key",
        },
        read_role="admin",
    ),
    Case(
        "/v1/availability-storages/",
        "availability_storage",
        "availability_storages",
        create={"name": "storage1", "compute_path": "/tmp/", "controller_path": "/tmp/"},
        change={"name": "storage2"},
        required=["name", "compute_path", "controller_path"],
        wrong={"name": "\t", "compute_path": "tmp", "controller_path": "/" + "x" * 4095},
    ),
    Case(
        "/v1/maintenance-windows/",
        "maintenance_window",
        "maintenance_windows",
        create={
            "name": "weekly", "action": "restart", "hosts": {"node_classes": ["hypervisor"]}, "length": 3600,
            "schedule": {"cron": "0 22 * * SAT", "time_zone": "Europe/Berlin"},
        },
        change={"name": "another name"},
        required=["name", "action", "hosts", "schedule", "length"],
        wrong={
            "name": " ", "action": "explode", "hosts": {}, "length": HUGE, "batch": 0, "blockers": [{}],
            "schedule": {"cron": "60 0 * * *"}, "parameters": {"power_off": True}, "stop_after_failures": "1",
            "enabled": 1,
        },
    ),
]  # fmt: skip
every = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
changeable = pytest.mark.parametrize("case", [c for c in CASES if c.change], ids=lambda case: case.id)


TIMES = ("time_updated", "updated_at")


def assert_same(after, before):
    """The same but for the time of the last change."""
    assert {**after, **dict.fromkeys(TIMES)} == {**before, **dict.fromkeys(TIMES)}


def create(api, case, **values):
    return api.post(case.path, {case.noun: {**case.create, **values}})[case.noun]


@every
def test_create_get_list_count(api, case):
    before = api.get(case.path)[case.plural]
    made = create(api, case)
    for name, value in case.create.items():
        if name != "node_types":
            assert made[name] == value
    assert api.get(f"{case.path}{made['id']}") == {case.noun: made}
    listed = {name: value for name, value in made.items() if name not in case.only_single}
    assert api.get(case.path) == {case.plural: [*before, listed]}
    if case.countable:
        assert api.get(f"{case.path}count") == {"count": len(before) + 1}


@every
def test_create_tells_where_it_is(api, case):
    response = api.ask("POST", case.path, {case.noun: case.create})
    assert api.get(response.headers["Location"])[case.noun] == response.get_json()[case.noun]


@every
def test_a_slash_at_the_end_is_optional(api, case):
    assert api.get(case.path.rstrip("/")) == api.get(case.path)
    made = create(api, case)
    assert api.get(f"{case.path}{made['id']}/") == api.get(f"{case.path}{made['id']}")
    if case.countable:
        assert api.get(f"{case.path}count/") == api.get(f"{case.path}count")


@changeable
def test_update_changes_only_what_is_given(api, case):
    made = create(api, case)
    changed = api.put(f"{case.path}{made['id']}", {case.noun: case.change})[case.noun]
    assert_same(changed, {**made, **case.change})
    found = api.get(f"{case.path}{made['id']}")[case.noun]
    assert case.change.items() <= found.items()


@changeable
def test_an_empty_update_changes_nothing(api, case):
    made = create(api, case)
    after = api.put(f"{case.path}{made['id']}", {case.noun: {}})[case.noun]
    assert_same(after, made)


@every
def test_delete(api, case):
    made = create(api, case)
    api.delete(f"{case.path}{made['id']}")
    api.get(f"{case.path}{made['id']}", 404)
    api.delete(f"{case.path}{made['id']}", 404)


@every
@pytest.mark.parametrize("unknown", ["0", "99999", str(2**31), str(HUGE), "007777"])
def test_unknown_ids_are_404(api, case, unknown):
    for method in ("GET", "DELETE", *(["PUT"] if case.change else [])):
        response = api.ask(
            method, f"{case.path}{unknown}", {case.noun: case.change} if method == "PUT" else None
        )
        assert response.status_code == 404, (method, response.text)
        assert response.get_json()["error"]["code"] == 404


@every
def test_impossible_ids_do_not_reach_the_database(api, case, count_queries):
    api.get(case.path)
    for impossible in (0, 2**31, HUGE):
        assert count_queries(lambda key=impossible: api.get(f"{case.path}{key}", 404)) == 0


@every
def test_unknown_fields_are_named(api, case):
    error = api.post(case.path, {case.noun: {**case.create, "colour": "red"}}, 422)["error"]
    assert error["errors"] == {"colour": ["Unknown field."]}
    assert "colour" in error["message"]


@every
def test_unknown_query_parameters_are_named(api, case):
    paths = [case.path, f"{case.path}1", *([f"{case.path}count"] if case.countable else [])]
    for path in paths:
        error = api.get(f"{path}?colour=red", 422)["error"]
        assert error["errors"] == {"colour": ["unknown parameter"]}
    api.post(f"{case.path}?colour=red", {case.noun: case.create}, 422)


@every
def test_wrong_values_are_named(api, case):
    for name, value in case.wrong.items():
        error = api.post(case.path, {case.noun: {**case.create, name: value}}, 422)["error"]
        assert [key.split(".")[0] for key in error.get("errors", {})] == [name], (name, error)


@changeable
def test_wrong_values_in_updates_are_named_and_change_nothing(api, case):
    made = create(api, case)
    for name, value in case.wrong.items():
        error = api.put(f"{case.path}{made['id']}", {case.noun: {name: value}}, 422)["error"]
        assert [key.split(".")[0] for key in error.get("errors", {})] == [name], (name, error)
    assert api.get(f"{case.path}{made['id']}")[case.noun] == made


@every
def test_required_fields_are_named(api, case):
    for name in case.required:
        body = {key: value for key, value in case.create.items() if key != name}
        error = api.post(case.path, {case.noun: body}, 422)["error"]
        assert error["errors"] == {name: ["Missing data for required field."]}


@every
def test_a_body_has_its_wrapper_and_nothing_else(api, case):
    for body in ({}, case.create, {case.noun: []}, {case.noun: None}, {case.noun: case.create, "more": 1}):
        api.post(case.path, body, 422)
    assert api.ask("POST", case.path, data=b"[]", content_type="application/json").status_code == 422
    assert api.ask("POST", case.path).status_code == 422


@every
def test_roles(api, case):
    made = create(api, case)
    item = f"{case.path}{made['id']}"
    for role in ("reader", "member"):
        readable = 200 if case.read_role == "reader" else 403
        api.get(case.path, readable, role=role)
        api.get(item, readable, role=role)
        api.post(case.path, {case.noun: case.create}, 403, role=role)
        api.delete(item, 403, role=role)
        if case.change:
            api.put(item, {case.noun: case.change}, 403, role=role)
    for method, path in (("GET", case.path), ("GET", item), ("POST", case.path), ("DELETE", item)):
        assert api.ask(method, path, role="nobody").status_code == 401


@every
def test_lists_take_the_same_number_of_queries_at_any_size(api, case, count_queries):
    def names(number):
        key = "image_name" if case.noun == "node_image" else "title" if "title" in case.create else "name"
        values = {key: f"n {number}"}
        return {**values, "name": f"n {number}"} if case.noun == "node" else values

    create(api, case, **names(0))
    few = count_queries(lambda: api.get(case.path))
    for number in range(1, 12):
        create(api, case, **names(number))
    assert count_queries(lambda: api.get(case.path)) == few
    assert few <= 5


@every
def test_head_and_options(api, case):
    head = api.ask("HEAD", case.path)
    assert (head.status_code, head.data) == (200, b"")
    options = api.ask("OPTIONS", case.path, role="nobody")
    assert options.status_code == 200
    assert {"GET", "HEAD", "POST", "OPTIONS"} <= set(options.headers["Allow"].split(", "))


def test_names_are_unique(api):
    for path, noun, body in (
        ("/v1/nodes/", "node", {"name": "same"}),
        ("/v1/node-classes/", "node_class", {"name": "same"}),
        ("/v1/node-images/", "node_image", {"image_name": "same", "file_data": ""}),
        ("/v1/node-classes/1/types/", "node_type", {"name": "same"}),
    ):
        made = api.post(path, {noun: body})[noun]
        error = api.post(path, {noun: body}, 409)["error"]
        assert "name" in error["message"]
        assert "UNIQUE" not in error["message"]
        if noun != "node_image":
            other = api.post(path, {noun: {"name": "other"}})[noun]
            api.put(f"{path}{other['id']}", {noun: {"name": "same"}}, 409)
            assert api.get(f"{path}{made['id']}")[noun]["name"] == "same"


def test_parts_of_an_unknown_parent_are_404(api):
    api.get("/v1/node-classes/77/types/", 404)
    api.post("/v1/node-classes/77/types/", {"node_type": {"name": "x"}}, 404)
    api.get("/v1/nodes/77/power-actions/", 404)
    api.get("/v1/nodes/77/power-controls/", 404)
    api.get("/v1/power-controls/77/nodes", 404)


def test_a_type_is_found_only_in_its_class(api):
    api.get("/v1/node-classes/1/types/2")
    api.get("/v1/node-classes/2/types/2", 404)
    api.put("/v1/node-classes/2/types/2", {"node_type": {"name": "x"}}, 404)
    api.delete("/v1/node-classes/2/types/2", 404)


def test_what_nodes_use_stays_and_they_are_named(api):
    image = api.post("/v1/node-images/", {"node_image": {"image_name": "mine", "file_data": ""}})[
        "node_image"
    ]
    made = api.post("/v1/node-classes/", {"node_class": {"name": "mine", "node_types": ["one"]}})[
        "node_class"
    ]
    kind = made["node_types"][0]
    node = api.node(name="user", image_id=image["id"], node_class_id=made["id"], node_type_id=kind["id"])
    paths = [
        f"/v1/node-images/{image['id']}",
        f"/v1/node-classes/{made['id']}",
        f"/v1/node-classes/{made['id']}/types/{kind['id']}",
    ]
    for path in paths:
        assert f"node {node['id']} (user)" in api.delete(path, 409)["error"]["message"]
    error = api.put(f"/v1/node-classes/{made['id']}", {"node_class": {"node_types": []}}, 409)["error"]
    assert "(user)" in error["message"]
    api.delete(f"/v1/nodes/{node['id']}")
    for path in (paths[0], paths[2], paths[1]):
        api.delete(path)


def test_many_users_are_counted(api):
    for number in range(12):
        api.node(name=f"n{number}")
    assert "and 2 more" in api.delete("/v1/node-images/1", 409)["error"]["message"]


def test_the_default_class_stays(api):
    assert "default" in api.delete("/v1/node-classes/1", 409)["error"]["message"]


def test_types_given_with_a_class_are_the_whole_set(api):
    made = api.post("/v1/node-classes/", {"node_class": {"name": "c", "node_types": ["a", "b"]}})[
        "node_class"
    ]
    body = {"node_class": {"node_types": ["b", "c"]}}
    after = api.put(f"/v1/node-classes/{made['id']}", body)["node_class"]["node_types"]
    assert [kind["name"] for kind in after] == ["b", "c"]
    assert after[0] == made["node_types"][1]


def test_first_data(api):
    classes = api.get("/v1/node-classes/")["node_classes"]
    assert [made["name"] for made in classes] == ["hypervisor", "Storage host", "Network host", "Server"]
    assert [kind["id"] for made in classes for kind in made["node_types"]] == list(range(1, 24))
    assert api.get("/v1/node-images/1")["node_image"]["image_name"] == "default"
