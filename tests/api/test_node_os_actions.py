"""Actions in the operating systems of nodes: what is started, with what; what is refused before anything is."""

import threading
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select, update

from cloudmanager.models import FlowRow, Node, NodeFacts, Status, utc_now

UUID = "2eec580b-12f8-4518-bf79-3dc5529617da"
TARGET = "iqn.2010-10.org.openstack:volume-887880f7-9e54-4f81-8d32-3e0b7a9b1c5c"
SIMPLE = [
    "enable-snmp",
    "disable-snmp",
    "enable-ssh",
    "disable-ssh",
    "disable-nodesafe",
    "enable-dcc",
    "disable-dcc",
    "update-system",
    "collect-facts",
]
BODIES = {
    "set-cpu-mode": ({"cpu_emulation_mode": "host-passthrough"}, {"mode": "host-passthrough", "model": None}),
    "setup-log-redirection": ({"log_redirection_hostname": "10.10.10.10"}, {"host": "10.10.10.10"}),
    "disable-log-redirection": ({}, {"host": None}),
    "attach-targets": (
        {
            "targets": {"10.40.38.2": [TARGET.rpartition(":")[2], "iqn.2001-05.com.example:b"]},
            "vendor": "LIO-ORG",
        },
        {
            "targets": {"10.40.38.2": [TARGET, "iqn.2001-05.com.example:b"]},
            "vendor": "LIO-ORG",
            "product": None,
        },
    ),
    "repair-locks": ({}, {"host": "n1"}),
}


def flow(api, response):
    task_id = response.headers["Location"].removeprefix("/v1/tasks/")
    with api.database.reading() as session:
        return session.scalars(select(FlowRow).where(FlowRow.id == task_id)).one()


def ended(api, task_id, result=None, *, status=Status.SUCCESS, error=None):
    """The worker's part."""
    values = {"status": status, "result": result, "error": error, "ended_at": utc_now()}
    with api.database.transaction() as session:
        session.execute(update(FlowRow).where(FlowRow.id == task_id).values(values))


@pytest.mark.parametrize("action", SIMPLE)
def test_an_action_without_a_body_starts_a_task(api, action):
    node = api.node(name="n1")["id"]
    response = api.ask("POST", f"/v1/nodes/{node}/actions/{action}", role="member")
    assert (response.status_code, response.data) == (202, b"")
    row = flow(api, response)
    assert (row.kind, row.subject, row.params) == (action, f"node-os:{node}", {"node_id": node})
    assert api.bell.rung == [row.id]
    assert [row.id] == api.get("/v1/tasks/?host=n1")["tasks"]
    busy = api.post(f"/v1/nodes/{node}/actions/{action}", status=409)
    assert row.id in busy["error"]["message"]
    api.delete(f"/v1/nodes/{node}", 409)


@pytest.mark.parametrize("action", BODIES)
def test_what_a_task_is_given(api, action):
    node = api.node(name="n1")["id"]
    body, params = BODIES[action]
    row = flow(api, api.ask("POST", f"/v1/nodes/{node}/actions/{action}", body))
    assert (row.kind, row.params) == (action, {"node_id": node, **params})


@pytest.mark.parametrize("action", [*SIMPLE, *BODIES, "enable-nodesafe", "discovery-nas"])
def test_who_may(api, action):
    node = api.node(name="n1")["id"]
    body = {"storage_id": 1} if action == "discovery-nas" else BODIES.get(action, ({},))[0]
    api.post(f"/v1/nodes/{node}/actions/{action}", body, 403, role="reader")
    api.post(f"/v1/nodes/4711/actions/{action}", body, 404)


def test_power_is_not_held_by_work_in_the_operating_system(api):
    node = api.powered_node(name="n1")
    api.post(f"/v1/nodes/{node}/actions/update-system", status=202)
    api.post(f"/v1/nodes/{node}/actions/power-off", status=202)


