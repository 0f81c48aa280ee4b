"""Rules of nodes."""

import pytest

from cloudmanager.flows import start
from cloudmanager.models import Node, utc_now


def test_defaults(api):
    node = api.node(name="test-node", ip_addresses=["10.35.22.11"])
    assert node["node_class"] == {"id": 1, "name": "hypervisor", "is_default": True}
    assert node["node_type"] == {"id": 1, "name": ""}
    assert node["image"] == {"id": 1, "name": "default"}
    assert node["ip_addresses"] == ["10.35.22.11"]
    assert (node["active"], node["condition"], node["is_reserved"], node["is_controller"]) == (
        True,
        0,
        False,
        False,
    )
    assert (node["power_state"], node["power_state_checked_at"], node["owner"]) == (None, None, None)
    assert node["node_controls"] == []


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, (1, 1)),
        ({"node_class_id": 2}, (2, 8)),
        ({"node_class_id": 2, "node_type_id": 9}, (2, 9)),
        ({"node_class_id": 2, "node_type_id": None}, (2, None)),
        ({"node_type_id": 3}, (1, 3)),
    ],
)
def test_class_and_type_of_a_new_node(api, body, expected):
    node = api.node(**body)
    assert (node["node_class"]["id"], node["node_type"] and node["node_type"]["id"]) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"title": "x"}, (2, 9)),
        ({"node_class_id": 2}, (2, 9)),
        ({"node_class_id": 3}, (3, 14)),
        ({"node_type_id": 10}, (2, 10)),
        ({"node_type_id": None}, (2, None)),
        ({"node_class_id": 1, "node_type_id": 2}, (1, 2)),
    ],
)
def test_class_and_type_of_a_changed_node(api, body, expected):
    node = api.node(node_class_id=2, node_type_id=9)
    node = api.put(f"/v1/nodes/{node['id']}", {"node": body})["node"]
    assert (node["node_class"]["id"], node["node_type"] and node["node_type"]["id"]) == expected


def test_a_type_belongs_to_its_class(api):
    for body in ({"node_type_id": 9}, {"node_class_id": 2, "node_type_id": 1}):
        error = api.post("/v1/nodes/", {"node": body}, 422)["error"]
        assert list(error["errors"]) == ["node_type_id"]
    node = api.node()
    api.put(f"/v1/nodes/{node['id']}", {"node": {"node_type_id": 9}}, 422)


def test_a_class_without_an_unspecified_type_gives_none(api):
    made = api.post("/v1/node-classes/", {"node_class": {"name": "c", "node_types": ["a"]}})["node_class"]
    assert api.node(node_class_id=made["id"])["node_type"] is None


def test_without_the_default_image_there_is_none(api):
    api.delete("/v1/node-images/1")
    assert api.node()["image"] is None


def test_no_image_means_the_default_one(api):
    image = api.post("/v1/node-images/", {"node_image": {"image_name": "i", "file_data": ""}})["node_image"]
    node = api.node(image_id=image["id"])
    assert node["image"] == {"id": image["id"], "name": "i"}
    assert api.put(f"/v1/nodes/{node['id']}", {"node": {"image_id": None}})["node"]["image"]["id"] == 1


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("AA-BB-CC-DD-EE-FF", "aa:bb:cc:dd:ee:ff"),
        ("aabb.ccdd.eeff", "aa:bb:cc:dd:ee:ff"),
        ("aa:bb:cc:dd:ee:01, AABBCCDDEE02", "aa:bb:cc:dd:ee:01,aa:bb:cc:dd:ee:02"),
        ("aa:bb:cc:dd:ee:01,aa-bb-cc-dd-ee-01", "aa:bb:cc:dd:ee:01"),
        ("", None),
        (None, None),
    ],
)
def test_mac_addresses_are_normalised(api, given, kept):
    assert api.node(mac_address=given)["mac_address"] == kept


@pytest.mark.parametrize(
    "given", ["aa:bb:cc:dd:ee", "aa:bb:cc:dd:ee:gg", "aa:bb:cc:dd:ee:ff,", ",", "x" * 3000, 7, ["aa"]]
)
def test_wrong_mac_addresses(api, given):
    assert "mac_address" in api.post("/v1/nodes/", {"node": {"mac_address": given}}, 422)["error"]["errors"]


def test_ip_addresses(api):
    assert api.node(ip_addresses=["2001:DB8:0::1", "10.0.0.1"])["ip_addresses"] == ["2001:db8::1", "10.0.0.1"]
    assert api.node(ip_addresses=[])["ip_addresses"] == []
    assert api.node(ip_addresses=None)["ip_addresses"] is None
    error = api.post("/v1/nodes/", {"node": {"ip_addresses": ["10.0.0.1", "10.0.0"]}}, 422)["error"]
    assert error["errors"] == {"ip_addresses.1": ["Not an IP address."]}
    api.post("/v1/nodes/", {"node": {"ip_addresses": "10.0.0.1"}}, 422)


