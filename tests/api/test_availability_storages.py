"""Availability storages and who uses them, from both sides."""

import threading

import pytest

STORAGES = "/v1/availability-storages/"


@pytest.fixture
def both(api):
    """Three nodes and three storages, nothing assigned."""
    for number in (1, 2, 3):
        api.node(name=f"n{number}")
        storage = {"name": f"s{number}", "compute_path": "/srv/a", "controller_path": "/mnt/a"}
        api.post(STORAGES, {"availability_storage": storage})
    return api


def storages_of(api, node_id):
    return [found["id"] for found in api.get(f"/v1/nodes/{node_id}")["node"]["availability_storages"]]


def nodes_of(api, storage_id):
    return [node["id"] for node in api.get(f"{STORAGES}{storage_id}")["availability_storage"]["nodes"]]


SIDES = pytest.mark.parametrize(
    ("path", "name", "read"),
    [
        ("/v1/nodes/1/availability-storages/", "availability_storages", storages_of),
        ("/v1/availability-storages/1/nodes/", "nodes", nodes_of),
    ],
    ids=["node", "storage"],
)


@SIDES
@pytest.mark.both_databases
def test_post_adds_put_replaces_delete_removes(both, path, name, read):
    both.post(path, {name: [2]}, 204)
    both.post(path, {name: [1, 2, 1]}, 204)
    assert read(both, 1) == [1, 2]
    both.put(path, {name: [3, 2]}, 204)
    assert read(both, 1) == [2, 3]
    both.delete(f"{path}3")
    both.delete(f"{path}3", 404)
    assert read(both, 1) == [2]
    both.put(path, {name: []}, 204)
    assert read(both, 1) == []


@SIDES
def test_the_unknown_is_named_and_changes_nothing(both, path, name, read):
    both.put(path, {name: [1]}, 204)
    for method in (both.post, both.put):
        error = method(path, {name: [2, 77]}, 422)["error"]
        assert list(error["errors"]) == [f"{name}.1"]
    assert read(both, 1) == [1]
    for wrong in ({}, {name: 1}, {name: ["1"]}, {name: [0]}, {name: [1], "more": 1}, {name: [True]}):
        both.post(path, wrong, 422)
        both.put(path, wrong, 422)
    for method in ("POST", "PUT"):
        assert both.ask(method, path.replace("/1/", "/77/"), {name: [1]}).status_code == 404
    both.delete(path.replace("/1/", "/77/") + "1", 404)


@SIDES
def test_only_admins_assign(both, path, name, read):
    for role in ("reader", "member"):
        both.post(path, {name: [1]}, 403, role=role)
        both.put(path, {name: [1]}, 403, role=role)
        both.delete(f"{path}1", 403, role=role)


def test_lists_show_both_sides(both):
    both.put("/v1/nodes/1/availability-storages/", {"availability_storages": [1, 3]}, 204)
    both.put("/v1/nodes/3/availability-storages/", {"availability_storages": [3]}, 204)
    nodes = both.get("/v1/nodes/")["nodes"]
    assert [node["availability_storages"] for node in nodes] == [
        [{"id": 1, "name": "s1"}, {"id": 3, "name": "s3"}],
        [],
        [{"id": 3, "name": "s3"}],
    ]
    shown = both.get(f"{STORAGES}?sort=-id")["availability_storages"]
    assert [storage["nodes"] for storage in shown] == [
        [{"id": 1, "name": "n1"}, {"id": 3, "name": "n3"}],
        [],
        [{"id": 1, "name": "n1"}],
    ]


def test_a_storage_in_use_stays_and_its_users_are_named(both):
    both.put(f"{STORAGES}1/nodes/", {"nodes": [1, 2]}, 204)
    message = both.delete(f"{STORAGES}1", 409)["error"]["message"]
    assert "node 1 (n1), node 2 (n2)" in message
    for node in (1, 2):
        both.delete(f"/v1/nodes/{node}")
    both.delete(f"{STORAGES}1")


@pytest.mark.parametrize("parameter", ["id=2", "availability_storage_id=2", "name=s2", "name=like:%25S2"])
def test_filters_of_the_reference(both, parameter):
    found = both.get(f"{STORAGES}?{parameter}")["availability_storages"]
    assert [storage["id"] for storage in found] == [2]
    assert both.get(f"{STORAGES}count?{parameter}") == {"count": 1}


def test_the_time_of_a_change_is_kept(both):
    made = both.get(f"{STORAGES}1")["availability_storage"]
    assert made["updated_at"] is None
    changed = both.put(f"{STORAGES}1", {"availability_storage": {"compute_path": "/x"}})[
        "availability_storage"
    ]
    assert changed["updated_at"] >= made["created_at"]


@pytest.mark.both_databases
def test_two_who_replace_at_once_leave_the_set_of_one(both):
    sets = ([1, 2], [3])
    answers = []

    def replace(ids):
        answers.append(both.ask("PUT", f"{STORAGES}1/nodes/", {"nodes": ids}).status_code)

    threads = [threading.Thread(target=replace, args=(ids,)) for ids in sets * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [204] * 6
    assert nodes_of(both, 1) in sets