@pytest.mark.parametrize(
    ("action", "body", "field"),
    [
        ("set-cpu-mode", {}, "cpu_emulation_mode"),
        ("set-cpu-mode", {"cpu_emulation_mode": "turbo"}, "cpu_emulation_mode"),
        ("set-cpu-mode", {"cpu_emulation_mode": "custom"}, "cpu_model"),
        ("set-cpu-mode", {"cpu_emulation_mode": "host-model", "cpu_model": "EPYC"}, "cpu_model"),
        ("set-cpu-mode", {"cpu_emulation_mode": None, "cpu_model": "EPYC"}, "cpu_model"),
        ("set-cpu-mode", {"cpu_emulation_mode": "custom", "cpu_model": "EPYC\nx = y"}, "cpu_model"),
        ("set-cpu-mode", {"cpu_emulation_mode": "custom", "cpu_model": "-x"}, "cpu_model"),
        ("setup-log-redirection", {}, "log_redirection_hostname"),
        ("setup-log-redirection", {"log_redirection_hostname": 'a" b'}, "log_redirection_hostname"),
        ("setup-log-redirection", {"log_redirection_hostname": "a;reboot"}, "log_redirection_hostname"),
        ("setup-log-redirection", {"log_redirection_hostname": ""}, "log_redirection_hostname"),
        ("setup-log-redirection", {"log_redirection_hostname": 7}, "log_redirection_hostname"),
        ("attach-targets", {}, "targets"),
        ("attach-targets", {"targets": {}}, "targets"),
        ("attach-targets", {"targets": []}, "targets"),
        ("attach-targets", {"targets": {"storage": ["a"]}}, "targets.storage.key"),
        ("attach-targets", {"targets": {"10.0.0.1": []}}, "targets.10.0.0.1.value"),
        ("attach-targets", {"targets": {"10.0.0.1": ["$(reboot)"]}}, "targets.10.0.0.1.value.0"),
        ("attach-targets", {"targets": {"10.0.0.1": ["--help"]}}, "targets.10.0.0.1.value.0"),
        ("attach-targets", {"targets": {"10.0.0.1": ["a" * 200]}}, "targets.10.0.0.1"),
        ("attach-targets", {"targets": {"fe80::1%eth0": ["a"]}}, "targets.fe80::1%eth0"),
        ("attach-targets", {"targets": {"10.0.0.1": ["a"]}, "vendor": 'a" }'}, "vendor"),
        ("attach-targets", {"targets": {"10.0.0.1": ["a"]}, "product": "a\n"}, "product"),
        ("discovery-nas", {}, "storage_id"),
        ("discovery-nas", {"storage_id": 4711}, "storage_id"),
        ("update-system", {"force": True}, "force"),
    ],
    ids=str,
)
def test_wrong_bodies_are_refused(api, action, body, field):
    node = api.node(name="n1")["id"]
    error = api.post(f"/v1/nodes/{node}/actions/{action}", body, 422)["error"]
    assert field in error["errors"], error
    assert api.get("/v1/tasks/")["tasks"] == []


def test_components_of_a_node_whose_dcc_is_off(api):
    node = api.node(name="n1")
    assert node["dcc"] is True
    with api.database.transaction() as session:
        session.execute(update(Node).values(dcc=False))
    assert api.get(f"/v1/nodes/{node['id']}")["node"]["dcc"] is False
    for action in ("set-cpu-mode", "setup-log-redirection", "disable-log-redirection"):
        error = api.post(f"/v1/nodes/{node['id']}/actions/{action}", BODIES[action][0], 409)["error"]
        assert "enable-dcc" in error["message"]
    api.post(f"/v1/nodes/{node['id']}/actions/enable-snmp", status=202)


def test_the_watchdog_needs_something_to_watch(api):
    node = api.node(name="n1")["id"]
    path = f"/v1/nodes/{node}/actions/enable-nodesafe"
    assert "nodesafe_peers" in api.post(path, status=409)["error"]["message"]
    api.services.config.set_override("nodesafe_peers", ["10.0.0.1"], "node_actions")
    assert "availability storage" in api.post(path, status=409)["error"]["message"]
    storage = {"name": "s", "compute_path": "/c", "controller_path": "/d"}
    created = api.post("/v1/availability-storages/", {"availability_storage": storage})[
        "availability_storage"
    ]
    api.post(f"/v1/nodes/{node}/availability-storages/", {"availability_storages": [created["id"]]}, 204)
    api.post(path, status=202)


@pytest.fixture
def storage(api):
    return api.node(name="storage1", ip_addresses=["127.0.0.1", "10.40.38.2"])["id"]


def answer_soon(api, result=None, **outcome):
    """A worker that ends whatever it is rung for."""
    api.bell.on_ring = lambda ids: threading.Timer(0.05, ended, (api, ids[0], result), outcome).start()


def test_a_discovery_answers_what_the_node_says(api, storage):
    node = api.node(name="n1")["id"]
    answer_soon(api, {"targets": {"10.40.38.2": ["volume-1"]}, "silent": {}})
    response = api.ask(
        "POST", f"/v1/nodes/{node}/actions/discovery-nas", {"storage_id": storage}, role="member"
    )
    assert (response.status_code, response.get_json()) == (200, {"targets": {"10.40.38.2": ["volume-1"]}})
    row = flow(api, response)
    assert (row.kind, row.params) == ("discovery-nas", {"node_id": node, "addresses": ["10.40.38.2"]})


def test_a_discovery_that_fails_or_takes_too_long(api, storage):
    node = api.node(name="n1")["id"]
    path = f"/v1/nodes/{node}/actions/discovery-nas"
    answer_soon(api, status=Status.FAILURE, error="no address of the storage answers")
    assert "no address" in api.post(path, {"storage_id": storage}, 502)["error"]["message"]
    api.bell.on_ring = lambda ids: None
    api.services.config.set_override("discovery_wait", 1.0, "node_actions")
    started = time.monotonic()
    assert "goes on" in api.post(path, {"storage_id": storage}, 504)["error"]["message"]
    assert time.monotonic() - started < 10
    lonely = api.node(name="storage2", ip_addresses=["::1"])["id"]
    assert "ip_addresses" in api.post(path, {"storage_id": lonely}, 409)["error"]["message"]


