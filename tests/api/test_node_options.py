"""What lists of nodes and single nodes show when they are asked for more."""

import pytest

from cloudmanager.errors import CloudUnreachable

PATHS = ("/v1/nodes/", "/v1/nodes/1")


def shown(api, path):
    answer = api.get(path)
    return answer["node"] if "node" in answer else answer["nodes"][0]


@pytest.fixture
def hypervisor(api):
    api.node(name="a hypervisor")
    api.node(name="a storage host", node_class_id=2)
    return api


@pytest.mark.parametrize("path", PATHS)
def test_a_hypervisor_shows_what_is_asked_for(hypervisor, path):
    plain = shown(hypervisor, path)
    assert not {"os_hypervisor", "hwinfo"} & set(plain)
    for query, more in (
        ("with_os_object=true", {"os_hypervisor": None}),
        ("with_hwinfo=1", {"hwinfo": None}),
        ("with_os_object=True&with_hwinfo=true", {"os_hypervisor": None, "hwinfo": None}),
        ("with_os_object=false&with_hwinfo=0", {}),
    ):
        assert shown(hypervisor, f"{path}?{query}") == {**plain, **more}


def test_others_do_not(hypervisor):
    query = "?with_os_object=true&with_hwinfo=true"
    assert hypervisor.get(f"/v1/nodes/2{query}") == hypervisor.get("/v1/nodes/2")
    for node in hypervisor.get(f"/v1/nodes/{query}&sort=-id&limit=2")["nodes"]:
        assert ("hwinfo" in node) is (node["id"] == 1)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", ["with_os_object", "with_hwinfo"])
@pytest.mark.parametrize("value", ["", "yes", "eq:true", "2"])
def test_wrong_values(hypervisor, path, name, value):
    error = hypervisor.get(f"{path}?{name}={value}", 422)["error"]
    assert error["errors"] == {name: ["not true or false"]}
    hypervisor.get(f"{path}?{name}=true&{name}=true", 422)


def test_a_count_shows_nothing_so_it_takes_no_options(hypervisor):
    hypervisor.get("/v1/nodes/count?with_hwinfo=true", 422)


def test_a_page_leads_to_a_page_that_shows_the_same(hypervisor):
    link = hypervisor.ask("GET", "/v1/nodes/?limit=1&with_hwinfo=true").headers["Link"]
    assert "with_hwinfo=true" in link


def test_only_a_single_node_tells_its_storage_sessions(hypervisor):
    assert hypervisor.get("/v1/nodes/1")["node"]["nas"] is None
    assert "nas" not in shown(hypervisor, "/v1/nodes/")


# Nova's record


@pytest.fixture
def known_to_nova(api, nova):
    """Two hypervisors that Nova knows, one it does not, one that never had an id, and a storage host."""
    for name, hypervisor_id in (
        ("r1n01", "hv-r1n01"),
        ("r1n02", "hv-r1n02"),
        ("gone", "hv-9"),
        ("new", None),
    ):
        api.node(name=name, hypervisor_id=hypervisor_id)
    api.node(name="storage", node_class_id=2, hypervisor_id="hv-r1n03")
    return api


def names(nodes):
    return [node["os_hypervisor"] and node["os_hypervisor"]["hypervisor_hostname"] for node in nodes]


def test_the_record_of_nova(known_to_nova, nova):
    nodes = known_to_nova.get("/v1/nodes/?with_os_object=true&sort=id")["nodes"]
    assert names(nodes[:4]) == ["r1n01", "r1n02", None, None]
    assert "cpu_info" in nodes[0]["os_hypervisor"]
    assert "os_hypervisor" not in nodes[4]
    for node in nodes[:4]:
        single = known_to_nova.get(f"/v1/nodes/{node['id']}?with_os_object=true")["node"]
        assert single["os_hypervisor"] == node["os_hypervisor"]


def test_a_list_asks_nova_once_and_a_node_asks_for_itself(known_to_nova, nova):
    before = nova.line.calls
    known_to_nova.get("/v1/nodes/?with_os_object=true")
    known_to_nova.get("/v1/nodes/?with_os_object=true&limit=2")
    known_to_nova.get("/v1/nodes/1?with_os_object=true")
    assert nova.line.calls - before == 3
    known_to_nova.get("/v1/nodes/4?with_os_object=true")
    known_to_nova.get("/v1/nodes/5?with_os_object=true")
    known_to_nova.get("/v1/nodes/?with_hwinfo=true")
    assert nova.line.calls - before == 3


@pytest.mark.parametrize("path", PATHS)
def test_a_silent_nova_is_not_an_answer(known_to_nova, nova, monkeypatch, path):
    async def silent(*_):
        raise CloudUnreachable("Nova does not answer")

    for verb in ("hypervisor_record", "hypervisor_records"):
        monkeypatch.setattr(nova, verb, silent)
    known_to_nova.get(f"{path}?with_os_object=true", 504)
    known_to_nova.get(path)