@pytest.mark.parametrize(
    ("given", "kept"), [(17, "17"), ("UU", "UU"), ("017", "017"), (None, None), (10**40, str(10**40))]
)
def test_an_inventory_code_is_text(api, given, kept):
    assert api.node(inventory_code=given)["inventory_code"] == kept


@pytest.mark.parametrize("given", [True, 1.5, 10**300, [], "\0", "x" * 256])
def test_wrong_inventory_codes(api, given):
    assert (
        "inventory_code"
        in api.post("/v1/nodes/", {"node": {"inventory_code": given}}, 422)["error"]["errors"]
    )


def test_metadata_is_answered_as_it_was_given(api):
    metadata = {"cpu_benchmark": "test", "cores": 8, "ratio": 1.5, "on": True, "none": None, "ä": "ö\u2028"}
    node = api.node(metadata=metadata)
    assert node["metadata"] == metadata
    assert api.get(f"/v1/nodes/{node['id']}")["node"]["metadata"] == metadata
    assert api.put(f"/v1/nodes/{node['id']}", {"node": {"metadata": None}})["node"]["metadata"] is None


@pytest.mark.parametrize(
    "given",
    ["x", [], {"a": {}}, {"a": []}, {"a": "\0"}, {"\0": "a"}, {"a": 10**30}, {str(n): 1 for n in range(101)}],
)
def test_wrong_metadata(api, given):
    api.post("/v1/nodes/", {"node": {"metadata": given}}, 422)


def test_a_time_of_creation_is_accepted_and_ignored(api):
    assert api.node(created_at="2001-01-01T00:00:00")["created_at"] > "2020"


def test_a_power_state_is_believed_until_it_is_observed(api):
    node = api.node(power_state="power_off")
    assert node["power_state"] == "power_off"
    path = f"/v1/nodes/{node['id']}"
    assert api.put(path, {"node": {"power_state": None}})["node"]["power_state"] is None
    with api.database.transaction() as session:
        row = session.get(Node, node["id"])
        row.power_state, row.power_state_checked_at = "power_on", utc_now()
    assert api.put(path, {"node": {"power_state": "power_off"}})["node"]["power_state"] == "power_on"


def test_nodes_without_a_name_are_no_duplicates(api):
    assert api.node()["name"] is None
    assert api.node()["name"] is None


def test_spellings_of_one_unicode_name_are_one(api):
    assert api.node(name="a\u0308")["name"] == "ä"
    api.post("/v1/nodes/", {"node": {"name": "ä"}}, 409)


def test_a_node_that_a_task_works_on_stays(api):
    node = api.node()
    with api.database.transaction() as session:
        task = start(
            session,
            "reset",
            subject=f"node:{node['id']}",
            params={"node_id": node["id"]},
            requested_by=None,
            request_id=None,
        )
    error = api.delete(f"/v1/nodes/{node['id']}", 409)["error"]
    assert error["task_id"] == task
    assert task in error["message"]


def test_deleting_a_node_frees_its_port(api):
    node, control = api.node(), api.control()
    api.assign(node["id"], control["id"])
    api.delete(f"/v1/nodes/{node['id']}")
    assert api.get(f"/v1/power-controls/{control['id']}")["power_control"]["coil_map"] == {"1": None}
    api.delete(f"/v1/power-controls/{control['id']}")


def test_reserve(api):
    node = api.node(condition=2)
    path = f"/v1/nodes/{node['id']}"

    def state():
        shown = api.get(path)["node"]
        return shown["is_reserved"], shown["condition"]

    for wish, expected in ((True, (True, 4)), (True, (True, 4)), (False, (False, 1))):
        assert api.post(f"{path}/actions/reserve", {"is_reserved": wish}, 204, role="member") is None
        assert state() == expected
    api.put(path, {"node": {"condition": 3}})
    api.post(f"{path}/actions/reserve", {"is_reserved": False}, 204)
    assert state() == (False, 3)
    api.post(f"{path}/actions/reserve", {"is_reserved": 1}, 422)
    api.post(f"{path}/actions/reserve", status=422)
    api.post("/v1/nodes/77/actions/reserve", {"is_reserved": True}, 404)
    api.post(f"{path}/actions/reserve", {"is_reserved": True}, 403, role="reader")


def test_assign_image(api):
    image = api.post("/v1/node-images/", {"node_image": {"image_name": "i", "file_data": ""}})["node_image"][
        "id"
    ]
    path = f"/v1/nodes/{api.node(mac_address='52:54:00:00:00:01')['id']}"
    api.post(f"{path}/actions/assign-image", {"image_id": image}, 204)
    assert api.get(path)["node"]["image"] == {"id": image, "name": "i"}
    assert "image_id" in api.post(f"{path}/actions/assign-image", {"image_id": 77}, 422)["error"]["errors"]
    api.post("/v1/nodes/77/actions/assign-image", {"image_id": image}, 404)