def test_binding_to_a_controller(api):
    one, two = (api.node(name=name)["id"] for name in ("n1", "N2"))
    body = {"controller_uuid": UUID.upper(), "hostnames": ["n1", "n2", "n1"]}
    response = api.ask("POST", "/v1/nodes/actions/attach", body, role="member")
    row = flow(api, response)
    assert (response.status_code, response.get_json()) == (202, {"task_id": row.id})
    assert row.params == {"controller": UUID, "nodes": {str(one): "n1", str(two): "N2"}}
    assert row.kind == "attach-nodes"
    for node, uuid in ((one, UUID), (two, "ffffffff-12f8-4518-bf79-3dc5529617da")):
        api.put(f"/v1/nodes/{node}", {"node": {"controller_id": uuid}})
    assert "N2 belong" in api.post("/v1/nodes/actions/attach", body, 409)["error"]["message"]
    assert "N2 do not" in api.post("/v1/nodes/actions/detach", body, 409)["error"]["message"]
    detach = {**body, "hostnames": ["n1"]}
    assert flow(api, api.ask("POST", "/v1/nodes/actions/detach", detach)).kind == "detach-nodes"


@pytest.mark.parametrize("verb", ["attach", "detach"])
@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"controller_uuid": "1; reboot"}, "controller_uuid"),
        ({"controller_uuid": f"{UUID}\n"}, "controller_uuid"),
        ({"hostnames": []}, "hostnames"),
        ({"hostnames": ["n1", "nobody"]}, "hostnames"),
    ],
    ids=["uuid", "newline", "nobody named", "unknown"],
)
def test_wrong_bindings(api, verb, changes, field):
    api.node(name="n1")
    body = {"controller_uuid": UUID, "hostnames": ["n1"], **changes}
    assert field in api.post(f"/v1/nodes/actions/{verb}", body, 422)["error"]["errors"]


@pytest.mark.both_databases
def test_what_was_collected_is_shown(api):
    known, unknown = (api.node(name=name)["id"] for name in ("n1", "n2"))
    other = api.node(name="n3", node_class_id=2)["id"]
    facts = {"hwinfo": {"processors": {"cpus": 2}}, "nas": {"storage1": [TARGET]}, "tried_at": utc_now()}
    with api.database.transaction() as session:
        session.execute(insert(NodeFacts).values(node_id=known, **facts))
        session.execute(insert(NodeFacts).values(node_id=other, **facts))
    node = api.get(f"/v1/nodes/{known}?with_hwinfo=true")["node"]
    assert (node["hwinfo"], node["nas"]) == (facts["hwinfo"], facts["nas"])
    plain = api.get(f"/v1/nodes/{known}")["node"]
    assert "hwinfo" not in plain
    assert plain["nas"] == facts["nas"]
    missing = api.get(f"/v1/nodes/{unknown}?with_hwinfo=true")["node"]
    assert (missing["hwinfo"], missing["nas"]) == (None, None)
    assert "hwinfo" not in api.get(f"/v1/nodes/{other}?with_hwinfo=true")["node"], "it is no hypervisor"
    listed = {row["id"]: row for row in api.get("/v1/nodes/?with_hwinfo=true&with_os_object=true")["nodes"]}
    assert listed[known]["hwinfo"] == facts["hwinfo"]
    assert listed[unknown]["hwinfo"] is None
    assert "os_hypervisor" in listed[known]
    assert "hwinfo" not in listed[other]


FIELDS = {
    "set-cpu-mode": lambda text: {"cpu_emulation_mode": "custom", "cpu_model": text},
    "setup-log-redirection": lambda text: {"log_redirection_hostname": text},
    "attach-targets": lambda text: {"targets": {"10.0.0.1": [text]}, "vendor": text, "product": text},
}
NASTY = st.text() | st.text(alphabet="ab1.-:;|&$`'\"\\\n\r\t <>(){}*?#!=%~^/", min_size=1)


@pytest.mark.parametrize("action", FIELDS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=NASTY)
def test_no_text_that_a_shell_or_a_file_would_understand_is_taken(api, action, text):
    """What is taken has no blank at its ends, no quote, no line end and nothing that a shell expands."""
    with api.database.transaction() as session:
        session.execute(update(FlowRow).values(ended_at=utc_now()))
        node = session.scalar(select(Node.id).limit(1))
    node = node or api.node(name="n1")["id"]
    response = api.ask("POST", f"/v1/nodes/{node}/actions/{action}", FIELDS[action](text))
    assert response.status_code in (202, 400, 422), response.text
    if response.status_code == 202:
        assert not set(text) & set(";|&$`'\"\\\n\r\t<>(){}*?#!=~^\0")
        assert text == text.strip()
        assert not text.startswith("-")
